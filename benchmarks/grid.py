"""The grid of a paper's size: time and memory of the stages `pairs` and `human` on synthetic activations.

    python -m benchmarks.grid [--models 12] [--precisions 3] [--methods 4] [--stories 504]

Every model is one of its size in the published twelve (layers, width); activations are drawn as they are asked for, so that
no disk is needed; the time of drawing them is measured and taken off. Methods stand as further models of the same lineage.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np

from analysis.controls import human
from analysis.grid import pairs
from analysis.readers.readers import Reader, Readout
from analysis.readers.sections import ReaderSections
from analysis.rsa.names import CV, PAPER
from pipeline.models.entries import ModelEntry
from pipeline.params.reading import STORIES
from pipeline.params.whole import Params
from pipeline.schemas.geometry import LAYERS
from pipeline.store import chosen_layers, layout, tables
from pipeline.texts import stimuli

SIZES = [(28, 1536), (24, 2048), (28, 3072), (26, 1152), (32, 4096), (32, 4096)]  # layers and width, two models each
ROOT = Path(__file__).resolve().parent.parent


class Sections(Params):
    """The whole of params.yaml, with what the stages say of it."""

    readers = ReaderSections.readers


def synthetic(reader: Reader, size: tuple[int, int], frame, position: str, spent: list[float]) -> Readout:
    """Activations with a common emotion geometry of 20 dimensions, topic and noise, at a true size."""
    start = time.perf_counter()
    n_layers, width = size
    rng = np.random.default_rng(abs(hash((reader.model, reader.precision, position))) % 2**32)
    emotions, topics = frame["emotion"].to_list(), frame["topic"].to_list()
    label, topic = (np.unique(x, return_inverse=True)[1] for x in (emotions, topics))
    common = np.random.default_rng(0).normal(size=(label.max() + 1, 20))
    axes = rng.normal(size=(20, width)).astype(np.float32)
    base = (common[label] @ axes + rng.normal(size=(topic.max() + 1, width))[topic]).astype(np.float32)
    states = rng.standard_normal((len(emotions), n_layers, width), dtype=np.float32) * 4 + base[:, None]
    neutral = rng.standard_normal((64, n_layers, width), dtype=np.float32)
    whole = np.ones((len(emotions), n_layers), dtype=bool)
    ids, tokens = frame["id"].to_list(), np.full(len(emotions), 140)
    spent[0] += time.perf_counter() - start
    return Readout(reader, position, emotions, topics, ids, tokens, states, whole, neutral, whole[:64])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("models", 12), ("precisions", 3), ("methods", 4), ("stories", 504)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args(arguments)
    params = Sections.load(ROOT / "params.yaml")
    frame = stimuli.load(params.readings[STORIES].model_copy(update={"path": ROOT / params.readings[STORIES].path}))
    frame = frame.head(options.stories)
    precisions = ["fp32", "bf16", "fp16", "int8"][: options.precisions]
    names = [f"model{m:02}-method{k}" for m in range(options.models) for k in range(options.methods)]
    sizes = {n: SIZES[int(n[5:7]) // 2 % len(SIZES)] for n in names}
    entry = {"family": "f", "tuning": "base", "bos": False, "parameters": 1e9, "folder": {"path": "."}}
    entries = {n: ModelEntry.model_validate(entry | {"lineage": f"lineage{int(n[5:7]) // 2}"}) for n in names}
    read = params.read.model_copy(update={"models": names, "precisions": precisions})
    twins = params.read_untrained.model_copy(update={"models": []})
    norms = params.corpus.model_copy(update={"emotions": ROOT / params.corpus.emotions})
    params = params.model_copy(update={"read": read, "read_untrained": twins, "words": [], "corpus": norms})
    readers = [Reader(n, None, p) for n in names for p in precisions]
    spent = [0.0]

    def readouts(_params, _entries, position: str) -> Iterator[Readout]:
        for reader in readers:
            yield synthetic(reader, sizes[reader.model], frame, position, spent)

    n_halvings = params.geometry.halvings
    rows = []
    for c in readers:
        for position in params.geometry.positions:
            for variant in layout.VARIANTS:
                at = {
                    **LAYERS.blank(),
                    **c.keys(),
                    "position": position,
                    "variant": variant,
                    "plateau_low": 9,
                    "plateau_high": 20,
                    "reason": None,
                }
                middle = sizes[c.model][0] // 2
                halves = [(h, k) for h in range(n_halvings) for k in (1, 2)]
                rows += [at | {"layer_rule": r, "halving": None, "half": None, "layer": middle} for r in (CV, PAPER)]
                rows += [at | {"layer_rule": CV, "halving": h, "half": k, "layer": middle + h % 3} for h, k in halves]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-")))
        for module, name in ((tables, "TABLES"), (layout, "CHOSEN_LAYERS"), (layout, "SCRATCH")):
            stack.enter_context(patch.object(module, name, folder / name.lower()))
        chosen_layers.write(rows)
        n_pairs = len(readers) * (len(readers) - 1) // 2
        print(f"{len(readers)} readers, {n_pairs} pairs, {frame.height} stories, {len(params.geometry.positions)} positions")
        for stage in (pairs, human):
            stack.enter_context(patch.object(stage.Params, "load", classmethod(lambda _cls: params)))
            stack.enter_context(patch.object(stage, "load_entries", lambda _: entries))
            stack.enter_context(patch.object(stage, "readouts", readouts))
            spent[0], start = 0.0, time.perf_counter()
            stage.main([])
            took = time.perf_counter() - start - spent[0]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(
                f"{stage.__name__}: {took:.0f} s ({1000 * took / n_pairs:.1f} ms a pair); drawing activations {spent[0]:.0f} s;"
                f" peak memory of the process so far {peak:.1f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
