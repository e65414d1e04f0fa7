"""What a table is: its name, the question that it answers, what one row is, its columns, and the keys of which no two rows have
the same. From here come the Parquet files' own descriptions and `docs/tables.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl


class Column(NamedTuple):
    """A column: its type, and in a sentence what stands in it, with its unit where it has one."""

    dtype: Any
    about: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table of `data/tables/`, or a file of texts.

    `title`: its name in words. `question`: what a reader comes to it with. `grain`: what one row is.
    """

    name: str
    title: str
    question: str
    grain: str
    described: Mapping[str, Column]
    keys: list[str]

    @cached_property
    def columns(self) -> pl.Schema:
        """The columns and their types, in order."""
        return pl.Schema({name: column.dtype for name, column in self.described.items()})

    def blank(self) -> dict[str, Any]:
        """A row in which nothing is known yet."""
        return dict.fromkeys(self.columns)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What a Parquet file of this table says of itself: title, question, grain, keys and columns, the last two as JSON."""
        columns = {name: column.about for name, column in self.described.items()}
        return {
            "title": self.title,
            "question": self.question,
            "grain": self.grain,
            "keys": json.dumps(self.keys),
            "columns": json.dumps(columns, ensure_ascii=False),
        }
