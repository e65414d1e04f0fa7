"""How fast reading is, against the two usual ways with transformers; ratios within one run, interleaved, one thread.

    python -m benchmarks.read

All three read the same stories with the real 135M model in fp32 and pool the same position; their numbers are checked to agree
(the last block aside, which `output_hidden_states` gives after the final norm).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from pipeline.errors import run_stage
from pipeline.models import loading
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.whole import Params
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.texts import stimuli

NAME, STORIES, ROUNDS = "smollm2-135m-instruct", 32, 3


def main() -> None:
    torch.set_num_threads(1)
    params, entry = Params.load(), load_entry(NAME)
    model = loading.load(NAME, entry, "fp32", torch.device("cpu"))
    whole = AutoModelForCausalLM.from_pretrained(loading.locate(entry, MODELS / f"{NAME}.yaml"), dtype=torch.float32).eval()
    texts = stimuli.load(params.readings["stories"])["text"].to_list()[:STORIES]
    ids, bos = residual.tokenise(texts, model.tokenizer, entry.bos, "native")
    position = params.positions["mean50"]
    batches = BatchPlan.of(params, "fp32", model.device).batches([len(text) for text in ids])

    def ours() -> np.ndarray:
        out = np.empty((len(ids), 30, 576), np.float32)
        for batch in batches:
            out[batch] = residual.read_batch(model.body, [ids[i] for i in batch], [position], bos)[0][:, 0]
        return out

    def one_at_a_time() -> np.ndarray:
        states = [whole(input_ids=torch.tensor([text]), output_hidden_states=True).hidden_states for text in ids]
        return np.stack([[s[0, position.start :].mean(0).numpy() for s in layers[1:]] for layers in states])

    def batched_with_mask() -> np.ndarray:
        out = np.empty((len(ids), 30, 576), np.float32)
        for batch in batches:
            longest = max(len(ids[i]) for i in batch)
            padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
            mask = torch.tensor([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in batch])
            states = whole(input_ids=padded, attention_mask=mask, output_hidden_states=True).hidden_states[1:]
            for row, i in enumerate(batch):
                out[i] = np.stack([s[row, position.start : len(ids[i])].mean(0).numpy() for s in states])
        return out

    ways: dict[str, Callable[[], np.ndarray]] = {f.__name__: f for f in (ours, one_at_a_time, batched_with_mask)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        read = {name: way() for name, way in ways.items()}  # warm, and compared
        for name, states in read.items():
            error = np.linalg.norm(states - read["ours"], axis=-1) / np.linalg.norm(read["ours"], axis=-1)
            print(f"{name:18} largest relative difference: {error[:, :-1].max():.1e}; at block 29: {error[:, -1].max():.1e}")
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                times[name].append(time.perf_counter() - start)
    for name in ways:
        ratios = [a / b for a, b in zip(times[name], times["ours"], strict=True)]
        print(f"{name:18} {statistics.median(ratios):.2f} x the time of ours")


if __name__ == "__main__":
    run_stage(lambda _arguments: main())
