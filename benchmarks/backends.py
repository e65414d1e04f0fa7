"""Do TransformerLens and our own hooks give the same states, and the same geometry, for the same stories?

    python -m benchmarks.backends [--stories N]

TransformerLens comes on top of the project's environment; this is the least that it needs there:

    pip install --no-deps transformer-lens==4.3.0 einops==0.8.2 jaxtyping==0.3.11 datasets==5.2.0 pyarrow==26.0.1 \\
        multiprocess==0.70.19 dill==0.4.1 xxhash==4.1.0

The real 135M model in fp32. Both backends are given the same token ids: to a text of its own TransformerLens would prepend BOS.
It opens the folder itself and reads one story at a time, without padding; its states are pooled here by slices. Its
`TransformerBridge` leaves the weights as they are (nothing folded, nothing centred) unless `enable_compatibility_mode` is
called, which it is not. Layer l is `blocks.{l}.hook_out`, also called `hook_resid_post`, before any final norm. What the two
share is transformers' norms, MLPs and rotary angles; attention, padding, pooling and the hooks are each one's own.

Printed per position and layer: the smallest cosine over stories between the two; the same after the stories' mean is taken
away; as a scale, the largest cosine of two *different* stories; Spearman's rho of the two RDMs of the emotions. Then the worst
of each against the targets (the exit code is 1 where one is missed). How fast each is: `benchmarks.bench`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from analysis.rsa import gram, rdm
from analysis.rsa.gram import Design, Floats
from pipeline.errors import InputError, run_stage
from pipeline.models import loading
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.reading import Position
from pipeline.params.whole import Params
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.texts import stimuli

NAME, POSITIONS = "smollm2-135m-instruct", ("last", "mean50")
COSINE, RHO = 0.999998, 0.9999
BLOCK_OUTPUT = "blocks.{}.hook_out"


def spread(emotions: Sequence[str], topics: Sequence[str], n: int) -> list[int]:
    """Indices of the first `n` stories along the diagonals of labels x topics, in the order of the file.

    Each diagonal has every label once, each with another topic, so that few stories still have all labels and many topics.
    """
    label = np.unique(np.asarray(emotions, dtype=str), return_inverse=True)[1]
    names, topic = np.unique(np.asarray(topics, dtype=str), return_inverse=True)
    order = np.lexsort((np.arange(len(label)), label, (topic - label) % len(names)))
    return sorted(int(i) for i in order[:n])


def open_bridge(folder: Path) -> Any:
    """TransformerLens' view of a local folder of safetensors: fp32 on the CPU, weights unprocessed."""
    try:
        from transformer_lens.model_bridge import TransformerBridge
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "transformer_lens":  # a library that it needs itself
            raise
        raise InputError("TransformerLens is not installed here; `make peers` installs it and runs this") from None

    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    assert not bridge.compatibility_mode
    return bridge


def through_hooks(
    body: nn.Module,
    ids: Sequence[list[int]],
    positions: Sequence[Position],
    skip: int | Sequence[int],
    batches: Sequence[list[int]],
) -> np.ndarray:
    """Our reading: float32 (story, position, layer, hidden). `skip`: tokens that never count, of all texts or of each."""
    skips = [skip] * len(ids) if isinstance(skip, int) else skip
    read = [
        residual.read_batch(body, [ids[i] for i in batch], positions, [skips[i] for i in batch]).activation for batch in batches
    ]
    out = np.empty((len(ids), *read[0].shape[1:]), np.float32)
    for batch, states in zip(batches, read, strict=True):
        out[batch] = states
    return out


def through_transformer_lens(
    bridge: Any,
    ids: Sequence[list[int]],
    positions: Sequence[Position],
    skip: int,
    batches: Sequence[list[int]] | None = None,
    hook: str = BLOCK_OUTPUT,
) -> Floats:
    """The same by TransformerLens, pooled by slices in float64: (story, position, layer, hidden).

    One story at a time unless `batches` are given, which are padded on the right without a mask. `hook` names the place, with
    the layer's number for {}.
    """
    names = [hook.format(layer) for layer in range(bridge.cfg.n_layers)]
    out = np.empty((len(ids), len(positions), len(names), bridge.cfg.d_model))
    for batch in [[i] for i in range(len(ids))] if batches is None else batches:
        longest = max(len(ids[i]) for i in batch)
        tokens = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
        with torch.inference_mode():
            _, cache = bridge.run_with_cache(tokens, names_filter=names)
        for layer, name in enumerate(names):
            states = cache[name].numpy()
            for row, i in enumerate(batch):
                text = states[row, skip : len(ids[i])]
                for p, position in enumerate(positions):
                    first, end = position.span(len(text))
                    out[i, p, layer] = text[first:end].mean(axis=0, dtype=np.float64)
    return out


class Agreement(NamedTuple):
    """How far two readings (story, position, layer, hidden) agree; float64 (position, layer) each.

    `cosine` and `centred` are the smallest over stories (the second after each reading's mean over stories is taken away),
    `other` the largest cosine between one story in the first reading and another in the second, `rho` is Spearman's rho of the
    two RDMs.
    """

    cosine: Floats
    centred: Floats
    other: Floats
    rho: Floats


def agreement(ours: np.ndarray, theirs: np.ndarray, emotions: Sequence[str], topics: Sequence[str], neutral: str) -> Agreement:
    """Compare two readings of the same stories; the label `neutral` is no part of the RDMs."""
    kept = np.array([e != neutral for e in emotions])
    design = Design.of(np.array(emotions)[kept].tolist(), np.array(topics)[kept].tolist())
    found = np.empty((4, *ours.shape[1:3]))
    for p, layer in np.ndindex(*ours.shape[1:3]):
        a, b = (states[:, p, layer].astype(np.float64) for states in (ours, theirs))
        between = _unit(a) @ _unit(b).T
        own = between.diagonal().min()
        np.fill_diagonal(between, -1.0)
        centred = (_unit(gram.centre(a)) * _unit(gram.centre(b))).sum(axis=1).min()
        rho = rdm.spearman(_rdm(a[kept], design), _rdm(b[kept], design))
        found[:, p, layer] = own, centred, between.max(), float(rho)
    return Agreement(*found)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _rdm(states: Floats, design: Design) -> Floats:
    sums = gram.cells(gram.gram(states), design)
    means = gram.label_products(sums, design, np.ones((1, len(design.units))))
    return np.asarray(rdm.rdms(gram.centred_products(means))[0])


def _table(agreed: Agreement) -> None:
    print("position layer  1 - cosine  1 - centred cosine  largest cosine of two stories  rho of RDMs")
    for p, position in enumerate(POSITIONS):
        for layer in range(agreed.cosine.shape[1]):
            own, centred, other, rho = (float(values[p, layer]) for values in agreed)
            print(f"{position:8} {layer:5}  {1 - own:10.1e}  {1 - centred:18.1e}  {other:29.6f}  {rho:11.8f}")


def _holds(what: str, values: Floats, target: float) -> bool:
    p, layer = np.unravel_index(values.argmin(), values.shape)
    met = bool(values.min() >= target)
    at = f"{POSITIONS[p]}, layer {layer}"
    print(f"worst {what}: 1 - {1 - values.min():.1e} ({at}); target {target}: {'met' if met else 'MISSED'}")
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description="the same stories through TransformerLens and through our own hooks")
    parser.add_argument("--stories", type=int, help="how many, over all labels and topics (all)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    params, entry = Params.load(), load_entry(NAME)
    frame = stimuli.load(params.readings["stories"])
    if asked.stories is not None:
        if asked.stories < frame["emotion"].n_unique():
            parser.error(f"--stories: {frame['emotion'].n_unique()} or more, one of each label")
        frame = frame[spread(frame["emotion"].to_list(), frame["topic"].to_list(), asked.stories)]
    texts, emotions, topics = (frame[column].to_list() for column in ("text", "emotion", "topic"))
    bridge = open_bridge(loading.locate(entry, MODELS / f"{NAME}.yaml"))
    model = loading.load(NAME, entry, "fp32", torch.device("cpu"))
    ids, bos = residual.tokenise(texts, model.tokenizer, entry.bos, "native")
    plan, positions = BatchPlan.of(params, "fp32", torch.device("cpu")), [params.positions[p] for p in POSITIONS]

    same = sum(bridge.to_tokens(t, prepend_bos=bos)[0].tolist() == i for t, i in zip(texts, ids, strict=True))
    print(f"{len(ids)} stories, {sum(map(len, ids))} tokens; TransformerLens' own ids are the same for {same}")
    ours = through_hooks(model.body, ids, positions, int(bos), plan.batches([len(text) for text in ids]))
    theirs = through_transformer_lens(bridge, ids, positions, int(bos))
    agreed = agreement(ours, theirs, emotions, topics, params.vectors.neutral_label or "")
    _table(agreed)
    held = [_holds("cosine", agreed.cosine, COSINE), _holds("rho of RDMs", agreed.rho, RHO), same == len(ids)]
    print(f"worst centred cosine: 1 - {1 - agreed.centred.min():.1e}")
    sys.exit(not all(held))


if __name__ == "__main__":
    run_stage(lambda _arguments: main())
