"""Every text of a reading goes through the model, batch by batch, and what comes of each batch is kept (`kept`)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.models import loading, workers
from pipeline.params.base import PARAMS
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan, overlapped
from pipeline.reading.kept import Kept
from pipeline.reading.shards import take_in


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
        with contextlib.suppress(torch.OutOfMemoryError):  # beyond it, as the error holds all that was in memory by then
            return residual.start_batch(*arguments(batches[number]))
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
