"""One pair of readers at one position, by two names in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, get_args

import polars as pl

from pipeline.door.home import is_known
from pipeline.errors import InputError
from pipeline.params.reading import STORIES, Precision
from pipeline.schemas.pairs import PAIRS
from pipeline.store.tables import read_rows, table_path


class Reader(NamedTuple):
    """A reader as a user names it; None: what stands for it is chosen."""

    model: str
    seed: int | None
    precision: str | None
    setting: str

    @classmethod
    def of(cls, name: str) -> Reader:
        """From `model`, `model#seed`, `model/precision` or `model/precision/setting`."""
        head, *rest = name.split("/") if isinstance(name, str) else [""]
        model, _, seed = head.partition("#")
        if not model or len(rest) > 2 or (seed and not seed.isdecimal()):
            raise InputError(f"'{name}' names no reader; write model, model#seed, model/precision or model/precision/setting")
        return cls(model, int(seed) if seed else None, rest[0] if rest else None, rest[1] if len(rest) > 1 else STORIES)


def at_position(rows: pl.DataFrame, position: str | None) -> pl.DataFrame:
    """The rows at a position; None: the report's. Raises InputError for one that no row has."""
    if position is None:
        return rows.filter("is_headline")
    return rows.filter(position=is_known(position, rows["position"], "position"))


def pair(a: str, b: str, root: Path, position: str | None = None) -> pl.DataFrame:
    """The row of a pair: see `pipeline.opening.pair`."""
    rows = at_position(read_rows(root / table_path(PAIRS.name), PAIRS.columns), position)
    if a == b:
        raise InputError(f"'{a}' is not compared with itself; {_own_pair(matching(rows, a))}")
    named = [matching(rows, name) for name in (a, b)]
    row = chosen([r for r in named[0] if any(is_same(r, other) for other in named[1])], a, b)
    return pl.DataFrame([{key: row[key] for key in PAIRS.columns}], schema=PAIRS.columns, orient="row")


def _own_pair(rows: list[dict[str, Any]]) -> str:
    """Two readers of one model that were compared, as an example of what may be named: rows with the model as a."""
    own = [row for row in rows if row["model_a"] == row["model_b"]]
    if not own:
        return "name two readers"
    row = min(own, key=lambda row: (row["setting_a"] != row["setting_b"], row["seed_a"] or 0, row["seed_b"] or 0))
    what = next(key for key in ("seed", "precision", "setting") if row[f"{key}_a"] != row[f"{key}_b"])
    ends = {"seed": "#{seed}", "precision": "/{precision}", "setting": "/{precision}/{setting}"}
    names = [row["model_a"] + ends[what].format(**{key: row[f"{key}_{side}"] for key in ends}) for side in "ab"]
    return f"name two {what}s, e.g. '{names[0]}' and '{names[1]}'"


def swapped(column: str) -> str:
    """The same column of the other side."""
    return {"_a": column[:-1] + "b", "_b": column[:-1] + "a"}.get(column[-2:], column)


def turned(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its sides exchanged."""
    return {key: row[swapped(key)] for key in row if key != "_swapped"} | {"_swapped": not row["_swapped"]}


def matching(rows: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    """Every row in which a reader of this name stands, turned so that it is a. Raises InputError for what no row has."""
    wanted = Reader.of(name)
    every = [row | {"_swapped": False} for row in rows.iter_rows(named=True)]
    every += [turned(row) for row in every]
    for key, value in wanted._asdict().items():
        if value is None:
            continue
        known = [row[f"{key}_a"] for row in every if row[f"{key}_a"] is not None]
        if not known and key != "model":
            raise InputError(f"'{name}': '{wanted.model}' has no {key}; leave it out")
        is_known(str(value), map(str, known), key if key == "model" else f"{key} of '{wanted.model}'")
        every = [row for row in every if row[f"{key}_a"] == value]
    return every


def is_same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether `other`, whose a is the second reader, is the same row seen from its other side."""
    return all(row[key] == other[swapped(key)] for key in PAIRS.keys)


def chosen(rows: list[dict[str, Any]], a: str, b: str) -> dict[str, Any]:
    """Of the rows of a pair, the one at the most exact precision: the same on both sides where there is one; of draws of
    untrained networks, the first."""
    if not rows:
        raise InputError(f"no row of '{a}' and '{b}': they were not compared so; opening.table('pairs') has all that were")

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        both = [row["precision_a"], row["precision_b"]]
        exact = [get_args(Precision).index(p) if p else -1 for p in both]
        return len({p for p in both if p}) > 1, exact, row["seed_a"] or 0, row["seed_b"] or 0

    return min(rows, key=rank)
