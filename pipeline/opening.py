"""The door for users: open what the pipeline made, by name, and refuse what is not whole. No stage depends on it."""

from __future__ import annotations

import polars as pl

from pipeline.errors import InputError, nearest
from pipeline.schemas.every import TABLES
from pipeline.schemas.steered import STEERED
from pipeline.schemas.transcripts import TRANSCRIPT
from pipeline.schemas.written import WRITING
from pipeline.store import layout
from pipeline.store.arrays import activations, finite, vectors, vectors_of
from pipeline.store.tables import read_rows, read_table

__all__ = ["activations", "finite", "steered", "table", "transcripts", "vectors", "vectors_of", "writing"]


def table(name: str) -> pl.DataFrame:
    """A table of `data/tables/`. Raises InputError for an unknown name, and for what is missing or of other columns."""
    if name not in TABLES:
        raise InputError(f"no table '{name}'; {nearest(name, TABLES, '')} there are {', '.join(TABLES)}".replace(";  ", "; "))
    return read_table(TABLES[name])


def writing(model: str, precision: str, setting: str) -> pl.DataFrame:
    """What a model wrote in a setting, at a precision: a row per text, columns of `pipeline.schemas.written`. Raises InputError
    for what is missing, not readable, or of other columns."""
    return read_rows(layout.writings_path(model, precision, setting), WRITING)


def steered(model: str, precision: str) -> pl.DataFrame:
    """What a model wrote under steering, at a precision: a row per text, columns of `pipeline.schemas.steered`. Raises
    InputError for what is missing, not readable, or of other columns."""
    return read_rows(layout.steered_path(model, precision), STEERED)


def transcripts(model: str, precision: str) -> pl.DataFrame:
    """What was asked of a model and what it replied, at a precision: a row per turn, columns of `pipeline.schemas.transcripts`.
    Raises InputError for what is missing, not readable, or of other columns."""
    return read_rows(layout.transcripts_path(model, precision), TRANSCRIPT)
