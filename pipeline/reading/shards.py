"""Processes that share one reading, each on a GPU or a machine of its own: what each reads, and how the whole takes it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from pipeline.errors import InputError
from pipeline.reading.kept import Kept
from pipeline.reading.residual import Pooled
from pipeline.store import layout


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
