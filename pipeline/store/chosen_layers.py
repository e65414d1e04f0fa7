"""Which layers are compared: `data/layers`, a file of each model, so that what runs one model again waits for no other's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import InputError
from pipeline.schemas.geometry import LAYERS
from pipeline.store import layout, tables


def write(rows: list[dict[str, Any]]) -> None:
    """`data/layers/<model>.parquet` of every model and reader of words in rows of LAYERS: one folder, written whole. Sorted by
    the keys, so that of each rule the row on all topics stands first, which `pipeline.steering.directions` takes."""
    table = tables.assembled(LAYERS, rows)
    with layout.whole_or_nothing(layout.CHOSEN_LAYERS) as folder:
        folder.mkdir()
        for (model,), own in table.group_by("model", maintain_order=True):
            tables.write_rows(own, folder / layout.chosen_layers_path(str(model)).name, LAYERS.metadata)


def read(folder: Path | None = None) -> pl.DataFrame:
    """The rows of all files of `data/layers` (or of a folder like it), columns of LAYERS, sorted by its keys. Raises InputError
    for what is missing, not readable, or differs."""
    own = folder or layout.CHOSEN_LAYERS
    paths = sorted(own.glob("*.parquet"))
    if not paths:
        raise InputError(f"{own}: not there; make it with `dvc repro`")
    return pl.concat([tables.read_rows(path, LAYERS.columns) for path in paths]).sort(LAYERS.keys, nulls_last=False)
