"""What a table is: its name, its columns, and the keys of which no two rows have the same; and the keys that tables share."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl


class Table(NamedTuple):
    """A table of `data/tables/`."""

    name: str
    columns: pl.Schema
    keys: list[str]

    def blank(self) -> dict[str, Any]:
        """A row in which nothing is known yet."""
        return dict.fromkeys(self.columns)


READER = {
    "model": pl.String,
    "seed": pl.Int64,  # of an untrained twin's weights; null for a trained model
    "precision": pl.String,  # null for a reader of words alone
    "method": pl.String,
    "setting": pl.String,
}

READOUT = {"position": pl.String, "variant": pl.String}

PAIR = {
    **{f"{key}_a": dtype for key, dtype in READER.items()},
    **{f"{key}_b": dtype for key, dtype in READER.items()},
    **READOUT,
    "layer_rule": pl.String,
    "depth": pl.Float64,  # of the rule `matched_depth`
    "pairs": pl.String,  # of labels: all, within_sign (of valence), valence_removed
}

PAIR_HERE = {key: dtype for key, dtype in PAIR.items() if key not in ("layer_rule", "depth", "pairs")}
