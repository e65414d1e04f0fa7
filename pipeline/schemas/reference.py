"""What the files hold that claims are judged by: the published claims, a row of which users may add, and the simulated chance
of each verdict. The plan and the stage read them alike."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from pipeline.errors import InputError, note_file, one_line

REFERENCE = Path("data/reference/claims.csv")
POWER = Path("data/reference/power.csv")

AS_PUBLISHED, ON_OTHERS = SIDES = ("side", "side_on_other_stories")
"""The sides on which a claim would be true: of the published figure; of rho_dis, on stories that the two sides do not share."""
SIDE = re.compile(r"(>=|<=|=|>|<) (exactly )?(1 - margin|margin|-?\d+(?:\.\d+)?)")
KINDS = ("paper", "test", "method")
"""Claims of the paper; what they imply and it did not test; what its method takes for granted."""
CLAIM = pl.Schema(dict.fromkeys(("claim", "kind", "text", "source", "published", *SIDES), pl.String))

VERDICTS = ("holds", "does_not_hold", "undecided", "explained")
CHANCES = pl.Schema({"claim": pl.String, "reliability": pl.Float64, **dict.fromkeys(VERDICTS, pl.Float64)})
"""`claim`: its name and, after a colon, the world that was planted. `reliability`: null where it plays no part."""


def claims(path: Path = REFERENCE) -> pl.DataFrame:
    """The claims, in the reference's order: strings, null where a side is empty.

    Raises InputError, naming file, row and claim, for: an unreadable file, a missing column, an empty cell that is no side, a
    claim that stands twice, an unknown kind, a side that is none, a claim without any.
    """
    frame = _read(path, CLAIM, "the claims that a run is held against stand there")
    there: set[str] = set()
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        where = f"{path}: row {number}: the claim '{row['claim'] or ''}'"
        if lacking := [name for name in CLAIM if name not in SIDES and row[name] is None]:
            raise InputError(f"{where}: '{lacking[0]}' is empty; fill it or delete the row")
        if row["claim"] in there:
            raise InputError(f"{where} stands twice; keep one")
        there.add(row["claim"])
        if row["kind"] not in KINDS:
            raise InputError(f"{where}: kind '{row['kind']}' is none of {', '.join(KINDS)}")
        written = {name: row[name] for name in SIDES if row[name] is not None}
        if not written:
            raise InputError(f"{where}: {' and '.join(SIDES)} are empty; write in one where the claim would be true")
        for name, side in written.items():
            if SIDE.fullmatch(side) is None:
                raise InputError(f"{where}: {name}: {no_side(side)}")
    return frame


def no_side(words: str) -> str:
    """What is said of words that are no side."""
    return (
        f"'{words}' is no side; write >=, <=, =, > or < and a figure, `exactly` and a figure, `margin` or `1 - margin`, as in"
        " '>= 0.74'"
    )


def chances(path: Path = POWER) -> pl.DataFrame:
    """The simulated chances (CHANCES). Raises InputError for an unreadable file, one without rows, a missing column, a cell
    that is no number, a claim without its world."""
    made = "`python -m benchmarks.power` writes it"
    frame = _read(path, CHANCES, made)
    if frame.is_empty():
        raise InputError(f"{path}: no rows; {made}")
    read = frame.cast(CHANCES, strict=False)
    for number, (row, value) in enumerate(zip(frame.iter_rows(named=True), read.iter_rows(named=True), strict=True), start=1):
        for name in CHANCES:
            if value[name] is None and (row[name] is not None or name != "reliability"):
                raise InputError(f"{path}: row {number}: {name} is '{row[name] or ''}'; {made}")
        if ": " not in row["claim"]:
            raise InputError(f"{path}: row {number}: claim is '{row['claim']}', without a colon and its world; {made}")
    return read


def _read(path: Path, schema: pl.Schema, hint: str) -> pl.DataFrame:
    """The columns of a schema as strings, null where a cell is empty."""
    try:
        note_file(path)
        content = path.read_text(encoding="utf-8-sig")  # polars takes a header in any encoding
        raw = pl.read_csv(content.encode(), infer_schema=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {hint}") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as CSV in UTF-8: {one_line(error)}") from None
    if missing := [name for name in schema if name not in raw.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(raw.columns)}")
    return raw.select(pl.col(name).str.strip_chars().replace("", None) for name in schema)
