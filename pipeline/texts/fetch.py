"""Stage `fetch NAME`: texts from their source, each file checked against its md5, as one CSV that `second` can name.

For texts that this project does not keep, such as the 63 passages of arXiv 2604.11050. Whole or nothing.
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import InputError, nearest, one_line, run_stage
from pipeline.params.fetch import FetchSections, fetched_path
from pipeline.store.layout import whole_or_nothing
from pipeline.texts import stimuli

COLUMNS = ("emotion", "passage", "text")
TRIES = 3
PAUSE_SECONDS = 2.0
TIMEOUT_SECONDS = 30.0
LARGEST_BYTES = 10_000_000


def download(name: str, url: str, md5: str) -> bytes:
    """What a file holds. Raises InputError where it cannot be reached, is cut off, is too large, or has another md5."""
    for left in range(TRIES - 1, -1, -1):
        try:
            data = _whole_answer(url)
            break
        except (OSError, http.client.HTTPException) as error:
            final = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if final or not left:
                raise InputError(
                    f"fetch.{name}: {url}: not to be had: {one_line(error)}. Nothing is lost; run"
                    f" `dvc repro fetch@{name}` again, or correct fetch.{name}.url in params.yaml"
                ) from None
            time.sleep(PAUSE_SECONDS)
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise InputError(
            f"fetch.{name}: {url}: its md5 is {found}, not {md5}: another version, or damaged. Nothing was kept;"
            f" look at what it holds before you change that of fetch.{name} in params.yaml"
        )
    return data


def _whole_answer(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # the scheme is http or https (Fetched)
        data: bytes = answer.read(LARGEST_BYTES + 1)
        announced = answer.headers.get("Content-Length")
    if len(data) > LARGEST_BYTES:
        raise http.client.HTTPException(f"more than {LARGEST_BYTES:,} bytes")
    if announced is not None and len(data) < int(announced):  # a read of a given size does not complain itself
        raise http.client.HTTPException(f"cut off after {len(data):,} of {int(announced):,} bytes")
    return data


def passages(name: str, data: bytes) -> pl.DataFrame:
    """Rows as a table of strings: emotion, passage, text. Raises InputError, naming the line, for what is no such row."""
    rows = []
    for number, line in enumerate(re.split("\r\n|\r|\n", _content(name, data)), 1):  # no other sign ends a line of CSV
        if not line.strip() or line.startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], strict=True, skipinitialspace=True))]
        except csv.Error as error:
            raise InputError(f"fetch.{name}: line {number}: {one_line(error)}: {line[:50]}") from None
        if len(cells) != len(COLUMNS) or not all(cells):
            raise InputError(f'fetch.{name}: line {number}: not emotion,number,"text" with nothing empty: {line[:50]}')
        rows.append(cells)
    if not rows:
        raise InputError(f"fetch.{name}: no rows")
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def objects(name: str, data: bytes) -> pl.DataFrame:
    """Objects, one a line, as a table of strings with a column for each key. Raises InputError, naming the row, for anything
    else."""
    source = Path(f"fetch.{name}")
    rows = [
        {key: _cell(f"{source}: row {number}: '{key}'", value) for key, value in row.items()}
        for number, row in stimuli.objects(_content(name, data), source)
    ]
    if not (columns := dict.fromkeys(key for row in rows for key in row)):
        raise InputError(f"{source}: no rows")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _cell(where: str, value: Any) -> str | None:
    try:
        return stimuli._cell(value)
    except InputError as error:
        raise InputError(f"{where} {str(error).split(';')[0]}") from None  # what to do in a file of one's own


def _content(name: str, data: bytes) -> str:
    """A file's text, without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"fetch.{name}: not UTF-8: {one_line(error)}") from None


def uneven(table: pl.DataFrame) -> str:
    """A warning where labels differ in their number of passages; "" where they do not, or have another name."""
    if "emotion" not in table.columns:
        return ""
    counts = table.group_by("emotion", maintain_order=True).len()
    usual = counts["len"].mode().sort()[-1]
    others = [f"{emotion} has {n}" for emotion, n in counts.iter_rows() if n != usual]
    return f"{', '.join(others)} passages, where most labels have {usual}" if others else ""


def main(arguments: list[str]) -> None:
    sources = FetchSections.load().fetch
    name = arguments[0] if arguments else ""
    if name not in sources:
        known = f"there are {', '.join(sources)}" if sources else "it is empty"
        raise InputError(f"params.yaml: fetch: '{name}' is not there; {nearest(name, sources, known)}")
    found = {url: download(name, url, md5) for url, md5 in sources[name].sources().items()}
    tables = [(objects if url.endswith(".jsonl") else passages)(name, data) for url, data in found.items()]
    table = pl.concat(tables, how="diagonal")
    if warning := uneven(table):
        print(f"warning: fetch.{name}: {warning}", file=sys.stderr)
    with whole_or_nothing(fetched_path(name)) as scratch:
        table.write_csv(scratch)


if __name__ == "__main__":
    run_stage(main)
