"""States that a precision could not hold, as a result: the first layer that is not finite, and the share of texts.

fp16 ends at 65,504; a residual stream that grows beyond it is inf, then NaN at every later block. Such states are never
averaged: rows at such layers are null wherever they would enter a number, and are counted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from analysis.readers.readers import Reader
from pipeline.models.entries import ModelEntry
from pipeline.params.reading import NEUTRAL, STORIES, ReadingSections
from pipeline.schemas.geometry import OVERFLOW
from pipeline.store import arrays

Row = dict[str, Any]


def row(reader: Reader, found: xr.DataArray) -> Row:
    """A row of `overflow` from what `arrays.finite` gives: a text counts as bad at a layer where its state at any of
    the positions read is not finite."""
    own = found if reader.seed is None else found.sel(seed=reader.seed)
    finite = np.asarray(own.transpose("position", "stimulus", "layer").values.all(axis=0))  # (S, L)
    bad_layers = np.flatnonzero(~finite.all(axis=0))
    bad_texts = int((~finite.all(axis=1)).sum())
    where = f"not finite from layer {bad_layers[0]} on, in {bad_texts} of {len(finite)} texts" if len(bad_layers) else None
    return OVERFLOW.blank() | {
        **reader.keys(),
        "n_stimuli": len(finite),
        "n_layers": finite.shape[1],
        "first_bad_layer": int(bad_layers[0]) if len(bad_layers) else None,
        "n_bad_layers": len(bad_layers),
        "n_bad_stimuli": bad_texts,
        "share_bad_stimuli": bad_texts / len(finite),
        "share_bad_at_first": float((~finite[:, bad_layers[0]]).mean()) if len(bad_layers) else 0.0,
        "reason": where,
    }


def rows(params: ReadingSections, entries: dict[str, ModelEntry]) -> Iterator[Row]:
    """Every model, draw and precision that reads: the stories, and the neutral texts."""
    for model, precision in params.cells:
        for reading in (STORIES, NEUTRAL):
            found = arrays.finite(model, precision, reading)
            for seed in entries[model].draws:
                yield row(Reader(model, seed, precision, reading), found)
