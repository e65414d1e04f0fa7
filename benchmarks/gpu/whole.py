"""A run of a profile on a card, beside the same run on a CPU: how long its stages took, and how far its results lie apart.

    python -m benchmarks.gpu.whole CARD CHECKOUT COURSE... [--beside CHECKOUT] [--results FOLDER]

CARD names a file of `benchmarks/results/`; CHECKOUT is where it ran; COURSE is what `make repro` printed there, each line after
the second at which it came (`make repro | ts %.s`), in several files where it was stopped and went on. Beside it stands another
checkout, this one by default, with the same profile's data of a CPU. Writes FOLDER/<CARD>.json, for `docs/gpu.md`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.base import PARAMS
from pipeline.plan import check, costs, repro, stages, workload
from pipeline.store import layout

RESULTS = costs.MEASURED / "whole"
SECOND = re.compile(r"^(\d+\.?\d*) (.*)")
TOLD = ("text", "reply")  # columns with what a model wrote

Row = dict[str, Any]


def seconds(course: Iterable[str]) -> dict[str, float]:
    """Seconds of every stage that ran from its first line to the lock's; of one that was stopped nothing is known."""
    found, running, began = dict[str, float](), "", 0.0
    for line in course:
        if (timed := SECOND.match(line)) is None:
            continue
        now, said = float(timed[1]), timed[2]
        if (begins := repro.LINE.match(said)) and begins["runs"]:
            running, began = begins["stage"], now
        elif said.startswith("Updating lock file") and running:
            found[running] = now - began
            running = ""
    return found


def by_kind(took: dict[str, float], planned: dict[str, float]) -> list[Row]:
    """The stages of each kind: how many, seconds in all, and what the plan says of them (null where that is of all conclusions
    together)."""
    rows = []
    for kind in dict.fromkeys(map(stages.kind, took)):
        own = [name for name in took if stages.kind(name) == kind]
        said = sum(planned[name] for name in own) if all(name in planned for name in own) else None
        rows.append({"kind": kind, "stages": len(own), "seconds": sum(took[name] for name in own), "planned": said})
    return rows


def planned(card: str) -> dict[str, float]:
    """Seconds that the plan gives each stage which loads a model, on the card of a file of `costs.MEASURED`."""
    found = check.inputs(PARAMS)
    on = costs.card(json.loads((costs.MEASURED / f"{card}.json").read_text(encoding="utf-8"))["card"])
    work = workload.of(found.params, found.entries, found.texts, len(found.labels))
    return {w.stage: w.gpu(found.entries[w.model], on) for w in work}


def vectors(card: Path, cpu: Path) -> Iterator[Row]:
    """How far a model's vectors on a card lie from a CPU's, and these from the CPU's own at fp32. Over layers that are finite
    on both: the largest norm (Frobenius) of the difference, relative to the other's, and the lowest rank correlation of the
    cosine distances of all labels."""
    for model, tree in opening.vectors(card).children.items():
        for method in tree.children:
            here, there = (opening.vectors_of(model, method, root).sel(variant="centred").load() for root in (card, cpu))
            for precision in map(str, here.precision.values):
                for position in map(str, here.position.values):
                    of = {"precision": precision, "position": position}
                    a, b = (_layers(x, **of) for x in (here, there))
                    row = {"model": model, "method": method, **of, "layers": len(a)}
                    row |= {"finite": int(_finite(a).sum()), "finite_cpu": int(_finite(b).sum())}
                    row |= _apart(a, b, "")
                    if precision != "fp32":
                        row |= _apart(b, _layers(there, precision="fp32", position=position), "_fp32")
                    yield row


def _layers(dataset: xr.Dataset, **of: str) -> np.ndarray:
    """Vectors (layer, emotion, hidden); of a twin those of all its draws, one after the other."""
    values: np.ndarray = dataset.vector.sel(of).transpose(..., "layer", "emotion", "hidden").values
    return values.reshape(-1, *values.shape[-2:])


def _finite(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.isfinite(vectors).all(axis=(1, 2))
    return found


def _apart(a: np.ndarray, b: np.ndarray, name: str) -> Row:
    """Of vectors (layer, emotion, hidden); null where no layer is finite on both."""
    pairs = [(x.astype(np.float64), y.astype(np.float64)) for x, y, ok in zip(a, b, _finite(a) & _finite(b), strict=True) if ok]
    if not pairs:
        return {f"apart{name}": None, f"correlation{name}": None}
    return {
        f"apart{name}": max(float(np.linalg.norm(x - y) / np.linalg.norm(y)) for x, y in pairs),
        f"correlation{name}": min(float(spearmanr(pdist(x, "cosine"), pdist(y, "cosine")).statistic) for x, y in pairs),
    }


def texts(card: Path, cpu: Path) -> Iterator[Row]:
    """How many of the texts that a model wrote on a card are, to the letter, those of a CPU: by what they were written for."""
    for folder in (layout.WRITINGS, layout.STEERED, layout.TRANSCRIPTS):
        for path in sorted((card / folder).rglob("*.parquet")):
            a, b = (pl.read_parquet(root / path.relative_to(card)) for root in (card, cpu))
            column = next(name for name in TOLD if name in a.columns)
            if a.height != b.height:
                raise InputError(
                    f"{path}: {a.height} texts, and {b.height} in {cpu}: not the same profile, or a run that stopped"
                )
            model, precision, *setting = path.relative_to(card / folder).with_suffix("").parts
            yield {
                "for": folder.name,
                "model": model,
                "precision": precision,
                "setting": "".join(setting),
                "texts": a.height,
                "same": int(a[column].eq_missing(b[column]).sum()),  # of no text, too
            }


def layers(card: Path, cpu: Path) -> Iterator[Row]:
    """How many of the layers that rules choose on all topics are the same, by precision."""
    kept = ["model", "seed", "method", "setting", "position", "variant", "layer_rule"]
    a, b = (
        opening.table("layers", root).filter(pl.col("halving").is_null(), pl.col("precision").is_not_null())
        for root in (card, cpu)
    )
    both = a.join(b, on=["precision", *kept], nulls_equal=True, suffix="_cpu")
    same = pl.col("layer").eq_missing(pl.col("layer_cpu")).sum().alias("same")
    yield from both.group_by("precision", maintain_order=True).agg(pl.len().alias("layers"), same).iter_rows(named=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("course", type=Path, nargs="+")
    parser.add_argument("--beside", type=Path, default=Path())
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    took = seconds(line for path in asked.course for line in path.read_text(encoding="utf-8").splitlines())
    attributes = next(iter(opening.vectors(asked.checkout).children.values())).attrs
    found = {
        "device": attributes["device"],
        "versions": {name.removesuffix("_version"): v for name, v in attributes.items() if name.endswith("_version")},
        "took": by_kind(took, planned(asked.card)),
        "vectors": list(vectors(asked.checkout, asked.beside)),
        "texts": list(texts(asked.checkout, asked.beside)),
        "layers": list(layers(asked.checkout, asked.beside)),
    }
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / f"{asked.card}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
