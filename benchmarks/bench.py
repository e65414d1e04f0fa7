"""How fast, in how much memory and how exactly do we read, beside transformers alone and three peers? One table.

    python -m benchmarks.bench [--stories N] [--rounds N]        (make bench: with the peers)

The real 135M model at fp32 on a CPU, one thread, the same token ids for all, our batches, sorted by length, for all that take
batches. Ways take turns within a round, so that what else the machine does falls on all alike; a ratio is the median over
rounds of a way's time over ours in the same round. Times are seconds of this process on the CPU, which a busy machine changes
little.

- tokens/s: real tokens, padding not counted; the median round.
- transformers stands there with its head, as most people load a model, and without it: ours has none, so that one is like ours.
- of GEMM: the blocks' matrix products alone, measured in the same rounds at the model's shapes on 1,024 rows by the faster of
  torch's and ours, as a share of a way's time. What a way does beside them (a head, norms, attention, padding) lowers it.
- memory: the highest resident memory of a fork that reads all the stories, above what it held with the weights before.
- error: the largest relative distance of a pooled state from a float64 decoder (tests/reference.py) over three stories; of all
  layers but the last, and of the last, which in `output_hidden_states` is after the final norm.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks import ways
from benchmarks.backends import NAME, spread
from benchmarks.ways import OURS, PADDED, Batches, Reader, Way
from pipeline.errors import run_stage
from pipeline.models import cpu_arithmetic, loading
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.reading import Position
from pipeline.params.whole import Params
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from pipeline.texts import stimuli
from tests.reference import residual_stream

STORIES, ROUNDS, EXACT, ROWS = 32, 5, 3, 1024
FASTER, OF_GEMM, MEMORY = 1.5, 0.8, 0.3
"""Targets: times the fastest peer's speed; the share of GEMM; memory over that of padded batches."""
POSITIONS = {"last": Position(rule="last"), "mean0": Position(rule="mean")}


class Row(NamedTuple):
    """One way: time over ours, tokens/s, share of GEMM, bytes above the weights, errors before the last layer, and at it."""

    name: str
    ratio: float
    rate: float
    of_gemm: float
    memory: int
    error: float
    last_error: float


def seconds(call: Callable[[], object]) -> float:
    """Of this process on the CPU."""
    start = time.process_time()
    call()
    return time.process_time() - start


def products(blocks: nn.ModuleList, rows: int) -> dict[str, Callable[[], None]]:
    """All the blocks' matrix products on `rows` rows, by torch's and by our arithmetic, a shape as often as it stands there."""
    shapes = Counter(tuple(m.weight.shape) for m in blocks.modules() if isinstance(m, nn.Linear))
    given = {shape: (torch.ones(rows, shape[1]), torch.ones(*shape)) for shape in shapes}
    laid = {shape: cpu_arithmetic.laid_out(weight) for shape, (_, weight) in given.items()}

    def by_torch() -> None:
        for shape, times in shapes.items():
            for _ in range(times):
                nn.functional.linear(*given[shape])

    def by_ours() -> None:
        for shape, times in shapes.items():
            for _ in range(times):
                cpu_arithmetic.product(given[shape][0], laid[shape], None)

    return {"torch": by_torch, "ours": by_ours}


def peak_above(way: Way, batches: Batches) -> int:
    """The highest resident memory, in bytes, of a fork of this process that reads `batches`, above what it begins with.

    Raises RuntimeError where the fork ends without an answer.
    """
    here, there = os.pipe()
    if not (child := os.fork()):
        try:
            ctypes.CDLL(None).malloc_trim(0)  # or a way would fill what others freed, and seem to need nothing
            Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew (proc(5))
            before = _status("VmRSS")
            way(batches)
            os.write(there, str(_status("VmHWM") - before).encode())
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    if not said:
        raise RuntimeError("a way to read ended without an answer")
    return int(said)


def _status(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def exact(body: nn.Module, reader: Reader, texts: Sequence[int]) -> np.ndarray:
    """Pooled states of some texts by a decoder in float64: (text, position, layer, hidden)."""
    made = []
    for i in texts:
        states = residual_stream(body, reader.ids[i])[:, reader.first(i) :]
        spans = [p.span(states.shape[1]) for p in reader.positions]
        made.append(np.stack([states[:, a:b].mean(axis=1) for a, b in spans]))
    return np.stack(made)


def errors(states: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """The largest relative distance over all layers but the last, and at the last."""
    off = np.linalg.norm(states - true, axis=-1) / np.linalg.norm(true, axis=-1)
    return float(off[..., :-1].max()), float(off[..., -1].max())


def measure(
    found: dict[str, Way], body: nn.Module, reader: Reader, batches: Batches, rounds: int = ROUNDS, rows: int = ROWS
) -> list[Row]:
    """A row for each way, `OURS` first. `body`: of plain linear maps, whose shapes and float64 states are taken."""
    some = list(range(min(EXACT, len(reader.ids))))
    true = exact(body, reader, some)
    off = {name: errors(way([some]), true) for name, way in found.items()}
    peaks = {name: peak_above(way, batches) for name, way in found.items()}
    multiply = products(residual.blocks(body), rows)
    times: dict[str, list[float]] = {name: [] for name in (*found, *(f"gemm {name}" for name in multiply))}
    for _ in range(rounds):
        for name, way in found.items():
            times[name].append(seconds(lambda way=way: way(batches)))  # type: ignore[misc]
        for name, call in multiply.items():
            times[f"gemm {name}"].append(seconds(call))
    tokens = sum(len(reader.ids[i]) for batch in batches for i in batch)
    per_token = min(statistics.median(times[f"gemm {name}"]) for name in multiply) / rows
    made = []
    for name in found:
        taken = statistics.median(times[name])
        ratio = statistics.median(a / b for a, b in zip(times[name], times[OURS], strict=True))
        made.append(Row(name, ratio, tokens / taken, per_token * tokens / taken, peaks[name], *off[name]))
    return made


def show(rows: Sequence[Row]) -> None:
    print(f"{'way':34} {'x our time':>10} {'tokens/s':>9} {'of GEMM':>8} {'memory':>8} {'error':>8} {'last layer':>10}")
    for r in rows:
        print(
            f"{r.name:34} {r.ratio:10.2f} {r.rate:9.0f} {r.of_gemm:8.0%} {r.memory / 1e6:5.0f} MB {r.error:8.0e}"
            f" {r.last_error:10.0e}"
        )


def judged(rows: Sequence[Row]) -> list[str]:
    """Each target with what was reached; a missed one with its size."""
    ours = next(r for r in rows if r.name == OURS)
    fastest = min((r for r in rows if r.name != OURS), key=lambda r: r.ratio)
    share = ours.memory / next(r.memory for r in rows if r.name == PADDED)
    return [
        verdict(f"{fastest.ratio:.2f} x as fast as the fastest other ({fastest.name})", FASTER, fastest.ratio, "{:.2f}"),
        verdict(f"{ours.of_gemm:.0%} of the GEMM rate", OF_GEMM, ours.of_gemm, "{:.0%}"),
        verdict(f"{share:.0%} of the memory of padded batches", MEMORY, share, "{:.0%}", most=True),
    ]


def verdict(reached: str, target: float, value: float, form: str, most: bool = False) -> str:
    met = value <= target if most else value >= target
    return f"{reached}; target {form.format(target)}: {'met' if met else f'MISSED by {form.format(abs(value - target))}'}"


def opened(folder: Path) -> tuple[Any, Any]:
    """transformers' own model with its head at fp32, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    return model, AutoTokenizer.from_pretrained(folder)


def run(
    body: nn.Module, folder: Path, ids: Sequence[list[int]], skip: int, plan: BatchPlan, rounds: int, rows: int
) -> list[Row]:
    """Measure every way that there is, print the table and what was not measured, and return its rows. `body`: ours, loaded as
    a stage loads it."""
    reader = Reader(ids, list(POSITIONS.values()), skip)
    model, tokenizer = opened(folder)
    found = {OURS: ways.ours(body, reader), **ways.plain(model, reader)}
    others, lacking = ways.peers(folder, model, tokenizer, reader)
    found |= others
    shortest = min(range(len(ids)), key=lambda i: len(ids[i]))
    for way in found.values():
        way([[shortest]])  # what a library sets up at its first call is no part of reading
    made = measure(found, model.get_decoder(), reader, plan.batches([len(text) for text in ids]), rounds, rows)
    show(made)
    for name, why in lacking.items():
        print(f"{name:34} {why}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="reading speed, memory and exactness, beside peers")
    parser.add_argument("--stories", type=int, default=STORIES, help="how many, over all labels and topics (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="in which every way takes its turn (%(default)s)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    params, entry = Params.load(), load_entry(NAME)
    frame = stimuli.load(params.readings["stories"])
    frame = frame[spread(frame["emotion"].to_list(), frame["topic"].to_list(), asked.stories)]
    model = loading.load(NAME, entry, "fp32", torch.device("cpu"))
    ids, bos = residual.tokenise(frame["text"].to_list(), model.tokenizer, entry.bos, "native")
    plan = BatchPlan.of(params, "fp32", torch.device("cpu"))
    print(f"{NAME}, fp32, one thread: {len(ids)} stories, {sum(map(len, ids))} tokens, {asked.rounds} rounds")
    made = run(model.body, loading.locate(entry, MODELS / f"{NAME}.yaml"), ids, int(bos), plan, asked.rounds, ROWS)
    print("\n".join(judged(made)))
    sys.stdout.flush()


if __name__ == "__main__":
    run_stage(lambda _arguments: main())
