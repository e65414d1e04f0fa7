"""Numbers as people read them: two decimals, an interval where there is one, a reason where there is no number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

NOT_ESTIMABLE = "not estimable"


def number(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no -0.00


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.81 [0.74, 0.88]`; without its ends where there are none."""
    ends = "" if value is None or low is None or high is None else f" [{number(low)}, {number(high)}]"
    return number(value) + ends


def estimate(row: Mapping[str, Any], column: str) -> str:
    """A column of a row with its interval, `<column>_low` to `<column>_high`."""
    return interval(row[column], row.get(f"{column}_low"), row.get(f"{column}_high"))


def controls_in_words(text: str) -> str:
    """A text with the names of controls as people read them."""
    return text.replace("words:", "").replace("all_words", "all words at once")


def spread(values: pl.Series) -> str:
    """`0.31`, or `0.28 to 0.35` over several; "not estimable" where there is none."""
    known = values.drop_nulls()
    if known.is_empty():
        return NOT_ESTIMABLE
    low, high = number(known.min()), number(known.max())  # type: ignore[arg-type]
    return low if low == high else f"{low} to {high}"


def over_pairs(rows: pl.DataFrame, column: str) -> str:
    """One pair: its number and interval. Several: from the lowest to the highest, with the lowest one's interval."""
    known = rows.drop_nulls(column).sort(column)
    if known.is_empty():
        return NOT_ESTIMABLE
    lowest = known.row(0, named=True)
    if known.height == 1:
        return estimate(lowest, column)
    return f"{spread(known[column])} (lowest {estimate(lowest, column)})"


def units(row: Mapping[str, Any]) -> str:
    """`6 topics`; where stories are not crossed with topics `6 stories of each label`, or `6 folds of each label's stories`."""
    named = {"topic": ("topic", "topics"), "story": ("story of each label", "stories of each label")}
    named["fold"] = ("fold of each label's stories", "folds of each label's stories")
    return counted(row["n_units"], *named[row["unit"]])


def counted(n: int, one: str, more: str | None = None) -> str:
    """`1 pair`, `3 pairs`."""
    return f"{n} {one if n == 1 else more or one + 's'}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
