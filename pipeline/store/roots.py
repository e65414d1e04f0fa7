"""Stage `roots`: the root node of `data/vectors.zarr`, and the removal of what params no longer name.

python -m pipeline.store.roots
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import zarr

from pipeline.errors import run_stage
from pipeline.params.base import Sections
from pipeline.params.writing import WritingSections
from pipeline.store import layout


class Asked(Sections):
    """Of a section, who is asked at which precisions; the rest of it cannot change what lies in the store."""

    models: list[str]
    precisions: list[str]


class Params(WritingSections):
    """The sections that this stage loads."""

    steering: Asked
    behaviour: Asked


def prune(params: Params) -> list[Path]:
    """Remove outs that params no longer name, so that a dropped model leaves no trace; returns what was removed."""
    stale = [p for p in _folders(layout.VECTORS) if p.name not in params.models]
    for model in _folders(layout.ACTIVATIONS):
        if model.name not in params.models:
            stale.append(model)
            continue
        for precision in _folders(model):
            asked = params.readings_of(model.name, precision.name)
            readings = {layout.activations_path(model.name, precision.name, r).relative_to(precision).parts[0] for r in asked}
            stale += [p for p in _folders(precision) if p.name not in readings] if readings else [precision]
    stale += _stale_writings(params)
    wanted = {layout.steered_path(m, p) for m in params.steering.models for p in params.steering.precisions}
    wanted |= {layout.transcripts_path(m, p) for m in params.behaviour.models for p in params.behaviour.precisions}
    folders = [model for out in (layout.STEERED, layout.TRANSCRIPTS) for model in _folders(out)]
    stale += [p for model in folders for p in sorted(model.iterdir()) if p not in wanted]
    for path in stale:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return stale


def _stale_writings(params: Params) -> list[Path]:
    stale = []
    for model in _folders(layout.WRITINGS):
        if model.name not in params.write.models:
            stale.append(model)
            continue
        for precision in _folders(model):
            settings = {f"{w.setting}.parquet" for w in params.writings if w.precision == precision.name}
            stale += [p for p in sorted(precision.iterdir()) if p.name not in settings] if settings else [precision]
    return stale


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir()) if path.exists() else []


def main(arguments: list[str]) -> None:
    """Stage `roots`: the root node of `data/vectors.zarr`, and the removal of what params no longer name."""
    for path in prune(Params.load()):
        print(f"removed {path}: params.yaml no longer names it", file=sys.stderr)
    layout.VECTORS.mkdir(parents=True, exist_ok=True)
    for folder in layout.MAY_BE_EMPTY:
        folder.mkdir(exist_ok=True)
    (layout.VECTORS / "zarr.json").unlink(missing_ok=True)
    zarr.create_group(
        layout.VECTORS,
        zarr_format=3,
        attributes={
            "title": "Emotion vectors from the residual streams of language models",
            "summary": "Mean over each emotion's texts less the mean over emotions, by model, precision, position and layer.",
            **layout.ABOUT,
            "hidden": "the model's own order of a state's entries: they mean nothing across models",
            "groups": "<model>/<method>; array vector(" + ", ".join(layout.VECTOR_DIMS) + "); untrained twins add seed first",
            "open_with": 'xarray.open_datatree("data/vectors.zarr", engine="zarr", consolidated=False)',
        },
    )


if __name__ == "__main__":
    run_stage(main)
