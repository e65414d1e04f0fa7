"""Stimuli: text that models read, with its labels. A stimulus is known by the hash of its text."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from pipeline.errors import InputError, nearest, note_file, one_line, some
from pipeline.params.reading import Columns, Position, Reading

CONTROL = frozenset({"Cc", "Cs"})
INVISIBLE = frozenset({"Cf", "Zs", "Zl", "Zp"})
"""Unicode categories."""
UNSEEN = frozenset(
    {
        *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)),
        *map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
    }
)
"""What cannot be seen either, of other categories: fillers, joiners, the blank of Braille, selectors of a character's form."""
KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
"""Values of JSON in words."""

SCHEMA = pl.Schema({"id": pl.String, "emotion": pl.String, "topic": pl.String, "text": pl.String})


def content_hash(text: str) -> str:
    """The id of a stimulus: the first 12 hexadecimal digits of the SHA-256 of its text (UTF-8)."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load(reading: Reading) -> pl.DataFrame:
    """The stimuli of a reading, in the order of its file.

    Returns columns `id, emotion, topic, text` (strings). A text source without emotions or topics has "" there.
    Raises InputError, naming file and rows, for: an unreadable file, a missing column, an empty cell, a text or an id that
    stands twice, an asked-for emotion without stories.
    """
    path, columns = reading.path, reading.columns
    raw = _read(path, columns)
    frame = raw.select(
        (pl.lit("") if name is None else pl.col(name).fill_null("").str.strip_chars()).alias(target)
        for target, name in (("emotion", columns.emotion), ("topic", columns.topic), ("text", columns.text))
    ).with_row_index("row", offset=1)
    for target, name in (("text", columns.text), ("emotion", columns.emotion), ("topic", columns.topic)):
        if name is not None:
            _no_empty_cells(frame, target, name, path)
            _can_be_read(frame, target, name, path)
    for target in ("emotion", "topic"):
        _differ_to_the_eye(frame, target, path)
    ids = pl.Series("id", [content_hash(text) for text in frame["text"]], dtype=pl.String)
    if columns.id is not None and columns.id in raw.columns:
        ids = raw[columns.id].fill_null("").str.strip_chars().alias("id")
    frame = frame.with_columns(ids)
    if reading.emotions != "all":
        _have_stories(reading.emotions, frame["emotion"], path)
        frame = frame.filter(pl.col("emotion").is_in(reading.emotions))
    if frame.is_empty():
        raise InputError(f"{path}: no rows")
    _no_empty_cells(frame, "id", columns.id or "id", path)
    _no_repeats(frame, "text", path, pl.Series([in_words(text) for text in frame["text"]], dtype=pl.String))
    _no_repeats(frame, "id", path, frame["id"])
    return frame.select(SCHEMA.names()).cast(SCHEMA)


def have_words(stimuli: pl.DataFrame, positions: Mapping[str, Position], path: Path) -> None:
    """Raise InputError, naming them, if texts have fewer words, between blanks, than a position counts."""
    counts = [len(text.split()) for text in stimuli["text"]]
    for name, position in positions.items():
        short = [i for i, n in enumerate(counts) if position.word is not None and n < position.word]
        if short:
            shown = some([f"{stimuli['id'][i]} ({counts[i]} words)" for i in short])
            raise InputError(
                f"{path}: position '{name}' needs {position.word} words, and these texts have fewer: {shown}."
                f" Lengthen them, or take '{name}' out of the reading's positions in params.yaml"
            )


def alike(label: str) -> str:
    """A label as people read it: without case, width of letters, and what cannot be seen."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    seen = "".join(c for c in folded if unicodedata.category(c) not in INVISIBLE and c not in UNSEEN).strip()
    return unicodedata.normalize("NFC", seen)  # what stood between a letter and its accent is gone


def in_words(text: str) -> str:
    """A text as it is read: whatever white space parts its words, in one Unicode form."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def digest(stimuli: pl.DataFrame) -> str:
    """SHA-256 over ids, labels and texts, in order: what was read, whatever file it came in."""
    rows = ("\x1f".join(row) for row in stimuli.select(SCHEMA.names()).iter_rows())
    return hashlib.sha256("\x1e".join(rows).encode()).hexdigest()


def were_read(frame: pl.DataFrame, path: Path, attributes: Mapping[Any, Any]) -> None:
    """Raise InputError unless a reading, by its `attributes`, is of the stimuli of a file as they are now."""
    if attributes["stimuli_sha256"] != digest(frame):
        where = "/".join(str(attributes[key]) for key in ("model", "precision", "reading"))
        raise InputError(f"{path}: its texts are not those that {where} has read; run `dvc repro`")


def _read(path: Path, columns: Columns) -> pl.DataFrame:
    """The rows of a text source as strings, with all columns that are asked for."""
    if path.suffix not in {".csv", ".jsonl", ".ndjson"}:
        raise InputError(f"{path}: a text source is a .csv or .jsonl file")
    note_file(path)
    try:
        if path.suffix == ".csv":
            raw = pl.read_csv(path, infer_schema=False, encoding="utf8", glob=False)
            _require_columns(raw.columns, columns, path)
            return raw
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode()  # as of CSV
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as {path.suffix[1:].upper()} in UTF-8: {one_line(error)}") from None
    return _of_objects(content, columns, path)


def objects(content: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object of each row of JSON lines, counted from 1 without blank lines. Raises InputError, naming it, for a row that
    is no object, or has a key twice, or a number that is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            raise InputError(f"'{next(k for k in keys if keys.count(k) > 1)}' stands twice; keep one")
        return found

    def is_none(name: str) -> NoReturn:
        raise InputError(f"{name} is no value of JSON; write null, or leave the key out")

    lines = (line for line in content.split("\n") if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line, object_pairs_hook=once, parse_constant=is_none)
        except InputError as error:
            raise InputError(f"{path}: row {number}: {error}") from None
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number}: no JSON object; write each row as one object {{...}} on a line of its own")
        yield number, row


def _of_objects(content: str, columns: Columns, path: Path) -> pl.DataFrame:
    """The rows of JSON lines under the keys that are asked for: another reader would bring values of one key to one type."""
    asked = [name for name in (columns.text, columns.emotion, columns.topic, columns.id) if name is not None]
    cells: dict[str, list[str | None]] = {name: [] for name in asked}
    there: dict[str, None] = {}
    for number, row in objects(content, path):
        there |= dict.fromkeys(row)
        for name, own in cells.items():
            try:
                own.append(_cell(row.get(name)))
            except InputError as error:
                raise InputError(f"{path}: row {number}: '{name}' {error}") from None
    if not there:
        raise InputError(f"{path}: no rows")
    _require_columns([*there], columns, path)
    return pl.DataFrame(
        {name: own for name, own in cells.items() if name in there}, schema_overrides=dict.fromkeys(cells, pl.String)
    )


def _cell(value: object) -> str | None:
    """A value of JSON as text. Raises InputError for what is none."""
    if isinstance(value, list | dict):
        raise InputError(f"is {KINDS[type(value)]}, not text; write it in double quotes")
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"holds U+{ord(error.object[error.start]):04X}, which cannot be seen; take it out") from None
    return None if value is None else text


def _require_columns(there: Sequence[str], columns: Columns, path: Path) -> None:
    # The id column is the one that a file may lack: ids are then content hashes.
    for key, name in (("text", columns.text), ("emotion", columns.emotion), ("topic", columns.topic)):
        if name is not None and name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = f" (nearest: '{near[0]}')" if near else ""
            absent = "" if key == "text" else f", or null for a file without {key}s"
            raise InputError(
                f"{path}: no column '{name}'{hint}; columns are {', '.join(there)}."
                f" Name the right one in params.yaml, columns.{key}{absent}"
            )


def _no_empty_cells(frame: pl.DataFrame, target: str, name: str, path: Path) -> None:
    rows = frame.filter(pl.col(target) == "")["row"].to_list()
    if rows:
        raise InputError(f"{path}: '{name}' is empty in {_rows(rows)}; fill it or delete the row")


def _can_be_read(frame: pl.DataFrame, target: str, name: str, path: Path) -> None:
    """No control characters; in labels, which are compared, nothing invisible either (in a text it may join letters)."""
    bad = CONTROL if target == "text" else CONTROL | INVISIBLE
    for row, value in frame.select("row", target).iter_rows():
        for c in value:
            if unicodedata.category(c) in bad and c not in ("\n\r\t" if target == "text" else " "):
                raise InputError(f"{path}: row {row}: '{name}' holds U+{ord(c):04X}, which cannot be seen; take it out")


def _differ_to_the_eye(frame: pl.DataFrame, target: str, path: Path) -> None:
    known: dict[str, str] = {}
    for label in frame[target].unique(maintain_order=True):
        if (other := known.setdefault(alike(label), label)) != label:
            raise InputError(f"{path}: {target} '{label}' and '{other}' look the same; write them alike, or tell them apart")


def _no_repeats(frame: pl.DataFrame, target: str, path: Path, told_by: pl.Series) -> None:
    """`told_by`: of each row, what tells its value from others."""
    rows_of = frame.group_by(told_by.alias("told_by"), maintain_order=True).agg("row", pl.col(target).first())
    repeated = rows_of.filter(pl.col("row").list.len() > 1).select(target, "row")
    if not repeated.is_empty():
        value, rows = repeated.row(0)
        more = f" (and {repeated.height - 1} more such)" if repeated.height > 1 else ""
        shown = value if len(value) <= 50 else value[:50] + " ..."
        raise InputError(f'{path}: the same {target} stands in {_rows(rows)}{more}: "{shown}"; keep one')


def _have_stories(wanted: list[str], emotions: pl.Series, path: Path) -> None:
    known = emotions.unique().sort().to_list()
    for emotion in wanted:
        if emotion not in known:
            hint = nearest(emotion, known, f"it has {', '.join(known)}")
            raise InputError(f"{path}: emotion '{emotion}' (params.yaml) has no stories; {hint}")


def _rows(rows: list[int], shown: int = 10) -> str:
    numbers = ", ".join(map(str, rows[:shown])) + (f" and {len(rows) - shown} more" if len(rows) > shown else "")
    return f"{'row' if len(rows) == 1 else 'rows'} {numbers}"
