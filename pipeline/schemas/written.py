"""What a model wrote: one row per text."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Column, Table

WRITTEN = Table(
    "writing",
    title="Texts that a model wrote",
    question="What did a model write in a setting, and which of its texts count?",
    grain="One text: a label, a prompt and a sample.",
    described={
        "id": Column(pl.String, "Content hash of prompt, text and sample."),
        "emotion": Column(pl.String, "The label that was asked for."),
        "topic": Column(pl.String, "Id of the prompt: the unit of resampling."),
        "sample": Column(pl.Int64, "Number of the sample of this prompt and label, from 0."),
        "seed": Column(pl.Int64, "Seed of the sampling."),
        "prompt": Column(pl.String, "The prompt."),
        "text": Column(pl.String, "The text, without special tokens."),
        "prompt_tokens": Column(pl.List(pl.Int64()), "Ids of the prompt's tokens as they were read, with template and BOS."),
        "tokens": Column(pl.List(pl.Int64), "Ids of the tokens as they were written, without the end token."),
        "n_tokens": Column(pl.Int64, "Tokens written, without the end token."),
        "finish": Column(pl.String, "Why the text ends: eos, length or not_finite."),
        "same_as": Column(pl.String, "Id of the first identical text of this label and prompt; null for that one."),
        "left_out": Column(pl.String, "Why the text does not count; null if it counts."),
    },
    keys=["id"],
)
WRITING = WRITTEN.columns
"""A text counts where `same_as` and `left_out` are null; never are both given."""


def counted(texts: pl.DataFrame) -> pl.DataFrame:
    """The texts of a writing that count: those that are no other's twin and are not left out."""
    return texts.filter(pl.col("same_as").is_null() & pl.col("left_out").is_null())
