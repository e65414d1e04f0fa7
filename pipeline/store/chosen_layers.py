"""Which layers are compared: `data/layers`, a file of each model, so that what runs one model again waits for no other's."""

from __future__ import annotations

from collections.abc import Iterable
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


def of(model: str, folder: Path | None = None) -> pl.DataFrame:
    """The rows of one model or reader of words, columns of LAYERS, from `data/layers` or a folder like it. Raises InputError
    for what is missing, not readable, of other columns, or another model's."""
    path = (folder or layout.CHOSEN_LAYERS) / layout.chosen_layers_path(model).name
    rows = tables.read_rows(path, LAYERS.columns)
    if others := rows.filter(pl.col("model") != model)["model"].unique().sort().to_list():
        raise InputError(f"{path}: its rows are of {others[0]}; remove it and run `dvc repro`")
    return rows


def read(models: Iterable[str], folder: Path | None = None) -> pl.DataFrame:
    """The rows of several, sorted by the keys of LAYERS. Whoever reads says of whom: a folder cannot tell what it has lost.
    Raises InputError as `of` does."""
    none = pl.DataFrame(schema=LAYERS.columns)
    return pl.concat([none, *(of(model, folder) for model in models)]).sort(LAYERS.keys, nulls_last=False)
