"""What a model wrote: one row per text."""

from __future__ import annotations

from typing import Any

import polars as pl

_COLUMNS: dict[str, Any] = {
    "id": pl.String,  # content hash of prompt, text and sample
    "emotion": pl.String,
    "topic": pl.String,  # id of the prompt: the unit of resampling
    "sample": pl.Int64,  # counted from 0, of this prompt and label
    "seed": pl.Int64,
    "prompt": pl.String,
    "text": pl.String,  # without special tokens
    "prompt_tokens": pl.List(pl.Int64()),  # as they were read, with template and BOS
    "tokens": pl.List(pl.Int64),  # as they were written, without the end token
    "n_tokens": pl.Int64,
    "finish": pl.String,  # eos, length, not_finite
    "same_as": pl.String,  # id of the first such text of this label and prompt; null for that one
    "left_out": pl.String,  # why it does not count; null if it counts
}
WRITING = pl.Schema(_COLUMNS)
"""A text counts where `same_as` and `left_out` are null; never are both given."""


def counted(texts: pl.DataFrame) -> pl.DataFrame:
    """The texts of a writing that count: those that are no other's twin and are not left out."""
    return texts.filter(pl.col("same_as").is_null() & pl.col("left_out").is_null())
