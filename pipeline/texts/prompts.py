"""Prompts: what a model is asked to write, filled in for every label.

A prompt with `{emotion}` is for every label. One that names a label in the column `emotion` is for that label alone, holds no
`{emotion}`, and stands in place of the prompt of the same id that is for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipeline.errors import InputError, nearest
from pipeline.store import tables

SCHEMA = pl.Schema({"id": pl.String, "emotion": pl.String, "text": pl.String})
LABEL = "{emotion}"


def load(path: Path, set_: str, only: Sequence[str] | None) -> pl.DataFrame:
    """The prompts of a set (of the ids `only`, if given) in the order of the file: CSV, columns `set, id, emotion, text`.

    Returns columns `id, emotion, text` (strings); `emotion` is "" where a prompt is for every label.
    Raises InputError, naming file and row, for: an unreadable file, a missing column, a set or an id that the file has not, an
    empty id or text, a prompt whose braces hold anything but what belongs there, an id that stands twice for one label, a text
    that stands twice.
    """
    frame = tables.read_csv(path, ("set", *SCHEMA), named_by="write.prompts").with_row_index("row", offset=1)
    sets = frame["set"].unique().sort().to_list()
    if set_ not in sets:
        raise InputError(f"{path}: no set '{set_}'; {nearest(set_, sets, f'it has {_listed(sets)}')}")
    frame = frame.filter(set=set_)
    for row in frame.iter_rows(named=True):
        _is_well_formed(row, path)
    _stands_once(frame, ["id", "emotion"], "id", path)
    _stands_once(frame, ["text"], "text", path)
    if only is not None:
        ids = frame["id"].unique(maintain_order=True).to_list()
        for id_ in only:
            if id_ not in ids:
                raise InputError(f"{path}: set '{set_}' has no prompt '{id_}'; {nearest(id_, ids, f'it has {_listed(ids)}')}")
        frame = frame.filter(pl.col("id").is_in(list(only)))
    return frame.select(SCHEMA.names()).cast(SCHEMA)


def asked(frame: pl.DataFrame, labels: Sequence[str], neutral_label: str | None) -> list[tuple[str, str, str]]:
    """Every label times every prompt of `frame` (columns of `load`): (emotion, prompt id, prompt text), in the order of
    `labels`, then of the file. `neutral_label` has its own prompts only, and is not asked for where there are none."""
    found = []
    for label in labels:
        texts: dict[str, str] = {}
        for id_, emotion, text in frame.iter_rows():
            if emotion == label:
                texts[id_] = text
            elif not emotion and label != neutral_label:
                texts.setdefault(id_, text.replace(LABEL, label))
        found += [(label, id_, text) for id_, text in texts.items()]
    return found


def _is_well_formed(row: dict[str, str], path: Path) -> None:
    where = f"{path}: row {row['row']} (set {row['set']})"
    for name in ("id", "text"):
        if not row[name]:
            raise InputError(f"{where}: '{name}' is empty; fill it or delete the row")
    label, text = row["emotion"], row["text"]
    rest = text.replace(LABEL, "")
    if "{" in rest or "}" in rest:
        raise InputError(f'{where}: braces hold {LABEL} and nothing else; take out the others: "{_short(text)}"')
    if not label and LABEL not in text:
        raise InputError(
            f"{where}: no {LABEL}, so that it asks the same for every label; put {LABEL} where the label belongs, or name the"
            f" label that it is for in the column 'emotion': \"{_short(text)}\""
        )
    if label and LABEL in text:
        raise InputError(f"{where}: it is for '{label}' alone; write that out in place of {LABEL}: \"{_short(text)}\"")


def _stands_once(frame: pl.DataFrame, key: list[str], name: str, path: Path) -> None:
    repeated = frame.group_by(key, maintain_order=True).agg("row").filter(pl.col("row").list.len() > 1)
    if not repeated.is_empty():
        value, rows = repeated[name][0], repeated["row"][0]
        raise InputError(f'{path}: the same {name} stands in rows {_listed(rows)}: "{_short(value)}"; keep one')


def _listed(values: Sequence[object] | pl.Series) -> str:
    return ", ".join(map(str, values))


def _short(text: str) -> str:
    return text if len(text) <= 50 else text[:50] + " ..."
