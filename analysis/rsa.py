"""Stage `rsa`: every pair of conditions. Spearman's rho of their RDMs, on the same stories and across disjoint ones.
Table `rsa`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import polars as pl

from analysis import inference, layers
from analysis.conditions import Condition, Headline, Readout, readouts
from analysis.gram import Bools
from analysis.inference import Halves, Reliability
from pipeline import opening, store, tables
from pipeline.entries import load_entries
from pipeline.params import InputError, Params, load_params, run_stage

Row = dict[str, Any]
Rule = tuple[str, float | None]


@dataclass(frozen=True)
class Side:
    """One side of a pair under one layer rule."""

    layer: int | None
    halves: Halves | None
    reliability: Reliability | None
    reason: str | None


@dataclass(frozen=True)
class Candidate:
    """One condition at one position in one variant, with its side for every rule."""

    condition: Condition
    stimuli: list[str]
    n_stimuli: int
    unit: str
    n_units: int
    sides: dict[Rule, Side]


def candidate(readout: Readout, variant: str, chosen: pl.DataFrame, params: Params) -> Candidate:
    """Halves of one condition at every layer that a rule asks for. `chosen`: its rows of the table `layers`."""
    headline = Headline.of(readout, params.vectors.neutral_label)
    n_units = len(headline.design.units)
    known: dict[int, Side] = {}
    if n_units < inference.FEWEST_UNITS:
        first = None
    else:
        first = inference.halvings(n_units, params.geometry.halvings, params.geometry.seed)

    def at(layer: int | None) -> Side:
        if layer is None:
            return Side(None, None, None, "no layer has an estimate")
        if layer not in known:
            known[layer] = _side(readout, variant, layer, headline, first, params)
        return known[layer]

    whole = chosen.filter(pl.col("halving").is_null())
    sides: dict[Rule, Side] = {(rule, None): at(layer) for rule, layer in whole.select("layer_rule", "layer").iter_rows()}
    for depth in params.rsa.depths:
        sides[layers.DEPTH, depth] = at(layers.layer_at(depth, readout.n_layers))
    on_halves = chosen.filter(pl.col("halving").is_not_null()).sort("halving", "half")["layer"]
    sides[layers.CROSS_FITTED, None] = _cross_fitted([at(layer) for layer in on_halves])
    return Candidate(readout.condition, readout.stimuli, len(headline.rows), headline.design.unit_name, n_units, sides)


def _side(readout: Readout, variant: str, index: int, headline: Headline, first: Bools | None, params: Params) -> Side:
    layer = readout.layer(index, params.vectors.neutral_variance, (variant,))
    if layer.grams is None:
        return Side(index, None, None, layer.reason)
    if first is None:
        return Side(index, None, None, inference.TOO_FEW)
    try:
        halves = Halves.of(headline.cells(layer.grams[variant]), headline.design, first)
    except ValueError as error:
        return Side(index, None, None, f"{error}: too few stories of some label")
    return Side(index, halves, inference.reliability(halves), None)


def _cross_fitted(sides: list[Side]) -> Side:
    by_layer = {side.layer: side.halves for side in sides if side.layer is not None and side.halves is not None}
    if not sides or any(side.halves is None for side in sides):
        return Side(None, None, None, next((s.reason for s in sides if s.reason), inference.TOO_FEW))
    chosen = np.array([side.layer for side in sides], dtype=np.int64).reshape(-1, 2)
    halves = inference.cross_fitted(by_layer, chosen)
    return Side(None, halves, inference.reliability(halves), None)


def compare(a: Side, b: Side) -> Row:
    """The numbers of a pair; what cannot be formed is null, with the reason."""
    rhos = ("rho_same", "rho_same_half", "rho_cross", "reliability_a", "reliability_b", "ceiling", "rho_dis")
    row: Row = dict.fromkeys((*rhos, "reason"))
    row |= {"layer_a": a.layer, "layer_b": b.layer}
    if a.halves is None or b.halves is None or a.reliability is None or b.reliability is None:
        return row | {"reason": "; ".join(f"{n}: {s.reason}" for n, s in (("a", a), ("b", b)) if s.reason)}
    same = inference.rho_same(a.halves, b.halves)
    half = inference.rho_same_half(a.halves, b.halves)
    cross = inference.rho_cross(a.halves, b.halves)
    row |= {
        "rho_same": same if np.isfinite(same) else None,
        "rho_same_half": half if np.isfinite(half) else None,
        "rho_cross": cross if np.isfinite(cross) else None,
        "reliability_a": a.reliability.value if np.isfinite(a.reliability.value) else None,
        "reliability_b": b.reliability.value if np.isfinite(b.reliability.value) else None,
        "ceiling": inference.ceiling(a.reliability, b.reliability),
    }
    reasons = [f"{n}: {s.reliability.reason}" for n, s in (("a", a), ("b", b)) if s.reliability and s.reliability.reason]
    if reasons:
        return row | {"reason": "rho_dis: " + "; ".join(reasons)}
    return row | {"rho_dis": cross / sqrt(a.reliability.value * b.reliability.value)}


def grid(candidates: list[Candidate], keys: Row) -> list[Row]:
    """Rows of `rsa` for every pair of candidates under every rule."""
    rows = []
    for a, b in combinations(candidates, 2):
        if a.stimuli != b.stimuli:
            raise InputError(f"{a.condition} and {b.condition} read different stories; run `dvc repro`")
        for rule, depth in a.sides:
            compared = compare(a.sides[rule, depth], b.sides[rule, depth])
            if rule == layers.CROSS_FITTED and compared["rho_cross"] is not None:
                reasons = ("rho_same: a layer chosen on one half has no value on all stories", compared["reason"])
                compared["reason"] = "; ".join(filter(None, reasons))
            halves = a.sides[rule, depth].halves
            rows.append(
                {
                    **a.condition.keys("_a"),
                    **b.condition.keys("_b"),
                    **keys,
                    "layer_rule": rule,
                    "depth": depth,
                    "n_stimuli": a.n_stimuli,
                    "unit": a.unit,
                    "n_units": a.n_units,
                    "n_halvings": None if halves is None else len(halves.first),
                    **compared,
                }
            )
    return rows


def main(arguments: list[str]) -> None:
    params = load_params()
    chosen = opening.table("layers")
    candidates: dict[tuple[str, str], list[Candidate]] = {}
    for readout in readouts(params, load_entries(params)):
        for variant in store.VARIANTS:
            keys = readout.condition.keys() | {"position": readout.position, "variant": variant}
            own = chosen.filter(pl.col(key).eq_missing(pl.lit(value)) for key, value in keys.items())
            found = candidate(readout, variant, own, params)
            candidates.setdefault((readout.position, variant), []).append(found)
    rows: list[Row] = []
    for (position, variant), group in candidates.items():
        rows += grid(group, {"position": position, "variant": variant})
    tables.write_table("rsa", rows)


if __name__ == "__main__":
    run_stage(main)
