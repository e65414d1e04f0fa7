"""The tables: Parquet files of `data/tables/`, long, one row per measurement, keys first. Their columns stand in
`pipeline.schemas`. And the CSV files that people write.

A file carries the SHA-256 of all its other bytes before its footer, where no reader of Parquet looks: what was changed is found
before a parser sees it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import InputError, note_file, one_line
from pipeline.params.base import PARAMS
from pipeline.schemas.table import Table
from pipeline.store import integrity, layout
from pipeline.store.layout import whole_or_nothing

TABLES = Path("data/tables")
PROVENANCE = "provenance"
"""In the metadata of a file of texts: everything that they depend on, as JSON."""
DIGEST = hashlib.sha256().digest_size
END = 8  # bytes: the length of the footer, and PAR1


def table_path(name: str) -> Path:
    return TABLES / f"{name}.parquet"


def write_table(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write `data/tables/<name>.parquet`, sorted by its keys; a row that misses or adds a column is an error. The file says of
    itself what its columns are (`polars.read_parquet_metadata`)."""
    return put(table, assembled(table, rows), table_path(table.name))


def put(table: Table, frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Write the rows of a table, or of a part of it, to a file; and return them."""
    with whole_or_nothing(path) as scratch:
        write_rows(frame, scratch, table.metadata)
    return frame


def write_rows(frame: pl.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Rows as a Parquet file, with the digest that `read_rows` asks for."""
    buffer = io.BytesIO()
    about = (metadata or {}) | {integrity.VERSION: layout.SCHEMA_VERSION}
    frame.write_parquet(buffer, compression="zstd", statistics=True, metadata=about)
    content = buffer.getvalue()
    footer = _footer(content)
    path.write_bytes(content[:footer] + hashlib.sha256(content).digest() + content[footer:])


def _footer(content: bytes) -> int:
    """Where the footer of a Parquet file begins."""
    return len(content) - END - int.from_bytes(content[-END:-4], "little")


def _is_as_written(content: bytes) -> bool:
    """Whether the bytes of a Parquet file are those that `write_rows` wrote."""
    footer = _footer(content)
    digest = content[max(footer - DIGEST, 0) : max(footer, 0)]
    return digest == hashlib.sha256(content[: max(footer - DIGEST, 0)] + content[max(footer, 0) :]).digest()


def assembled(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a DataFrame with the columns of a table, sorted by its keys, each of which must stand once."""
    for row in rows:
        if row.keys() != set(table.columns):
            raise ValueError(f"{table.name}: a row has the columns {sorted(row)}; the schema says {sorted(table.columns)}")
    frame = pl.DataFrame(rows, schema=table.columns, orient="row").sort(table.keys, nulls_last=False)
    if frame.select(table.keys).is_duplicated().any():
        raise ValueError(f"{table.name}: two rows with the same keys")
    nan = [c for c, dtype in table.columns.items() if dtype == pl.Float64 and frame[c].is_nan().any()]
    if nan:
        raise ValueError(f"{table.name}: NaN in {', '.join(nan)}; an estimate that does not exist is null, with a reason")
    return frame


def read_table(table: Table) -> pl.DataFrame:
    """A table, with the columns that its schema says. Raises InputError for what is missing, not readable, or differs."""
    return read_rows(table_path(table.name), table.columns)


def read_rows(path: Path, schema: pl.Schema, setting: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """The rows of a Parquet file of a schema. Texts are held against their place, and those of a writing against the `setting`
    that they must have been written in. Raises InputError for what is missing, not readable, not what was written, of other
    columns, or another's."""
    if not path.is_file():
        raise InputError(f"{path}: not there; make it with `dvc repro`")
    note_file(path)
    try:
        content = path.read_bytes()
        if content[-4:] != b"PAR1":
            raise InputError(f"{path}: not readable: no whole Parquet file; remove it and run `dvc repro`")
        if not _is_as_written(content):
            raise InputError(f"{path}: not what was written, or by another version; remove it and run `dvc repro`")
        about = pl.read_parquet_metadata(io.BytesIO(content))
        version = about.get(integrity.VERSION, integrity.FIRST)
        if version != layout.SCHEMA_VERSION:
            raise InputError(f"{path}: {integrity.of_another_version(version)}; remove it and run `dvc repro`")
        frame = pl.read_parquet(content)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not readable: {one_line(error)}; remove it and run `dvc repro`") from error
    if frame.schema != schema:
        raise InputError(f"{path}: its columns are not those of this version; remove it and run `dvc repro`")
    provenance = json.loads(about.get(PROVENANCE, "{}"))
    faults = [*integrity.faults_of_place(provenance, **layout.place_of(path)), *_faults_of_setting(provenance, setting)]
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; remove it and run `dvc repro`")
    return frame


def read_csv(path: Path, columns: Sequence[str], named_by: str | None = None, comments: bool = False) -> pl.DataFrame:
    """The cells of a CSV file that somebody wrote, under `columns`: text without blanks around it, "" where a cell is empty.
    `named_by`: the key of params.yaml that names the file; `comments`: lines that begin with # are none of it.

    Raises InputError for a file that is not there or not readable, and for a column that it lacks.
    """
    try:
        note_file(path)
        raw = pl.read_csv(path, infer_schema=False, encoding="utf8", comment_prefix="#" if comments else None, glob=False)
    except FileNotFoundError:
        where = "" if named_by is None else f"; {named_by} in {PARAMS} says where it is"
        raise InputError(f"{path}: no such file{where}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not readable as CSV in UTF-8: {one_line(error)}") from None
    if missing := [name for name in columns if name not in raw.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(raw.columns)}")
    return raw.select(pl.col(name).fill_null("").str.strip_chars() for name in columns)


def _faults_of_setting(provenance: Mapping[str, Any], setting: Mapping[str, Any] | None) -> Iterator[str]:
    """Of what a setting said when its texts were written: what it learnt to say since then changed nothing of them."""
    then = provenance.get("setting", {})
    if setting is not None and then != {key: setting.get(key) for key in then}:
        yield "is of another setting"
