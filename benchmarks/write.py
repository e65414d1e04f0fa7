"""How fast are texts written whose states are wanted, and would the states do that pass by while a model writes?

    python -m benchmarks.write [--texts N] [--tokens N] [--rounds N]

The real 135M model on a CPU, one thread. Three ways to N texts and their pooled states, at fp32; they take turns within a
round, and a ratio is the median over rounds:

- ours: a text after each prompt, then prompt and text are read in a pass of their own (stages `write` and `read_writing`);
- `generate` of transformers, prompts padded on the left, and a pass with `output_hidden_states` after it;
- `generate` that itself keeps the hidden states of every step.

The last way needs no second pass, and `write` could do the same. Whether it may is the second table: how far, relative to their
length, pooled states that are seen while a text is written lie from those of a pass over the whole text, beside how far that
precision lies from fp32. LLM.int8 looks for outliers in all tokens of a text, or in the one that is written; at 16 bits sums
are rounded elsewhere. Where the two are of a size, a precision and a way to read could not be told apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks import ways
from benchmarks.backends import NAME
from benchmarks.bench import opened, verdict
from benchmarks.ways import HEADLESS, Reader
from pipeline.errors import InputError, run_stage
from pipeline.models import loading
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.reading import Position
from pipeline.params.whole import Params
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.texts import prompts, stimuli
from pipeline.writing.generation import generate, prompt_ids
from pipeline.writing.sampling import Decoding
from pipeline.writing.text_cache import TextCache, after_prompt, after_tokens

TEXTS, TOKENS, ROUNDS, COMPARED = 64, 64, 3, 8
PRECISIONS = ("fp32", "fp16", "int8")
POSITIONS = {"last": Position(rule="last"), "middle": Position(rule="middle"), "mean0": Position(rule="mean")}
AT = list(POSITIONS.values())
OURS, TWICE, KEPT = "ours, read again", "generate, read again", "generate, states kept"
TOGETHER = 0.7
"""Target: our time over that of `generate` and a second pass."""

Ids = Sequence[list[int]]


class Distances(NamedTuple):
    """Of one precision, at each of POSITIONS, medians over texts and layers: from what is seen while a text is written to a
    pass over it, and from that to the same pass at fp32."""

    precision: str
    by_writing: list[float]
    by_precision: list[float]


def reader_of(asked: Ids, texts: Ids) -> Reader:
    """What reads texts after their prompts, which do not count."""
    whole = [[*prompt, *text] for prompt, text in zip(asked, texts, strict=True)]
    return Reader(whole, AT, [len(prompt) for prompt in asked])


def read(model: loading.Model, asked: Ids, texts: Ids, plan: BatchPlan) -> np.ndarray:
    """As a stage reads texts after their prompts: (text, position, layer, hidden)."""
    reader = reader_of(asked, texts)
    return ways.ours(model.body, reader)(plan.batches([len(ids) for ids in reader.ids]))


def ours(model: loading.Model, asked: Ids, decoding: Decoding, plan: BatchPlan) -> np.ndarray:
    assert model.head is not None
    written = generate(model.body, model.head, asked, range(len(asked)), decoding, frozenset(), len(asked))
    return read(model, asked, [text.tokens for text in written], plan)


def theirs(whole: Any, asked: Ids, decoding: Decoding, plan: BatchPlan, kept: bool) -> np.ndarray:
    """`generate` of transformers, with what it keeps of every step, or with a second pass."""
    longest = max(map(len, asked))
    ids = torch.tensor([[0] * (longest - len(own)) + own for own in asked])
    mask = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in asked])
    n = decoding.max_new_tokens
    options = {"max_new_tokens": n, "min_new_tokens": n, "pad_token_id": 0, "disable_compile": True}
    options |= {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    states = {"output_hidden_states": kept, "return_dict_in_generate": True}
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        made = whole.generate(ids, attention_mask=mask, **options, **states)
        if kept:
            # of a text's last token nothing is seen: no step comes after it
            steps = made.hidden_states[1:]
            layers = [torch.cat([out[:, -1:] for out in layer], dim=1) for layer in zip(*steps, strict=True)][1:]
            return np.stack([ways.pooled([layer[row] for layer in layers], AT) for row in range(len(asked))])
    again = reader_of(asked, made.sequences[:, longest:].tolist())
    return ways.plain(whole, again)[HEADLESS](plan.batches([len(ids) for ids in again.ids]))


@torch.inference_mode()
def seen(model: loading.Model, prompt: list[int], text: Sequence[int]) -> np.ndarray:
    """What passes by at POSITIONS while a model writes this text: (position, layer, hidden)."""
    assert model.head is not None
    stream = residual.blocks(model.body)
    states: list[list[Tensor]] = [[] for _ in stream]
    _, cache = after_prompt(model.body, model.head, prompt)
    going = TextCache.of([cache])
    with residual.hooked(stream, lambda layer, out: states[layer].append(out[0, -1].float().clone())):
        for token in text:
            after_tokens(model.body, model.head, [token], [going])
    return ways.pooled([torch.stack(own) for own in states], AT)


def three_ways(
    model: loading.Model, whole: Any, asked: Ids, decoding: Decoding, plan: BatchPlan
) -> dict[str, Callable[[], np.ndarray]]:
    """Each gives pooled states of its own texts: (text, position, layer, hidden)."""
    return {
        OURS: lambda: ours(model, asked, decoding, plan),
        TWICE: lambda: theirs(whole, asked, decoding, plan, kept=False),
        KEPT: lambda: theirs(whole, asked, decoding, plan, kept=True),
    }


def times(three: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, float]:
    """Our time over that of each way."""
    taken: dict[str, list[float]] = {name: [] for name in three}
    for _ in range(rounds):
        for name, way in three.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(a / b for a, b in zip(taken[OURS], own, strict=True)) for name, own in taken.items()}


def distances(models: dict[str, loading.Model], asked: Ids, texts: Ids, plan: BatchPlan) -> list[Distances]:
    """Of each precision, fp32 first, over some texts."""
    found, exact = [], read(models["fp32"], asked, texts, plan)
    for precision, model in models.items():
        again = read(model, asked, texts, BatchPlan(0, 1))
        while_writing = np.stack([seen(model, prompt, text) for prompt, text in zip(asked, texts, strict=True)])
        found.append(Distances(precision, _apart(while_writing, again), _apart(again, exact)))
    return found


def _apart(states: np.ndarray, others: np.ndarray) -> list[float]:
    relative = np.linalg.norm(states - others, axis=-1) / np.linalg.norm(others, axis=-1)
    return [float(x) for x in np.median(relative, axis=(0, 2))]


def show(ratios: dict[str, float], rows: Sequence[Distances]) -> None:
    for name, ratio in ratios.items():
        print(f"{name:24} our time is {ratio:.2f} of its time" if name != OURS else f"{name:24} 1.00")
    print(verdict(f"{ratios[TWICE]:.2f} of the time of {TWICE}", TOGETHER, ratios[TWICE], "{:.2f}", most=True))
    print(f"\n{'relative distance at':36} " + " ".join(f"{position:>8}" for position in POSITIONS))
    for row in rows:
        for what, values in ((f"{row.precision}, seen while writing", row.by_writing), ("to fp32", row.by_precision)):
            print(f"{what:>36} " + " ".join(f"{value:8.1e}" for value in values))


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of writing with states, and what is seen while a model writes")
    parser.add_argument("--texts", type=int, default=TEXTS, help="each after a prompt of its own (%(default)s)")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of every text (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="in which every way takes its turn (%(default)s)")
    given = parser.parse_args()
    if given.tokens < 2:
        raise InputError("--tokens: 2 or more, since of a text's last token no step of `generate` keeps anything")
    torch.set_num_threads(1)
    params, entry = Params.load(), load_entry(NAME)
    model = loading.load(NAME, entry, "fp32", torch.device("cpu"), writes=True)
    labels = stimuli.load(params.readings["stories"])["emotion"].unique().sort().to_list()
    lines = prompts.asked(prompts.load(params.write.prompts, "scene", None), labels, params.vectors.neutral_label)
    asked = [prompt_ids(text, model.tokenizer, True, entry.bos) for _, _, text in lines[: given.texts]]
    decoding, plan = Decoding(0.7, 0.9, given.tokens), BatchPlan.of(params, "fp32", model.device)
    whole, _ = opened(loading.locate(entry, MODELS / f"{NAME}.yaml"))
    print(f"{NAME}, one thread: {len(asked)} texts of {given.tokens} tokens, {given.rounds} rounds")
    three = three_ways(model, whole, asked, decoding, plan)
    for way in three_ways(model, whole, asked[:2], Decoding(0.7, 0.9, 3), plan).values():
        way()  # what a library sets up at its first call is no part of writing
    ratios = times(three, given.rounds)
    few = asked[:COMPARED]
    assert model.head is not None
    texts = [t.tokens for t in generate(model.body, model.head, few, range(len(few)), decoding, frozenset(), len(few))]
    more = {p: loading.load(NAME, entry, p, torch.device("cpu"), writes=True) for p in PRECISIONS if p != "fp32"}
    show(ratios, distances({"fp32": model, **more}, few, texts, plan))


if __name__ == "__main__":
    run_stage(lambda _arguments: main())
