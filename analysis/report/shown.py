"""What a section of the page is made of: a question with its answer, panels that line up, and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl

Chart = alt.TopLevelMixin


@dataclass(frozen=True)
class Panel:
    """One drawing. The page gives it its width: `columns` of the section's grid of six."""

    title: str
    chart: Any
    columns: int = 6


OF_READER = ("model", "seed", "precision", "setting")
OF_PAIR = tuple(f"{column}_{side}" for side in "ab" for column in OF_READER)
"""Columns that name who read what, in tables of the page: `method` says no more than `setting`."""


@dataclass(frozen=True)
class Source:
    """Rows of a published table, and the line of Python that gives them. `where`: of a column, a value or several."""

    table: str
    where: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    @property
    def ordered(self) -> list[tuple[str, Any]]:
        """What is asked for, lists first, as a call of Python has it."""
        return sorted(self.where.items(), key=lambda item: not isinstance(item[1], list))

    @property
    def code(self) -> str:
        asked = ", ".join(
            f"pl.col({name!r}).is_in({value})" if isinstance(value, list) else f"{name}={value!r}"
            for name, value in self.ordered
        )
        return f'opening.table("{self.table}")' + (f".filter({asked})" if asked else "")

    def rows(self, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """The rows, of the columns that decide; columns that are null in all of them, or lists, are left out."""
        wanted = [pl.col(name).is_in(value if isinstance(value, list) else [value]) for name, value in self.ordered]
        found = raw[self.table].filter(*wanted) if wanted else raw[self.table]
        chosen = found.select(self.columns) if self.columns else found
        kept = [
            c for c in chosen.columns if not isinstance(chosen.schema[c], pl.List) and chosen[c].null_count() < found.height
        ]
        return chosen.select(kept)


@dataclass(frozen=True)
class Section:
    """A question, what this run says to it, and what carries the answer.

    `words` begins with the verdict. `caption` says how the figure is to be read. `legend`: names and colours.
    """

    key: str
    question: str
    words: list[str]
    caption: str
    panels: list[Panel]
    sources: list[Source]
    legend: list[tuple[str, str]] = field(default_factory=list)
