"""Tables in parts: `data/tables/<name>/<part>.parquet`, each an out of one stage, each with all columns of the table.
`polars.read_parquet("data/tables/<name>/*.parquet")` is the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import InputError
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Table
from pipeline.store import tables


def part_path(table: Table, part: str) -> Path:
    """Where one part of a table lies."""
    return tables.table_path(f"{table.name}/{part}")


def paths(table: Table) -> list[Path]:
    """The files of a table: one, or its parts."""
    if isinstance(table, PartedTable):
        return [part_path(table, part) for part in table.parts]
    return [tables.table_path(table.name)]


def are_there(table: Table, root: Path) -> bool:
    """Whether a repository has all files of a table."""
    return all((root / path).is_file() for path in paths(table))


def pattern(table: Table) -> str:
    """The file of a table, or the glob that matches all of its parts and nothing else."""
    return part_path(table, "*").as_posix() if isinstance(table, PartedTable) else tables.table_path(table.name).as_posix()


def write_part(table: PartedTable, part: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write one part as `tables.write_table` writes a table. Raises ValueError also for rows that belong to another part."""
    frame = tables.assembled(table, rows)
    if strange := set(frame[table.by]) - set(table.parts[part]):
        raise ValueError(f"{table.name}: {table.by} {sorted(map(str, strange))} is not of the part '{part}'")
    return tables.put(table, frame, part_path(table, part))


def read_part(table: PartedTable, part: str) -> pl.DataFrame:
    """One part. Raises InputError as `tables.read_table` does."""
    return tables.read_rows(part_path(table, part), table.columns)


def read(table: Table) -> pl.DataFrame:
    """A whole table, in parts or not. Raises InputError for what is missing, not readable, or differs."""
    return joined(table, [tables.read_rows(path, table.columns) for path in paths(table)])


def joined(table: Table, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The parts of a table as one, sorted by its keys. Raises InputError where two parts have a row with the same keys."""
    if len(frames) == 1:
        return frames[0]
    whole = pl.concat(frames).sort(table.keys, nulls_last=False)
    if whole.select(table.keys).is_duplicated().any():
        raise InputError(f"{pattern(table)}: two parts have a row with the same keys; remove them and run `dvc repro`")
    return whole
