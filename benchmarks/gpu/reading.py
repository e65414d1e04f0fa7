"""How fast a model of true size is read on the card, the way the stage `read` does it, and by how much a text depends on what
shares its pass."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.gpu import card, shapes
from benchmarks.gpu.exactness import relative
from pipeline.models import loading
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.reading.passes import read

POSITIONS = [
    Position(rule="last"),
    Position(rule="mean", start=50),
    Position(rule="mean"),
    Position(rule="mean", start=25),
    Position(rule="mean", start=75),
    Position(rule="middle"),
]


def in_memory(body: Any, device: torch.device) -> loading.Model:
    """A model that never was in a folder, as the stage has it."""
    return loading.Model("random", body, None, device, {})  # type: ignore[arg-type]


def measured(body: Any, ids: list[list[int]], plan: BatchPlan, device: torch.device, peak: float) -> dict[str, Any]:
    """A reading of `ids` at all positions: `end_to_end` seconds, with every batch kept on disk and all put together, and
    seconds of the `passes` alone. `peak`: operations a second that the card makes of bare products."""
    # as many texts as a reading has: a batch of each kind goes before, so that libraries are set up
    batches = plan.batches([len(text) for text in ids])
    residual.read_batch(body, [ids[i] for i in batches[-1]], POSITIONS, 1)
    card.peak_bytes(device)
    start = time.perf_counter()
    pending = [residual.start_batch(body, [ids[i] for i in batch], POSITIONS, 1) for batch in batches[:1]]
    for batch in batches[1:]:
        pending.append(residual.start_batch(body, [ids[i] for i in batch], POSITIONS, 1))
        pending.pop(0).result()
    pending.pop().result()
    passes = time.perf_counter() - start
    scratch = Path(".scratch/gpu_check")
    shutil.rmtree(scratch, ignore_errors=True)
    start = time.perf_counter()
    with tqdm(disable=True) as silent:
        read(in_memory(body, device), ids, POSITIONS, [1] * len(ids), plan, scratch, silent)
    whole = time.perf_counter() - start
    shutil.rmtree(scratch)
    tokens = sum(map(len, ids))
    flops = 2.0 * shapes.parameters(body) * tokens
    return {
        "batch_tokens": plan.tokens if plan.texts > 1 else 0,
        "texts": len(ids),
        "tokens": tokens,
        "batches": len(batches),
        "padding": sum(len(b) * max(len(ids[i]) for i in b) for b in batches) / tokens - 1,
        "passes_seconds": passes,
        "seconds": whole,
        "tokens_per_second": tokens / whole,
        "flops": flops / whole,
        "mfu": flops / whole / peak,
        "mfu_passes": flops / passes / peak,
        "peak_bytes": card.peak_bytes(device),
    }


def dependence(body: Any, ids: list[list[int]]) -> dict[str, Any]:
    """How far a text's states move with what shares its pass: the 4 shortest of `ids`, which are filled up the most, alone,
    among all, and without the longer half."""
    ids = sorted(ids, key=len)
    alone = np.concatenate([residual.read_batch(body, [text], POSITIONS, 1).activation for text in ids[:4]])
    among = residual.read_batch(body, ids, POSITIONS, 1).activation[:4]
    half = residual.read_batch(body, ids[: len(ids) // 2], POSITIONS, 1).activation[:4]
    return {
        "alone": relative(among, alone),
        "alone_equal": float((among == alone).all(-1).mean()),
        "half": relative(among, half),
        "half_equal": float((among == half).all(-1).mean()),
    }
