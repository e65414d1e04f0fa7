"""The form of every file of text, row by row, before a reader takes it for something else: what the readers of the stages would
read otherwise than it was meant, or refuse in words of their own."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params.reading import Columns, Reading
from pipeline.params.whole import Params
from pipeline.texts import stimuli

csv.field_size_limit(sys.maxsize)  # a text may be longer than the 128 KiB that Python lets a cell have
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def check(params: Params, readings: Sequence[Reading]) -> None:
    """Raise InputError for a file that has another form than its reader expects. `readings`: those whose files are here."""
    for reading in readings:
        of_reading(reading)
    corpus = params.corpus
    for path in filter(None, (corpus.emotions, corpus.topics, corpus.label_words)):
        of_csv(path, comments=True)
    others = [params.behaviour.questions, params.behaviour.constraints]
    others += [params.write.prompts] if params.write.models else []
    others += [params.steering.prompts] if params.steering.models else []
    for path in others:
        of_csv(path)


def of_reading(reading: Reading) -> None:
    """Raise InputError for a file of a reading, .csv or .jsonl, that has another form than its reader expects."""
    path, suffix = reading.path, reading.path.suffix
    if suffix != suffix.lower():
        raise InputError(f"{path}: rename it to {path.with_suffix(suffix.lower()).name}: a text source ends in lower case")
    if suffix == ".csv":
        of_csv(path)
    elif suffix in (".jsonl", ".ndjson"):
        of_json_lines(path, reading.columns)


def of_csv(path: Path, comments: bool = False) -> None:
    """Raise InputError for a CSV file whose rows are not what its first line says. `comments`: lines after # are none of it."""
    if (content := _content(path)) is None:
        return
    if "\r" in content and "\n" not in content:
        raise InputError(f"{path}: its lines end in CR alone, which makes one line of them; save it with line ends LF or CR LF")
    if comments:
        content = "".join(line for line in content.splitlines(keepends=True) if not line.startswith("#"))
    if not content:  # which the stage's reader says
        return
    header, *rows = _rows(path, content)
    _is_header(path, header)
    for number, row in enumerate(rows, start=1):
        if len(row) > len(header):
            raise InputError(
                f"{path}: row {number} has {len(row)} cells and the header {len(header)}: put double quotes around a text that"
                ' holds commas, as in "one, two"'
            )
    filled = max((n for n, row in enumerate(rows, start=1) if row), default=0)
    if rows and filled < len(rows):
        raise InputError(f"{path}: {len(rows) - filled} blank lines at its end count as rows; delete them")


def _rows(path: Path, content: str) -> list[list[str]]:
    """The cells of every row, the header first. Raises InputError for quotes that do not pair, of which each reader makes
    another text."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(content, newline=""), strict=True):
            rows.append(row)
    except csv.Error:
        where = f"row {len(rows)}" if rows else "its first line"
        raise InputError(
            f"{path}: {where}: its double quotes do not pair: quoted text ends in one, and a quote within it is written twice,"
            ' as in "She said ""no"", and left."'
        ) from None
    return rows


def _is_header(path: Path, header: list[str]) -> None:
    if not header:
        raise InputError(f"{path}: its first line is blank; the names of the columns belong there")
    if header[0].startswith("#"):
        raise InputError(
            f"{path}: its first line begins with '#': a comment is read as the names of the columns here; delete the line"
        )
    if len(header) == 1:
        for sign, name in SEPARATORS.items():
            if sign in header[0]:
                raise InputError(f"{path}: its columns are separated by {name}; save it with commas between them")
    if repeated := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise InputError(f"{path}: its header has the column '{repeated[0]}' twice; rename one, or delete it")


def of_json_lines(path: Path, columns: Columns) -> None:
    """Raise InputError, naming the row, for a file that has no flat object of texts on every line."""
    if (content := _content(path)) is None:
        return
    kinds: dict[str, tuple[int, str]] = {}  # of a column: the first row that has a value, and what it is
    for number, row in stimuli.objects(content, path):
        for key in filter(None, (columns.text, columns.emotion, columns.topic, columns.id)):
            if (value := row.get(key)) is None:
                continue
            kind = stimuli.KINDS[type(value)]
            if isinstance(value, list | dict) or (key == columns.text and kind != "text"):
                raise InputError(f"{path}: row {number}: '{key}' is {kind}, not text; write it in double quotes")
            first, other = kinds.setdefault(key, (number, kind))
            if kind != other:
                raise InputError(
                    f"{path}: row {number}: '{key}' is {kind}, and {other} in row {first}; write both in double quotes"
                )


def _content(path: Path) -> str | None:
    """What a file holds; None where it cannot be read, which its stage says in words of its own."""
    if path.is_dir():
        raise InputError(f"{path}: a folder, and a file is needed")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None
