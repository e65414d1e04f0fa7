"""What of a reading is there already: its arrays, on disk from the first batch on. So memory does not grow with the number of
texts, and a run that was stopped goes on where it stood. Shards of it may be read elsewhere, and are taken in."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.models import loading, workers
from pipeline.params.base import PARAMS
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan, overlapped
from pipeline.reading.residual import Pooled
from pipeline.store import layout

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


@dataclass(frozen=True)
class Shard:
    """One of `of` processes that share a reading, counted from 1, each with every so manieth of its batches.

    A shard is a reading of its own texts alone, in a folder beside that of the whole. Its texts share passes as in the whole:
    batches are filled in order of length, and what did not fit into one would not fit with something longer either.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, said: str) -> Shard:
        """From `2/4`, or from the end of a folder's name. Raises InputError for what is neither."""
        number, _, of = said.replace("of", "/").partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise InputError(f"'{said}' is no shard; write 1/4 for the first of four")
        return cls(int(number), int(of))

    def folder(self, whole: Path) -> Path:
        return whole.with_name(f"{whole.name}.{self.number}of{self.of}")

    def numbers(self, batches: Sequence[Sequence[int]]) -> range:
        """Which of the whole's batches are its own."""
        return range(self.number - 1, len(batches), self.of)

    def texts(self, batches: Sequence[Sequence[int]]) -> list[int]:
        """Its texts, by their places in the whole, in the order in which it has them."""
        return [text for number in self.numbers(batches) for text in batches[number]]


def shards_of(whole: Path) -> list[Path]:
    """The folders of scratch with shards of a reading."""
    return sorted(path for path in whole.parent.glob(f"{whole.name}.*of*") if path.is_dir())


def take_in(kept: Kept, room: Callable[[int], Pooled]) -> None:
    """Keep what shards have read, as far as they came. `room`: arrays for so many texts. Raises InputError while one is still
    being read."""
    for folder in shards_of(kept.folder):
        shard = Shard.parse(folder.name.rpartition(".")[2])
        numbers = shard.numbers(kept.batches)
        ends = accumulate((len(kept.batches[number]) for number in numbers), initial=0)
        own = [range(start, end) for start, end in pairwise(ends)]
        if not own:
            continue
        with layout.taken(folder):
            part = Kept(folder, room(own[-1].stop), own)
            for n, number in enumerate(numbers):
                if part.has(n) and not kept.has(number):
                    kept.put(number, Pooled(*(array[own[n].start : own[n].stop] for array in part.arrays)))


def in_file(file: BinaryIO, like: Array) -> Array:
    """An array of the shape and type of `like` in an open file, with what bytes it has. Raises OSError where the disk has no
    room for all of it: a page for which there is none would later end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, like.nbytes)
    return np.memmap(file, like.dtype, "r+", shape=like.shape)


def read(
    model: loading.Model,
    ids: list[list[int]],
    positions: Sequence[Position],
    skip: Sequence[int],
    plan: BatchPlan,
    scratch: Path,
    progress: tqdm[Any],
    word_ends: Sequence[Sequence[int]] | None = None,
) -> residual.Pooled:
    """Read every text of `ids`, batch by batch, keeping each finished batch in `scratch`. The arrays are in the order of `ids`,
    and lie in files there. `skip` and `word_ends` as `skip` and `words` of `residual.read_batch`."""

    def room(n: int) -> residual.Pooled:
        return residual.room_for(model.body, n, len(positions))

    if not ids:
        return room(0)  # as where a model could write nothing at a precision
    batches = plan.batches([len(text) for text in ids])
    kept = Kept(scratch, room(len(ids)), batches)
    take_in(kept, room)

    def work(numbers: Sequence[int]) -> Iterator[int]:
        for number in overlapped(numbers, start, keep) if model.device.type != "cpu" else map(there, numbers):
            yield sum(len(ids[i]) for i in batches[number])

    def there(number: int) -> int:
        if not kept.has(number):
            kept.put(number, residual.read_batch(*arguments(batches[number])))
        return number

    def arguments(own: list[int]) -> tuple[Any, list[list[int]], Sequence[Position], list[int], list[Sequence[int]] | None]:
        ends = None if word_ends is None else [word_ends[i] for i in own]
        return model.body, [ids[i] for i in own], positions, [skip[i] for i in own], ends

    def start(number: int) -> residual.Pending | None:
        if kept.has(number):
            return None
        try:
            return residual.start_batch(*arguments(batches[number]))
        except torch.OutOfMemoryError:
            return in_halves(batches[number])

    def in_halves(own: list[int]) -> residual.Pending:
        if len(own) == 1:
            raise InputError(
                f"{model.name}: a text of {len(ids[own[0]])} tokens does not fit into the GPU's memory beside the model"
            )
        print(
            f"{model.name}: {len(own)} texts do not fit into the GPU's memory and are read in two halves; a lower"
            f" {PARAMS}: read.gpu_batch_tokens would do without",
            file=sys.stderr,
        )
        torch.cuda.empty_cache()
        halves = own[: len(own) // 2], own[len(own) // 2 :]
        return residual.Pending.of([residual.read_batch(*arguments(half)) for half in halves])

    def keep(number: int, pending: residual.Pending) -> None:
        kept.put(number, pending.result())

    for tokens in workers.share(work, len(batches), model.device):
        progress.update(tokens)
    return kept.arrays
