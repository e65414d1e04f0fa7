"""What checking costs where a reading is opened: `arrays.activations_at` beside xarray alone, in seconds of the CPU,
interleaved, the page cache warm.

    python -m benchmarks.opening [STORIES]

A reading of the size of the 135M model's (30 layers of 576, four positions) is written as the stages write it, and opened whole
and at one position. The aim is 5% for the whole.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.store import arrays, layout, writer

LAYERS, HIDDEN, POSITIONS, ROUNDS = 30, 576, ("last", "middle", "mean0", "mean50"), 7


def made(stories: int) -> xr.Dataset:
    """A reading of random states, which compress no better than true ones."""
    rng = np.random.default_rng(0)
    labels = {
        name: ("stimulus", np.array([f"{name}{i % 24}" for i in range(stories)], layout.STRING))
        for name in ("emotion", "topic")
    }
    shape = (stories, len(POSITIONS), LAYERS)
    return xr.Dataset(
        {
            "activation": (layout.ACTIVATION_DIMS, rng.standard_normal((*shape, HIDDEN)).astype(np.float32)),
            "finite": (layout.FINITE_DIMS, np.ones(shape, dtype=bool)),
            "embedding": (layout.EMBEDDING_DIMS, rng.standard_normal((*shape[:2], HIDDEN)).astype(np.float32)),
        },
        coords=labels
        | {
            "stimulus": ("stimulus", np.array([f"{i:012x}" for i in range(stories)], layout.STRING)),
            "n_tokens": ("stimulus", rng.integers(60, 120, stories)),
            "position": ("position", np.array(POSITIONS, layout.STRING)),
            "layer": ("layer", np.arange(LAYERS)),
        },
        attrs={"model": "m", "precision": "fp32", "reading": "stories"},
    )


def main(arguments: list[str]) -> None:
    stories = int(arguments[0]) if arguments else 600
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = layout.activations_path("m", "fp32", "stories")
        writer.write_activations(made(stories), path)
        size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        print(f"a reading of {stories} stories, {size / 1e6:.0f} MB on disk; medians of {ROUNDS}")
        for what, only in (("whole", {}), ("one position", {"position": ["mean50"]})):
            compare(what, path, only)


def compare(what: str, path: Path, only: dict[str, list[str]]) -> None:
    def plain() -> object:
        with xr.open_zarr(path, consolidated=False) as opened:
            at = {dim: opened[dim].values.tolist().index(wanted) for dim, (wanted,) in only.items()}
            return opened.isel({dim: slice(i, i + 1) for dim, i in at.items()}).load()

    ways: dict[str, Callable[[], object]] = {"xarray alone": plain, "checked": lambda: arrays.activations_at(path, **only)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.process_time()
            way()
            seconds[name].append(time.process_time() - began)
    found = {name: statistics.median(times[1:]) for name, times in seconds.items()}  # the first warms the page cache
    alone, checked = found.values()
    print(f"{what:13} {alone * 1e3:8.1f} ms alone, {checked * 1e3:8.1f} ms checked: ratio {checked / alone:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
