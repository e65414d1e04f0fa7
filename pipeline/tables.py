"""The tables: their columns, keys and files. Long, one row per measurement, keys first.

Apart from `store`, so that a new column does not make models read again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.schemas import behaviour, claims, confounds, controls, paper, steering, stories
from pipeline.store import whole_or_nothing

TABLES = Path("data/tables")

_OF = (stories, controls, paper, confounds, steering, behaviour, claims)
_ALL = {name: t for module in _OF for name, t in module.TABLES.items()}
SCHEMAS: dict[str, pl.Schema] = {name: schema for name, (schema, _) in _ALL.items()}
KEYS: dict[str, list[str]] = {name: keys for name, (_, keys) in _ALL.items()}


def table_path(name: str) -> Path:
    return TABLES / f"{name}.parquet"


def write_table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write `data/tables/<name>.parquet`, sorted by its keys; a row that misses or adds a column is an error."""
    frame = table(name, rows)
    with whole_or_nothing(table_path(name)) as scratch:
        frame.write_parquet(scratch, compression="zstd", statistics=True)
    return frame


def table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a table of the schema of `name`, sorted by its keys, each of which must stand once."""
    schema = SCHEMAS[name]
    for row in rows:
        if row.keys() != set(schema):
            raise ValueError(f"{name}: a row has the columns {sorted(row)}; the schema says {sorted(schema)}")
    frame = pl.DataFrame(rows, schema=schema, orient="row").sort(KEYS[name], nulls_last=False)
    if frame.select(KEYS[name]).is_duplicated().any():
        raise ValueError(f"{name}: two rows with the same keys")
    nan = [c for c, dtype in schema.items() if dtype == pl.Float64 and frame[c].is_nan().any()]
    if nan:
        raise ValueError(f"{name}: NaN in {', '.join(nan)}; an estimate that does not exist is null, with a reason")
    return frame
