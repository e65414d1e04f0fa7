"""What of a reading is there already: its arrays, on disk from the first batch on. So memory does not grow with the number of
texts, and a run that was stopped goes on where it stood."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.reading.residual import Pooled

Array = np.ndarray[Any, np.dtype[Any]]


class Kept:
    """The arrays of a reading in the making, in a folder of scratch: a file each, in which every text has its place; and a
    checksum of each batch that is finished."""

    def __init__(self, folder: Path, room: Pooled, batches: Sequence[Sequence[int]]) -> None:
        """`room`: arrays of the shapes and types that all texts need. Raises OSError where the disk has no room for them."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.batches = folder, batches
        self.arrays = Pooled(*(self._array(name, like) for name, like in zip(Pooled._fields, room, strict=True)))

    def _array(self, name: str, like: Array) -> Array:
        with os.fdopen(os.open(self.folder / f"{name}.raw", os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            return in_file(file, like)

    def put(self, number: int, pooled: Pooled) -> None:
        """Keep a batch. Several threads, or processes, may each keep their own."""
        for array, part in zip(self.arrays, pooled, strict=True):
            for text, row in zip(self.batches[number], part, strict=True):
                array[text] = row
        unfinished = self._mark(number).with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(self._checksum(number, pooled))
        os.replace(unfinished, self._mark(number))

    def has(self, number: int) -> bool:
        """Whether a batch is there, as it was kept."""
        try:
            found = self._mark(number).read_bytes()
        except OSError:
            return False
        own = self.batches[number]
        return found == self._checksum(number, [[array[text] for text in own] for array in self.arrays])

    def _mark(self, number: int) -> Path:
        return self.folder / f"{number:05}.crc"

    def _checksum(self, number: int, parts: Iterable[Iterable[Array]]) -> bytes:
        """Of a batch and its place: its number, and the folder, which is named by all that it depends on."""
        crc = zlib.crc32(f"{self.folder.name}/{number}".encode())
        for part in parts:
            for row in part:
                crc = zlib.crc32(row.data, crc)
        return f"{crc:08x}\n".encode()


def in_file(file: BinaryIO, like: Array) -> Array:
    """An array of the shape and type of `like` in an open file, with what bytes it has. Raises OSError where the disk has no
    room for all of it: a page for which there is none would later end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, like.nbytes)
    return np.memmap(file, like.dtype, "r+", shape=like.shape)
