"""A table that several stages measure: each writes one part, with all columns, so that who needs a part waits for one stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.schemas.table import Table


@dataclass(frozen=True, eq=False)
class PartedTable(Table):
    """A table in parts, `data/tables/<name>/<part>.parquet`.

    `by`: the key that says which part a row belongs to. `parts`: by the name of a part, the values of that key that it holds,
    each with what it means. No value is in two, so that no two parts have a row with the same keys.
    """

    by: str
    parts: Mapping[str, Mapping[str, str]]

    @cached_property
    def metadata(self) -> dict[str, str]:
        """As of any table, and `parts` as JSON."""
        return {**super().metadata, "parts": json.dumps(self.parts, ensure_ascii=False)}
