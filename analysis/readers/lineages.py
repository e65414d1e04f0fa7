"""Pairs of models as a population of lineages: models that descend from one another say one thing, not two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from analysis.readers.kinds import TWO_LINEAGES
from analysis.rsa import new_lineage, simultaneous, split_half
from analysis.rsa.new_lineage import Predicted
from pipeline.models.entries import ModelEntry
from pipeline.schemas.pairs import LINEAGES

Row = dict[str, Any]
ESTIMATORS = ("rho_same", "rho_cross", "rho_dis")


def summaries(
    pairs: list[Row], entries: dict[str, ModelEntry], ceilings: dict[str, dict[str, tuple[float, float]]], seed: int
) -> list[Row]:
    """Rows of `lineages` from rows of `pairs`: what the pairs of two lineages at one precision have in common.

    `ceilings`: by precision and estimator, the bounds of the noise ceiling, where there is one."""
    own = [r for r in pairs if r["kind"] == TWO_LINEAGES and r["precision_a"] == r["precision_b"]]
    made = []
    for precision, group in groupby(sorted(own, key=lambda r: str(r["precision_a"])), key=lambda r: r["precision_a"]):
        members = list(group)
        for estimator in ESTIMATORS:
            low, high = ceilings.get(precision, {}).get(estimator, (None, None))
            row = summary(members, estimator, entries, seed) | {"ceiling_low": low, "ceiling_high": high}
            made.append(LINEAGES.blank() | {"precision": precision, "estimator": estimator} | row)
    return made


def summary(members: list[Row], estimator: str, entries: dict[str, ModelEntry], seed: int) -> Row:
    """Lowest, median and highest of one number, and what becomes of the median without each lineage."""
    known = [r for r in members if r[estimator] is not None]
    both = [{entries[r[f"model_{s}"]].lineage for s in "ab"} for r in known]
    names = sorted({name for pair in both for name in pair})
    row: Row = {"n_lineages": len(names), "n_pairs": len(known), "n_unknown": len(members) - len(known)}
    if not known:
        return row | {"reason": f"no pair across lineages has {estimator}"}
    values = np.array([r[estimator] for r in known])
    row |= {"lowest": float(values.min()), "median": float(np.median(values)), "highest": float(values.max())}
    if estimator == "rho_dis":
        row |= ends_of_lowest(members, seed) | of_new(members, entries)
    left = [values[[name not in pair for pair in both]] for name in names]
    medians = [float(np.median(v)) for v in left if len(v)]
    if not medians:
        return row | {"reason": "two lineages: without either there is no pair"}
    return row | {"median_without_lineage_low": min(medians), "median_without_lineage_high": max(medians)}


def ends_of_lowest(members: Sequence[Row], seed: int) -> Row:
    """The ends of the simultaneous interval of the lowest rho_dis."""
    found = lowest(members, "rho_dis", seed)
    return {} if found is None else {"lowest_low": found.low, "lowest_high": found.high}


def lowest(members: Sequence[Row], name: str, seed: int) -> simultaneous.Lowest | None:
    """The lowest of a number of rows of `pairs` that has a jackknife there, with its simultaneous interval."""
    t = max((len(r[f"{name}_jackknife"] or ()) for r in members), default=0)
    if t == 0:
        return None
    values = np.array([np.nan if r[name] is None else r[name] for r in members], dtype=np.float64)
    without = np.stack([r[f"{name}_jackknife"] or np.full(t, np.nan) for r in members], axis=1)
    return simultaneous.lowest(values, np.asarray(without, dtype=np.float64), seed)


def predicted(members: Sequence[Row], entries: dict[str, ModelEntry]) -> tuple[Predicted | None, int]:
    """What a lineage that nobody has read would show, from rho_dis of pairs of two lineages; and how many lineages there are.
    None where two of them have no number: a lineage that agrees with none is no reason to be the surer.

    The standard error over topics of the mean, which all pairs share, counts beside the spread of the lineages."""
    known = [r for r in members if _is_known(r)]
    sides = [[entries[r[f"model_{s}"]].lineage for r in members] for s in "ab"]
    values = np.array([r["rho_dis"] if _is_known(r) else np.nan for r in members], dtype=np.float64)
    matrix, names = new_lineage.of_lineages(values, *sides)
    if not known:
        return None, len(names)
    mean = np.array([r["rho_dis_jackknife"] for r in known], dtype=np.float64).mean(axis=0)
    return new_lineage.predict(matrix, split_half.jackknife_se(mean)), len(names)


def _is_known(row: Row) -> bool:
    return row["rho_dis"] is not None and row["rho_dis_jackknife"] is not None


def of_new(members: Sequence[Row], entries: dict[str, ModelEntry]) -> Row:
    """The prediction interval, as the table has it."""
    found, _ = predicted(members, entries)
    if found is None:
        return {}
    return {"new_lineage": found.mean, "new_lineage_low": found.pair_low, "new_lineage_high": found.pair_high}
