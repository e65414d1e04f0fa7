"""Pairs of models as a population of lineages: models that descend from one another say one thing, not two."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from pipeline.models.entries import ModelEntry
from pipeline.params.geometry import INPUT_EMBEDDINGS

Row = dict[str, Any]
ESTIMATORS = ("rho_same", "rho_cross", "rho_dis")


def across(row: Row, entries: dict[str, ModelEntry]) -> bool:
    """Whether a row of `rsa` is a pair of trained models of different lineages, at one precision, by one method."""
    one, other = (entries.get(row[f"model_{n}"]) for n in "ab")
    if one is None or other is None or one.untrained or other.untrained or one.lineage == other.lineage:
        return False
    return bool(row["precision_a"] == row["precision_b"] and row["setting_a"] == row["setting_b"] != INPUT_EMBEDDINGS)


def summaries(rows: list[Row], entries: dict[str, ModelEntry]) -> list[Row]:
    """Rows of `lineages` from rows of `rsa`: lowest, median and highest value over the pairs across lineages, and what becomes
    of them without each lineage. Where a median has no pair left, it does not count."""
    keys = ("precision_a", "position", "variant", "layer_rule", "pairs")
    found = sorted((r for r in rows if across(r, entries)), key=lambda r: [str(r[k]) for k in keys])
    made = []
    for at, group in groupby(found, key=lambda r: [r[k] for k in keys]):
        members = list(group)
        named = dict(zip(("precision", *keys[1:]), at, strict=True))
        made += [named | {"estimator": e} | _summary(members, e, entries) for e in ESTIMATORS]
    return made


def _summary(members: list[Row], estimator: str, entries: dict[str, ModelEntry]) -> Row:
    known = [(r[estimator], {entries[r[f"model_{n}"]].lineage for n in "ab"}) for r in members if r[estimator] is not None]
    row: Row = dict.fromkeys(("lowest", "median", "highest"))
    row |= dict.fromkeys(("median_without_lineage_low", "median_without_lineage_high", "lowest_without_lineage_high", "reason"))
    lineages = sorted({name for _, both in known for name in both})
    row |= {"n_lineages": len(lineages), "n_pairs": len(known)}
    if not known:
        return row | {"reason": f"no pair across lineages has {estimator}"}
    values = np.array([value for value, _ in known])
    row |= {"lowest": float(values.min()), "median": float(np.median(values)), "highest": float(values.max())}
    left = [np.array([v for v, both in known if name not in both]) for name in lineages]
    left = [v for v in left if len(v)]
    if not left:
        return row | {"reason": "two lineages: without either there is no pair"}
    medians = [float(np.median(v)) for v in left]
    return row | {
        "median_without_lineage_low": min(medians),
        "median_without_lineage_high": max(medians),
        "lowest_without_lineage_high": max(float(v.min()) for v in left),
    }
