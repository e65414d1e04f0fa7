"""Six tiny families at every precision: what a device reads and writes against a CPU; whether texts see their neighbours."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModel

from benchmarks.gpu import tiny
from benchmarks.gpu.shapes import STORIES
from pipeline.models import loading, workers
from pipeline.models.entries import Folder, ModelEntry
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.writing.generation import Written, generate, prompt_ids
from pipeline.writing.sampling import Decoding

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "nf4")
POSITIONS = [Position(rule="last"), Position(rule="mean"), Position(rule="mean", start=5)]
READING = ("error", "error_cpu", "to_cpu", "cosine_to_cpu", "batch", "batch_equal")
WRITING = tuple(f"{way}_{what}" for way in ("greedy", "sampled") for what in ("as_cpu", "margin", "as_alone"))
ENDS = frozenset(range(1, 600, 40))
"""With so many end tokens among 600, texts end at very different lengths."""
CPU = torch.device("cpu")


def stories(n: int) -> list[str]:
    """`n` of our stories, on different topics."""
    with STORIES.open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)][:: 504 // n][:n]


def checked(
    device: torch.device, families: Sequence[str], precisions: Sequence[str], n_texts: int, n_tokens: int
) -> Iterator[dict[str, Any]]:
    """A row for each family and precision; see `reading_of` and `writing_of`."""
    texts = stories(24)
    for family in families:
        with tempfile.TemporaryDirectory() as folder:
            tiny.save(family, Path(folder), texts)
            for precision in precisions:
                row: dict[str, Any] = {"family": family, "precision": precision}
                with workers.one_thread():  # the CPU's numbers then are the same everywhere
                    row |= _checked(family, Path(folder), precision, device, texts[:n_texts], n_tokens)
                yield row


def _checked(
    family: str, folder: Path, precision: str, device: torch.device, texts: list[str], n_tokens: int
) -> dict[str, Any]:
    bos = tiny.FAMILIES[family][1]
    known = {"family": family, "lineage": family, "tuning": "base", "bos": bos, "parameters": 1e5}
    entry = ModelEntry(**known, folder=Folder(path=folder))
    there, here = (loading.load(family, entry, precision, where, writes=True) for where in (device, CPU))
    ids, begins = residual.tokenise([t[: 40 + 60 * i] for i, t in enumerate(texts)], here.tokenizer, bos, "native")
    exact = AutoModel.from_pretrained(folder, dtype=loading.dtype_of(precision, entry)).eval().double()
    row = reading_of(there.body, here.body, exact, ids, int(begins))
    prompts = [prompt_ids(t[: 15 + 23 * i], here.tokenizer, False, bos) for i, t in enumerate(texts)]
    for name, temperature in (("greedy", None), ("sampled", 0.9)):
        decoding = Decoding(temperature, 0.95, n_tokens)
        row |= {f"{name}_{k}": v for k, v in writing_of(there, here, prompts, decoding).items()}
    return row


def reading_of(there: nn.Module, here: nn.Module, exact: nn.Module, ids: list[list[int]], skip: int) -> dict[str, Any]:
    """Largest errors of a pooled state relative to its length, over texts, positions and layers.

    `error` and `error_cpu`: of the device and of the CPU, to the same weights (not quantised) in float64, norms in float32;
    `to_cpu`: of the device to the CPU; `batch`: of a text that is read together with others to the same alone; `batch_equal`:
    share of states that are then the same to the last bit.
    """
    together = residual.read_batch(there, ids, POSITIONS, skip).activation
    alone = np.concatenate([residual.read_batch(there, [text], POSITIONS, skip).activation for text in ids])
    cpu = np.concatenate([residual.read_batch(here, [text], POSITIONS, skip).activation for text in ids])
    true = np.concatenate([residual.read_batch(exact, [text], POSITIONS, skip).activation for text in ids])
    return {
        "error": relative(together, true),
        "error_cpu": relative(cpu, true),
        "to_cpu": relative(together, cpu),
        "cosine_to_cpu": cosine(together, cpu),
        "batch": relative(together, alone),
        "batch_equal": float((together == alone).all(-1).mean()),
    }


def relative(found: np.ndarray, true: np.ndarray) -> float:
    """Largest length of a difference relative to the length of the true state."""
    true = true.astype(np.float64)
    return float((np.linalg.norm(found - true, axis=-1) / np.linalg.norm(true, axis=-1)).max())


def cosine(found: np.ndarray, true: np.ndarray) -> float:
    """Smallest cosine."""
    a, b = found.astype(np.float64), true.astype(np.float64)
    return float(((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)).min())


def writing_of(there: loading.Model, here: loading.Model, prompts: list[list[int]], decoding: Decoding) -> dict[str, Any]:
    """Shares of texts: `as_cpu`, the tokens that the CPU writes; `as_alone`, the same with one neighbour, in another order, and
    without neighbours, at one size of batch. `margin`: where device and CPU part, how far the CPU's logits of the two tokens
    lie apart, the most; relative to the spread of all logits there."""
    n = len(prompts)

    def texts(model: loading.Model, which: Sequence[int], batch: int) -> list[Written]:
        assert model.head is not None
        return generate(model.body, model.head, [prompts[i] for i in which], list(which), decoding, ENDS, batch)

    own, cpu = texts(there, range(n), n), texts(here, range(n), n)
    backwards = texts(there, range(n)[::-1], n)[::-1]
    pairs = [text for i in range(0, n, 2) for text in texts(there, range(i, min(i + 2, n)), n)]
    parted = [i for i in range(n) if own[i] != cpu[i]]
    return {
        "as_cpu": 1 - len(parted) / n,
        "margin": max((_margin(here, prompts[i], own[i], cpu[i]) for i in parted), default=0.0),
        "as_alone": float(np.mean([a == b == c for a, b, c in zip(own, backwards, pairs, strict=True)])),
    }


@torch.inference_mode()
def _margin(model: loading.Model, prompt: list[int], one: Written, other: Written) -> float:
    at = next((i for i, (a, b) in enumerate(zip(one.tokens, other.tokens, strict=False)) if a != b), None)
    if at is None:  # one of them ended
        at = min(len(one.tokens), len(other.tokens))
    assert model.head is not None
    states = model.body(torch.tensor([[*prompt, *one.tokens[:at]]])).last_hidden_state
    logits = model.head(states[:, -1])[0].float()
    chosen = [text.tokens[at] for text in (one, other) if len(text.tokens) > at]
    if len(chosen) < 2:
        return float("nan")
    return float((logits[chosen[0]] - logits[chosen[1]]).abs() / logits.std())


def failures(row: dict[str, Any]) -> list[str]:
    """What a device must give, and this row does not.

    Errors no larger than a CPU's at the same precision by more than half; texts that do not depend on their neighbours; at
    fp32 the CPU's texts.
    """
    found = []
    if not row["error"] <= 1.5 * row["error_cpu"] + 1e-6:
        found.append(f"error {row['error']:.1e}, of a CPU {row['error_cpu']:.1e}")
    if not row["batch"] <= 1.5 * row["error_cpu"] + 1e-6:
        found.append(f"depends on the batch by {row['batch']:.1e}")
    for way in ("greedy", "sampled"):
        if row[f"{way}_as_alone"] < 1:
            found.append(f"{way} texts depend on their neighbours")
        if row["precision"] == "fp32" and row[f"{way}_as_cpu"] < 1:
            found.append(f"{way} texts are not the CPU's")
    return found
