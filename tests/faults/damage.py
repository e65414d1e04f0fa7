"""Ways in which a file or a folder of a finished run comes to be another than was written. Each changes what is there in place,
and says nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl

from pipeline.store import tables

Damage = Callable[[Path, Path, Random], None]
"""Of an out: its path, the path of another of its kind, and what chances come from."""

LONG_AGO, FAR_AHEAD = 86_400, 4_000_000_000
"""Seconds since 1970."""


def files_of(place: Path) -> list[Path]:
    return sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]


def one_of(place: Path, rng: Random) -> Path:
    """A file of an out: as often one of numbers as one that says what they are."""
    files = files_of(place)
    kind = [p for p in files if (p.name == "zarr.json") == (rng.random() < 0.4)] or files
    return rng.choice(kind)


def truncated(place: Path, _other: Path, rng: Random) -> None:
    path = one_of(place, rng)
    os.truncate(path, rng.randrange(path.stat().st_size or 1))


def flipped(place: Path, _other: Path, rng: Random) -> None:
    path = one_of(place, rng)
    content = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def overwritten(place: Path, _other: Path, rng: Random) -> None:
    """A stretch of a file with other bytes, as a bad block of a disk."""
    path = one_of(place, rng)
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    content[at : at + 64] = rng.randbytes(len(content[at : at + 64]))
    path.write_bytes(content)


def emptied(place: Path, _other: Path, rng: Random) -> None:
    one_of(place, rng).write_bytes(b"")


def missing(place: Path, _other: Path, rng: Random) -> None:
    one_of(place, rng).unlink()


def gone(place: Path, _other: Path, _rng: Random) -> None:
    shutil.rmtree(place) if place.is_dir() else place.unlink()


def swapped(place: Path, other: Path, rng: Random) -> None:
    """The whole, or a file of it, by that of another: every checksum in it is right."""
    if place.is_dir() and rng.random() < 0.5:
        path = one_of(place, rng)
        same = other / path.relative_to(place)
        if same.is_file():
            shutil.copyfile(same, path)
            return
    gone(place, other, rng)
    (shutil.copytree if other.is_dir() else shutil.copyfile)(other, place)


def linked(place: Path, other: Path, rng: Random) -> None:
    gone(place, other, rng)
    place.symlink_to(other)


def a_folder(place: Path, other: Path, rng: Random) -> None:
    """Something else stands where it should be: a folder for a file, a file for a folder."""
    was_folder = place.is_dir()
    gone(place, other, rng)
    place.write_text("a note") if was_folder else place.mkdir()


def of_another_version(place: Path, _other: Path, rng: Random) -> None:
    """What other code of this project would have written: of a store without digests, or another form; of a table with other
    columns, or without a digest."""
    if place.suffix == ".parquet":
        frame = pl.read_parquet(place)
        if rng.random() < 0.5:
            frame.write_parquet(place)
        else:
            tables.write_rows(frame.rename({frame.columns[-1]: "of_another_version"}), place)
        return
    nodes = [p for p in files_of(place) if p.name == "zarr.json" and '"group"' in p.read_text()]
    path = rng.choice(nodes) if nodes else one_of(place, rng)
    try:
        node = json.loads(path.read_text())
    except ValueError:
        path.write_text("of another version")
        return
    if rng.random() < 0.5:
        node["zarr_format"] = 2
    else:
        node["attributes"] = {}
    path.write_text(json.dumps(node))


def half_of_the_rows(place: Path, _other: Path, rng: Random) -> None:
    """A table that a script has written anew, without some rows, with a number moved, or with none."""
    frame = pl.read_parquet(place)
    how = rng.randrange(3)
    numbers = [c for c in frame.columns if frame[c].dtype.is_numeric()]
    if how == 0 or not numbers:
        frame = frame.head(frame.height // 2)
    elif how == 1:
        frame = frame.clear()
    else:
        frame = frame.with_columns(pl.col(rng.choice(numbers)) + 1)
    frame.write_parquet(place, metadata=pl.read_parquet_metadata(place))


def dated(place: Path, _other: Path, rng: Random) -> None:
    """The clock was set back, or ahead."""
    when = rng.choice((LONG_AGO, FAR_AHEAD))
    for path in [place, *files_of(place)]:
        os.utime(path, (when, when))


def beside(place: Path, _other: Path, rng: Random) -> None:
    """A file that nobody asked for, such as editors, file managers and network disks leave."""
    name = rng.choice((".DS_Store", ".nfs0001", "zarr.json~", "c.tmp", "Thumbs.db"))
    folders = [place, *sorted(p for p in place.rglob("*") if p.is_dir())] if place.is_dir() else [place.parent]
    (rng.choice(folders) / name).write_bytes(b"\x00\x01")


def read_only(place: Path, _other: Path, _rng: Random) -> None:
    for path in files_of(place):
        path.chmod(0o444)


def not_readable(place: Path, _other: Path, rng: Random) -> None:
    one_of(place, rng).chmod(0)


SPOILS: dict[str, Damage] = {
    "truncated": truncated,
    "bit flipped": flipped,
    "overwritten": overwritten,
    "emptied": emptied,
    "file missing": missing,
    "gone": gone,
    "swapped": swapped,
    "a link to another": linked,
    "something else": a_folder,
    "of another version": of_another_version,
}
"""After these a stage must say so, or come to the same bytes."""
OF_TABLES: dict[str, Damage] = {"other rows": half_of_the_rows}
LEAVES: dict[str, Damage] = {"clock": dated, "extra file": beside, "read-only": read_only}
"""After these every stage must come to the same bytes."""
FORBIDS: dict[str, Damage] = {"not readable": not_readable}
"""For a user without privileges."""
