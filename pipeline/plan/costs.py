"""What a run would take: bytes to fetch, memory, disk and time, from entries and params alone. Estimates, with
every assumption named.

Weights on the hub and in memory are counted from the parameters of an entry; layers, hidden size and vocabulary from its
`shape`. Nothing is loaded or asked for.
"""

from __future__ import annotations

from pipeline.models.entries import ModelEntry
from pipeline.params.reading import QUANTISED
from pipeline.store.layout import VARIANTS

HUB_BYTES = 2  # a parameter as the hub has it: bf16, as all models of the profiles are published
BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "nf4": 0.5625}  # a parameter of a block; nf4 with its scales
EMBEDDING_BYTES = {"fp32": 4.0}  # embeddings and head are never quantised; 2 at every other precision
TOKENS_PER_CHARACTER = 0.24  # of English prose, over the tokenizers of the profiles
START_SECONDS = 10  # of a stage: Python, torch, the model
# What a CPU makes, in passes, of its rate in bare products: a step of a writing has few rows. Measured on two cores.
CPU_SHARE = {"reads": 0.62, "writes": 0.34}
CPU_FACTOR = {"fp32": 1.0, "bf16": 1.2, "fp16": 1.1, "int8": 1.1, "nf4": 2.0}  # time of a pass relative to fp32, measured
# A GPU, taken to be of the A100 kind: assumed, never measured here. Batched passes at 60 TFLOP/s (20 in fp32); a pass of one
# text, or of one step of a writing, is bound by starting kernels: milliseconds per block. Weights load at 1 GB/s.
GPU_FLOPS = {"fp32": 20e12, "bf16": 60e12, "fp16": 60e12, "int8": 60e12, "nf4": 60e12}
GPU_MS_PER_BLOCK = {"fp32": 0.8, "bf16": 0.8, "fp16": 0.8, "int8": 2.5, "nf4": 1.5}
GPU_MS_PER_TEXT_AND_BLOCK = 0.05  # of a step of a writing: each text has a cache, and an attention, of its own
LOAD_BYTES_PER_SECOND = 1e9
CPU_BESIDE = 1.6e9  # beside the weights: Python, torch, tables of the tokenizer, a batch


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
    tokens = 512 if precision in QUANTISED else batch_tokens  # one text at a time
    return weight_bytes(entry, precision) + 12.0 * hidden * 4 * tokens + 1e9


def cpu_bytes(entry: ModelEntry, precision: str) -> float:
    """Peak memory of a stage on a CPU: of a model that is dequantised first, that (all weights in fp32 and 1.6 GB, measured on
    three models); else the weights and 1.6 GB. A worker more takes little: all share the weights."""
    if entry.gguf is not None:
        return copy_bytes(entry) + CPU_BESIDE
    return weight_bytes(entry, "fp32" if precision == "fp16" else precision) + CPU_BESIDE  # fp16 is multiplied in fp32


def reading_bytes(entry: ModelEntry, n_texts: int, n_positions: int) -> float:
    """One reading on disk before compression (a tenth less with it): activations and input embeddings, float32."""
    if entry.shape is None:
        return 0.0
    return 4.0 * len(entry.draws) * n_texts * n_positions * (entry.shape.layers + 1) * entry.shape.hidden


def vector_bytes(entry: ModelEntry, n_precisions: int, n_positions: int, n_labels: int) -> float:
    """One group of vectors on disk before compression, float32."""
    if entry.shape is None:
        return 0.0
    shape = entry.shape
    return 4.0 * len(entry.draws) * n_precisions * len(VARIANTS) * n_positions * shape.layers * n_labels * shape.hidden


def cpu_seconds(entry: ModelEntry, precision: str, tokens: float, rate: float, kind: str = "reads") -> float:
    """One stage on a CPU that makes `rate` float operations a second of fp32 products: two operations per token and parameter,
    without the embeddings, which are looked up. One that `writes` multiplies by the head, as large as these."""
    table = entry.shape.vocabulary * entry.shape.hidden if entry.shape else 0
    tables = 2 if entry.shape and entry.shape.tied is False else 1  # embeddings, and a head of its own
    multiplied = entry.parameters - tables * table + (table if kind == "writes" else 0)
    operations = len(entry.draws) * tokens * 2 * multiplied * CPU_FACTOR[precision]
    return START_SECONDS + operations / (CPU_SHARE[kind] * rate)


def gpu_seconds(entry: ModelEntry, precision: str, tokens: float, n_passes: float, texts_per_pass: float = 0.0) -> float:
    """One stage on a GPU: start, loading, and the larger of what its passes' arithmetic and their kernels' starts take.

    `texts_per_pass`: of a writing, the texts whose next token a pass gives.
    """
    layers = entry.shape.layers if entry.shape else 24
    start = START_SECONDS + entry.parameters * HUB_BYTES / LOAD_BYTES_PER_SECOND
    each = layers * (GPU_MS_PER_BLOCK[precision] + texts_per_pass * GPU_MS_PER_TEXT_AND_BLOCK) / 1e3
    arithmetic = tokens * 2 * entry.parameters / GPU_FLOPS[precision]
    return start + len(entry.draws) * max(arithmetic, n_passes * each)
