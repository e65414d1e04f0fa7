"""Which texts share a pass; and how the batches of a GPU are kept while the next are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch

from pipeline.params.reading import QUANTISED, ReadingSections

Started = TypeVar("Started")


@dataclass(frozen=True)
class BatchPlan:
    """Which texts share a forward pass. On a CPU a quantised model reads one text at a time; on a GPU every model reads as many
    tokens as keep it busy, `read.gpu_batch_tokens`."""

    tokens: int
    texts: int

    @classmethod
    def of(cls, params: ReadingSections, precision: str, device: torch.device, asked: int | None = None) -> BatchPlan:
        """`asked`: how many texts a reading wants to share a pass, whatever the precision and the device."""
        if asked is None and device.type != "cpu":
            return cls(params.read.gpu_batch_tokens, params.read.gpu_batch_tokens)
        if asked is None and precision in QUANTISED:
            return cls(0, 1)
        return cls(params.read.batch_tokens, asked or params.read.batch_texts)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indices of the texts of each batch: sorted by length, no more than `texts` of them or `tokens` with padding."""
        batches: list[list[int]] = []
        for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
            # sorted by length: the newest text is the longest, so it sets the width of the batch
            if batches and len(batches[-1]) < self.texts and (len(batches[-1]) + 1) * lengths[i] <= self.tokens:
                batches[-1].append(i)
            else:
                batches.append([i])
        return batches

    def in_words(self) -> str:
        if self.texts == 1:
            return "one text at a time"
        if self.texts >= self.tokens:
            return f"sorted by length, at most {self.tokens} tokens; right padding, no mask"
        return f"sorted by length, at most {self.texts} texts or {self.tokens} tokens; right padding, no mask"


IN_FLIGHT = 2
"""Batches of a GPU that wait to be kept, at most: no more are held in memory."""


def overlapped(
    numbers: Sequence[int],
    start: Callable[[int], Started | None],
    keep: Callable[[int, Started], None],
) -> Iterator[int]:
    """Each number, once its batch is kept. `start` tells a device what to do and does not wait for it (None: this batch is
    there already); while it computes, threads `keep` those before. What either raises is raised here."""
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        on_the_way: deque[tuple[int, Future[None]]] = deque()
        for number in numbers:
            if (pending := start(number)) is None:
                yield number
                continue
            on_the_way.append((number, threads.submit(keep, number, pending)))
            if len(on_the_way) > IN_FLIGHT:
                done, kept = on_the_way.popleft()
                kept.result()
                yield done
        for done, kept in on_the_way:
            kept.result()
            yield done
