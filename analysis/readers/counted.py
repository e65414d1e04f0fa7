"""The texts that count: of all that was read, those of the emotions that params choose. Another choice needs no reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import xarray as xr

from pipeline.params.reading import STORIES, Reading
from pipeline.params.vectors import Vectors
from pipeline.store import arrays, layout
from pipeline.texts import stimuli


def activations(vectors: Vectors, model: str, precision: str, reading: str, **only: Sequence[Any]) -> xr.Dataset:
    """`pipeline.store.arrays.activations` of the texts that count. Raises InputError for an emotion without stories."""
    read = arrays.activations(model, precision, reading, **only)
    labels = [str(e) for e in read["emotion"].values]
    if reading == STORIES:
        vectors.are_there(labels, layout.activations_path(model, precision, reading))
    kept = [i for i, e in enumerate(labels) if vectors.counts(e)]
    return read if len(kept) == len(labels) else read.isel(stimulus=kept)


def texts(vectors: Vectors, reading: Reading) -> pl.DataFrame:
    """`pipeline.texts.stimuli.load` of the texts that count."""
    frame = stimuli.load(reading)
    return frame.filter([vectors.counts(e) for e in frame["emotion"]])
