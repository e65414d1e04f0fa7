"""Check the pipeline on a GPU, and measure the card: `make gpu-check`.

    python -m benchmarks.gpu_check [--device cuda|cpu] [--small] [--results FOLDER] [--only SECTION ...]

Weights are random; nothing is fetched. Sections: `products` (bare products and copies), `reading` and `writing` (a model of
the shape of Llama 3.1 8B at every precision), `loading`, `exactness` (six tiny families at every precision against a CPU).
Prints a table each and writes FOLDER/<card>.json, from which `make plan` estimates times: by default that is
benchmarks/results, of a CPU and of small shapes a folder of scratch. Exits 1 where a section fails, or where the device does
not give what it must.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.gpu import card, exactness, page, reading, shapes, writing
from benchmarks.gpu.tiny import FAMILIES
from pipeline.errors import InputError
from pipeline.models import loading
from pipeline.reading.batches import BatchPlan
from pipeline.writing.sampling import Decoding

RESULTS = Path(__file__).parent / "results"
TRIED = Path(".scratch/gpu_check_tried")
"""Results of which no plan may make anything."""
BUDGETS = (1024, 4096, 8192, 16384, 32768)
SAMPLED = (0.9, 0.95)


class Check:
    """One run: the device, how large, and what was found."""

    def __init__(self, device: torch.device, small: bool) -> None:
        self.device, self.small = device, small
        self.out = Console(file=sys.stdout, highlight=False, width=160)
        self.found: dict[str, Any] = card.described(device) | {"failures": {}}

    def table(self, title: str, rows: list[dict[str, Any]]) -> None:
        grid = Table(*(rows[0] if rows else ()), title=title, title_justify="left", box=None, pad_edge=False)
        for row in rows:
            grid.add_row(*map(_short, row.values()))
        self.out.print(grid)

    def fail(self, section: str, words: str) -> None:
        self.found["failures"].setdefault(section, []).append(words)

    def model(self, precision: str, size: str = "8B") -> Any:
        """A model of true size, as it is loaded at a precision; or `int8_stock`."""
        dtype = loading.DTYPES.get(precision, torch.float16)  # of what is not quantised, too
        made = shapes.made(shapes.llama("tiny" if self.small else size), dtype, self.device)
        return shapes.fitted(made, precision, self.device)

    def products(self) -> None:
        """Bare products, operations a second, and copies, bytes a second."""
        n = 256 if self.small else 8192
        kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}
        self.found["products"] = {name: card.product_flops(dtype, self.device, n) for name, dtype in kinds.items()}
        self.found["copies"] = card.copied_bytes_per_second(self.device, 2**20 if self.small else 2**30)
        self.table("Products, operations a second; copies, bytes a second", [self.found["products"] | self.found["copies"]])

    def reading(self) -> None:
        """512 texts as long as our stories, at six positions of every layer."""
        n, rows = 12 if self.small else 512, []
        if "products" not in self.found:
            raise InputError("rates are shares of bare products, which were not measured here: --only products reading")
        peak = self.found["products"][page.PEAK]
        for precision in ("bf16", "fp16", "nf4", "int8_stock", "int8", "fp32"):
            model = self.model(precision)
            ids = shapes.texts(n, model.config.vocab_size, 100 if self.small else None)
            budgets = BUDGETS if precision == "bf16" and not self.small else BUDGETS[2:3]
            for plan in (*(BatchPlan(tokens, tokens) for tokens in budgets), BatchPlan(0, 1)):
                alone = plan.texts == 1
                if alone and not precision.startswith("int8"):
                    continue
                some = ids[: len(ids) // (32 if alone else 4 if precision == "fp32" else 1) or 1]
                rows.append({"precision": precision} | reading.measured(model.model, some, plan, self.device, peak))
            rows[-1] |= reading.dependence(model.model, ids[:64])
            self.table(f"Reading, {precision}", [row for row in rows if row["precision"] == precision])
            del model
            freed()
        self.found["reading"] = rows

    def writing(self) -> None:
        """64 texts of 128 tokens after as many prompts of 128 tokens, sampled."""
        rows: list[dict[str, Any]] = []
        for size, precision in product(("8B", "1B"), ("bf16", "nf4", "int8")):
            rows += self._written(size, precision)
            freed()
        self.table("Writing", [{k: row.get(k, "") for k in rows[0]} for row in rows])
        self.found["writing"] = rows

    def _written(self, size: str, precision: str) -> list[dict[str, Any]]:
        n, length, new = (4, 12, 8) if self.small else (64, 128, 128)
        model, decoding = self.model(precision, size), Decoding(*SAMPLED, new)
        generator = torch.Generator().manual_seed(2)
        prompts = torch.randint(3, model.config.vocab_size, (n, length), generator=generator).tolist()
        own = writing.ours(model, prompts, decoding, n, self.device)
        same = writing.independence(model, prompts, decoding, n, own.pop("tokens"))
        if same < 1:
            self.fail("writing", f"{size} at {precision}: {1 - same:.0%} of texts depend on their neighbours")
        known = {"size": size, "precision": precision}
        held = {"layers": model.config.num_hidden_layers, "weight_bytes": shapes.held_bytes(model)}
        rows = [known | {"way": "ours"} | own | {"as_beside_others": same} | held]
        for cache in ("dynamic", "static") if precision == "bf16" and size == "8B" else ():
            rows.append(known | {"way": f"generate, {cache}"} | writing.theirs(model, prompts, decoding, cache, self.device))
        return rows

    def loading(self) -> None:
        """Weights from a folder to the device, as a stage loads them: bytes a second, read from the host's file cache."""
        config = shapes.llama("tiny" if self.small else "8B", num_hidden_layers=2)
        model = shapes.made(config, torch.bfloat16, self.device)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            size = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
            del model
            freed()
            taken = card.seconds(
                lambda: loading._trained(Path(folder), "bf16", torch.bfloat16, self.device, Path(folder), True),
                self.device,
                times=1,
            )
        self.found["loading"] = {"bytes": size, "seconds": taken, "bytes_per_second": size / taken}
        self.table("Loading", [self.found["loading"]])

    def exactness(self) -> None:
        """Six families at every precision."""
        families = ["qwen2.5", "gemma-3"] if self.small else list(FAMILIES)
        n_texts, n_tokens = (3, 6) if self.small else (6, 16)
        rows = self.found["exactness"] = []
        for row in exactness.checked(self.device, families, exactness.PRECISIONS, n_texts, n_tokens):
            rows.append(row)
            for words in exactness.failures(row):
                self.fail("exactness", f"{row['family']} at {row['precision']}: {words}")
        for part in (exactness.READING, exactness.WRITING):
            self.table("Exactness", [{k: row[k] for k in ("family", "precision", *part)} for row in rows])

    def rates(self) -> dict[str, Any]:
        """What `pipeline.plan.costs` estimates times from, see its `Card`. Where a precision was not tried, the nearest."""
        read = {r["precision"]: r["flops"] for r in self.found["reading"] if r["batch_tokens"] == BUDGETS[2]}
        own = {(r["size"], r["precision"]): r for r in self.found["writing"] if r["way"] == "ours"}
        nearest = {"fp32": "bf16", "bf16": "bf16", "fp16": "bf16", "int8": "int8", "nf4": "nf4"}
        large = {p: own["8B", near] for p, near in nearest.items()}
        small = {p: own.get(("1B", near), large[p]) for p, near in nearest.items()}
        return {
            "reading_flops": {p: read[p] for p in nearest},
            "block_seconds": {p: r["prompt_seconds"] / r["layers"] for p, r in large.items()},
            "step_bytes_per_second": {p: r["weight_bytes"] / r["step_seconds"] for p, r in large.items()},
            "step_block_seconds": {p: r["step_seconds"] / r["layers"] for p, r in small.items()},
            "load_bytes_per_second": self.found["loading"]["bytes_per_second"],
        }


SECTIONS: dict[str, Callable[[Check], None]] = {
    name: getattr(Check, name) for name in ("products", "reading", "writing", "loading", "exactness")
}


def freed() -> None:
    """Give back the memory of what is no longer held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="small shapes and two families, as the tests run it")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    asked = parser.parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("error: torch sees no CUDA device; --device cpu --small tries the check without one", file=sys.stderr)
        return 1
    loading.quiet()
    check = Check(torch.device(asked.device), asked.small)
    results = asked.results or (TRIED if asked.small or asked.device == "cpu" else RESULTS)
    path = results / f"{re.sub('[^a-z0-9]+', '-', check.found['card'].lower())}.json"
    results.mkdir(parents=True, exist_ok=True)
    if path.exists() and len(asked.only) < len(SECTIONS):  # the other sections stay as they were
        check.found = json.loads(path.read_text()) | card.described(check.device)
    for name in asked.only:
        check.found["failures"].pop(name, None)
        start = time.perf_counter()
        try:
            SECTIONS[name](check)
        except InputError as error:
            check.fail(name, str(error))
        except Exception:  # the other sections are worth having
            traceback.print_exc()
            check.fail(name, traceback.format_exc().strip().splitlines()[-1])
        freed()
        check.out.print(f"{name}: {time.perf_counter() - start:.0f} s\n")
        if {"reading", "writing", "loading"} <= set(check.found):
            check.found["rates"] = check.rates()
        path.write_text(json.dumps(check.found, indent=1, sort_keys=True) + "\n")
    for name, failures in check.found["failures"].items():
        for words in failures:
            check.out.print(f"failed: {name}: {words}")
    check.out.print(f"wrote {path}")
    return 1 if check.found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
