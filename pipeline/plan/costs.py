"""What a run would take: bytes to fetch, memory, disk and time, from entries and params alone. Estimates, with
every assumption named.

Weights on the hub and in memory are counted from the parameters of an entry; layers, hidden size and vocabulary from its
`shape`. Nothing is loaded or asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.models.entries import ModelEntry
from pipeline.store.layout import VARIANTS

HUB_BYTES = 2  # a parameter as the hub has it: bf16, as all models of the profiles are published
BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "nf4": 0.5625}  # a parameter of a block; nf4 with its scales
EMBEDDING_BYTES = {"fp32": 4.0}  # embeddings and head are never quantised; 2 at every other precision
TOKENS_PER_CHARACTER = 0.24  # of English prose, over the tokenizers of the profiles
START_SECONDS = {"cpu": 6, "gpu": 10}  # of a stage: Python and torch, or a fork that has them, and the model
# The part of the time at fp32 that is bare products, of tokens that are read and of tokens that are written (a step has few).
# Measured on two cores with AVX-512, models of 0.1 to 1.8 B parameters: read 0.7 to 0.8, written 0.48 to 0.7, wide ones more.
CPU_SHARE = {"read": 0.75, "written": 0.45}
CPU_FACTOR = {"fp32": 1.0, "bf16": 1.0, "fp16": 1.05, "int8": 0.95, "nf4": 2.0}  # of a pass's time, measured
# Stages that load no model: seconds of each, for a reader, for a pair of readers. Measured on two cores.
CONCLUSIONS = {
    "check": (12.0, 0.0, 0.0),
    "roots": (1.0, 0.0, 0.0),
    "vectors": (8.0, 0.0, 0.0),
    "vectors_untrained": (8.0, 0.0, 0.0),
    "geometry": (4.0, 3.7, 0.0),
    "corpus": (3.0, 0.8, 0.0),
    "pairs": (3.0, 0.0, 0.14),
    "gram": (3.0, 0.15, 0.0),
    "imported": (3.0, 0.0, 0.0),
    "shared": (3.0, 0.0, 0.045),
    "human": (3.0, 0.3, 0.0),
    "choices": (3.0, 0.0, 0.035),
    "paper": (3.0, 0.0, 0.05),
    "writings": (12.0, 0.0, 0.0),
    "confounds": (13.0, 0.0, 0.0),
    **dict.fromkeys(("steering", "behaviour", "maturity", "claims", "headline"), (1.0, 0.0, 0.0)),
    "report": (5.0, 0.0, 0.0),
}
CPU_BESIDE = 1.6e9  # beside the weights: Python, torch, tables of the tokenizer, a batch
DRAWN = 6e7  # random weights a second, of one core; a GPU waits for each draw of an untrained twin
MEASURED = Path("benchmarks/results")  # a file for each card that `make gpu-check` ran on


@dataclass(frozen=True)
class Card:
    """What a GPU makes, by precision, with this pipeline. `measured`: on this card by `make gpu-check`; else assumed.

    `reading_flops`: operations a second of a reading with its results on disk. A pass of few tokens is bound by starting
    kernels, seconds per block: `block_seconds`; by `step_block_seconds` where a recorded step is replayed, or by the weights,
    of which `step_bytes_per_second` are read.
    """

    name: str
    measured: bool
    reading_flops: dict[str, float]
    block_seconds: dict[str, float]
    step_bytes_per_second: dict[str, float]
    step_block_seconds: dict[str, float]
    load_bytes_per_second: float

    def in_words(self) -> str:
        if self.measured:
            return f"an {self.name} (measured by make gpu-check)"
        return f"{self.name} (assumed, no card was measured: see pipeline/plan/costs.py)"


def _by_precision(fp32: float, half: float, int8: float, nf4: float) -> dict[str, float]:
    return {"fp32": fp32, "bf16": half, "fp16": half, "int8": int8, "nf4": nf4}


ASSUMED = Card(
    name="a GPU of the A100 kind",
    measured=False,
    reading_flops=_by_precision(10e12, 120e12, 60e12, 100e12),
    block_seconds=_by_precision(0.8e-3, 0.8e-3, 4e-3, 2e-3),
    step_bytes_per_second=_by_precision(0.5e12, 0.5e12, 0.2e12, 0.15e12),
    step_block_seconds=_by_precision(0.2e-3, 0.2e-3, 0.5e-3, 0.4e-3),
    load_bytes_per_second=1e9,
)


def cards() -> list[Card]:
    """The measured cards, by name; the numbers of `rates` of each file of MEASURED."""
    found = [json.loads(path.read_text()) for path in sorted(MEASURED.glob("*.json"))]
    return [Card(name=card["card"], measured=True, **card["rates"]) for card in found if "rates" in card]


def card(present: str | None) -> Card:
    """The card that times are estimated for: the one that is `present` in this machine (its name), if it was measured; else
    the first measured one; else one that is assumed."""
    known = cards()
    return next((c for c in known if c.name == present), known[0] if known else ASSUMED)


def download_bytes(entry: ModelEntry) -> float:
    """What the hub would send for an entry: its weights. 0 for a model that is not on the hub."""
    return 0.0 if entry.hub is None else entry.parameters * HUB_BYTES


def copy_bytes(entry: ModelEntry) -> float:
    """The dequantised copy of a GGUF file under `.scratch/`, fp32; 0 for a model of another source."""
    return 0.0 if entry.gguf is None else entry.parameters * BYTES["fp32"]


def weight_bytes(entry: ModelEntry, precision: str) -> float:
    """Weights in memory. Quantised: what is not an embedding at the bytes of the precision, the embeddings at two bytes; of an
    entry without `shape` all at the precision's."""
    embedding = min(entry.parameters, entry.shape.vocabulary * entry.shape.hidden) if entry.shape else 0.0
    return (entry.parameters - embedding) * BYTES[precision] + embedding * EMBEDDING_BYTES.get(precision, 2.0)


def gpu_bytes(entry: ModelEntry, precision: str, batch_tokens: int) -> float:
    """Memory on a GPU while reading: weights, a batch's states (twelve times hidden a token, four bytes: those of one block),
    and 1 GB for CUDA itself. Writing adds the head, where it is not tied, and the caches of its texts."""
    hidden = entry.shape.hidden if entry.shape else 0
    return weight_bytes(entry, precision) + 12.0 * hidden * 4 * batch_tokens + 1e9


def cpu_bytes(entry: ModelEntry, precision: str) -> float:
    """Peak memory of a stage on a CPU: of a model that is dequantised first, that (all weights in fp32 and 1.6 GB, measured on
    three models); else the weights and 1.6 GB, those of 16 bits as fp32, by which they are multiplied (bf16 where the CPU has
    no units for it: the most that it takes). A worker more takes little: all share the weights."""
    if entry.gguf is not None:
        return copy_bytes(entry) + CPU_BESIDE
    return weight_bytes(entry, "fp32" if precision in ("fp16", "bf16") else precision) + CPU_BESIDE


def reading_bytes(entry: ModelEntry, n_texts: int, n_positions: int) -> float:
    """One reading on disk before compression (a tenth to a quarter less with it): activations and input embeddings, float32."""
    if entry.shape is None:
        return 0.0
    return 4.0 * len(entry.draws) * n_texts * n_positions * (entry.shape.layers + 1) * entry.shape.hidden


def vector_bytes(entry: ModelEntry, n_precisions: int, n_positions: int, n_labels: int) -> float:
    """One group of vectors on disk before compression, float32."""
    if entry.shape is None:
        return 0.0
    shape = entry.shape
    return 4.0 * len(entry.draws) * n_precisions * len(VARIANTS) * n_positions * shape.layers * n_labels * shape.hidden


def cpu_seconds(entry: ModelEntry, precision: str, read: float, written: float, rates: Mapping[str, float]) -> float:
    """One stage on a CPU that makes `rates` operations a second of bare products, by precision, of others as of fp32: two
    operations per token and parameter, without the embeddings, which are looked up. Tokens that are `written`, unlike those
    that are `read`, are multiplied by the head, as large as these."""
    table = entry.shape.vocabulary * entry.shape.hidden if entry.shape else 0
    tables = 2 if entry.shape and entry.shape.tied is False else 1  # embeddings, and a head of its own
    blocks = entry.parameters - tables * table
    factor = len(entry.draws) * 2 * CPU_FACTOR[precision]
    operations = {"read": factor * read * blocks, "written": factor * written * (blocks + table)}
    products = sum(operations.values()) / rates.get(precision, rates["fp32"])
    rest = sum(n * (1 / CPU_SHARE[of] - 1) for of, n in operations.items()) / rates["fp32"]
    return START_SECONDS["cpu"] + products + rest


def conclusion_seconds(stage: str, n_readers: int) -> float:
    """One stage of CONCLUSIONS, with so many readers."""
    fixed, per_reader, per_pair = CONCLUSIONS[stage]
    return fixed + per_reader * n_readers + per_pair * n_readers * (n_readers - 1) / 2


def gpu_seconds(on: Card, entry: ModelEntry, precision: str, tokens: float, n_passes: float, n_steps: float = 0.0) -> float:
    """One stage on a GPU: start, loading or drawing weights, and what its passes and, where it writes, its steps take.

    `tokens` pass through in `n_passes`: the larger of what their arithmetic and their kernels' starts take. A step gives the
    next token of all texts that are written together.
    """
    layers = entry.shape.layers if entry.shape else 24
    looked_up = entry.shape.vocabulary * entry.shape.hidden if entry.shape else 0
    start = START_SECONDS["gpu"] + entry.parameters * HUB_BYTES / on.load_bytes_per_second
    arithmetic = tokens * 2 * (entry.parameters - looked_up) / on.reading_flops[precision]
    passes = max(arithmetic, n_passes * layers * on.block_seconds[precision])
    step = max(layers * on.step_block_seconds[precision], weight_bytes(entry, precision) / on.step_bytes_per_second[precision])
    drawn = entry.parameters / DRAWN if entry.untrained else 0.0
    return start + len(entry.draws) * (drawn + passes + n_steps * step)
