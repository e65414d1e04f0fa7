"""Stage `confounds`: what lies between two ways to a geometry. The published comparisons under their own definitions, and each
factor's share of the distance, in parts that sum. Table `confounds`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from analysis.confounds import factorial, shapley
from analysis.confounds.cell_rdms import CellSections, Measured, Measuring, cell_of
from analysis.confounds.factorial import STORIES, Cell
from analysis.rsa import floor, pairwise, parallel, rdm, split_half
from analysis.rsa.gram import Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.params.confounds import ConfoundsSections
from pipeline.schemas.confounds import CONFOUNDS, TOTAL
from pipeline.store import tables

Row = dict[str, Any]


class Params(CellSections, ConfoundsSections):
    """The sections that this stage loads."""


def pair_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `confounds`: for every two experiments that are compared, each factor's share of their distance, and the total,
    where the two stand side by side as published. A model that does not write has those of which both read the stories."""
    comparisons = {tuple(pair): name for name, pair in params.confounds.published.items()}
    rows: list[Row] = []
    for pair in dict.fromkeys([*comparisons, *map(tuple, params.confounds.attributions)]):
        sources = {params.confounds.experiments[name].source for name in pair}
        if sources != {STORIES} and measuring.model not in params.write.models:
            continue
        a, b = (cell_of(params.confounds.experiments[name], params) for name in pair)
        factors = factorial.factors_between(a, b)
        shares: list[Row] = [{"factor": TOTAL, "reason": "the two experiments are the same"}]
        if factors:
            shares = share_rows(measuring, factorial.mixed(a, b, factors), factors)
        base = CONFOUNDS.blank() | {"model": measuring.model, "comparison": comparisons.get(pair)}
        base |= {"experiment_a": pair[0], "experiment_b": pair[1]}
        both = side_by_side(measuring, a, b)
        rows += [base | row | (both if row["factor"] == TOTAL else {}) for row in shares]
    return rows


def side_by_side(measuring: Measuring, one: Cell, other: Cell) -> Row:
    """The published comparison of two experiments under its own definition, with each side's reliability; and the reason where
    a side is not to be read."""
    a, b = (measuring.measured(cell) for cell in (one, other))
    row: Row = {"layer_a": a.layer, "layer_b": b.layer, "n_stimuli_a": a.n_stimuli, "n_stimuli_b": b.n_stimuli}
    if a.whole is not None and b.whole is not None:
        row["spearman"] = float(a.whole @ b.whole)
        wanted, seed = measuring.params.rsa.permutations, measuring.params.geometry.seed
        row["permuted_95"] = reached_by_chance(a.whole, b.whole, wanted, seed)
    found = [None if m.halves is None else split_half.reliability(m.halves) for m in (a, b)]
    for n, reliability in zip("ab", found, strict=True):
        row[f"reliability_{n}"] = reliability and finite_or_none(reliability.value)
        row[f"reliability_se_{n}"] = reliability and finite_or_none(reliability.se)
    row["ceiling"] = None if found[0] is None or found[1] is None else split_half.ceiling(found[0], found[1])
    reasons = [f"{n}: {m.reason}" for n, m in zip("ab", (a, b), strict=True) if m.reason]
    return row | ({"reason": "; ".join(reasons)} if reasons else {})


def reached_by_chance(a: Floats, b: Floats, wanted: int, seed: int) -> float:
    """95% quantile of Spearman's rho of two RDMs, given by their standardised ranks (P,), over `wanted` permutations of the
    labels of one: so high do unrelated geometries come."""
    n_labels = round((1 + np.sqrt(1 + 8 * len(a))) / 2)
    order = pairwise.label_permutations(n_labels, wanted, seed)
    whole = np.zeros((n_labels, n_labels))
    i, j = rdm.pairs(n_labels)
    whole[i, j] = whole[j, i] = b
    return float(floor.quantile(whole[order[:, i], order[:, j]] @ a, 0.95))


def share_rows(measuring: Measuring, mixed: Sequence[Cell], factors: tuple[str, ...]) -> list[Row]:
    """Each factor's share of the distance from the first of the mixed cells to the last, and the total; null, with the reason,
    where a cell is missing or unreliable."""
    distinct = list(dict.fromkeys(mixed))
    measured = [measuring.measured(cell) for cell in distinct]
    why = _in_short([m.reason for m in measured])
    common: Row = {"n_cells": len(distinct), "n_factors": len(factors)}
    names = [*factors, TOTAL]
    known = [m.reliable for m in measured]
    if known[distinct.index(mixed[0])] is None or known[distinct.index(mixed[-1])] is None:
        return [common | {"factor": f, "reason": why} for f in names]
    if in_part := shared_in_part(measuring, distinct, measured):
        return [common | {"factor": f, "reason": in_part} for f in names]
    found = factorial.distances(known, [m.units for m in measured])
    distance, without = found.among([distinct.index(cell) for cell in mixed])
    made = shapley.attribute(distance, without, factors)
    ends = [*made.interval().tolist(), list(made.total_interval())]
    values = [*zip(made.shares.tolist(), made.se.tolist(), strict=True), (made.total, made.total_se)]
    return [
        common
        | {
            "factor": factor,
            "share": finite_or_none(value),
            "se": finite_or_none(se),
            "ci_low": finite_or_none(low),
            "ci_high": finite_or_none(high),
            "dof": made.dof,
            "reason": None if np.isfinite(value) else why or made.reason,
        }
        for factor, (value, se), (low, high) in zip(names, values, ends, strict=True)
    ]


def shared_in_part(measuring: Measuring, cells: Sequence[Cell], measured: Sequence[Measured]) -> str | None:
    """Why reliable cells cannot be held against each other: their texts have some prompts in common and not all. A half of one
    would hold prompts of the other's, and agree with it in these; halves can only be paired where all are the same."""
    settings = measuring.params.write.settings
    written = [
        (settings[c.source].prompts, m.units)
        for c, m in zip(cells, measured, strict=True)
        if c.source != STORIES and m.reliable
    ]
    for (a, one), (b, other) in combinations(dict.fromkeys(written), 2):
        if a == b and (both := set(one) & set(other)):
            return (
                f"{len(both)} prompts of the set {a} are asked for both texts, {len({*one, *other}) - len(both)} for one alone:"
                " their halves are not independent"
            )
    return None


def _in_short(reasons: list[str | None]) -> str | None:
    """Why cells have no geometry to compare: how many, everything that is missing, and two of those that are noise."""
    lost = [r for r in reasons if r]
    noise = [r for r in dict.fromkeys(lost) if r.startswith("reliability")]
    said = [r for r in dict.fromkeys(lost) if r not in noise[2:]]
    more = f"; and {len(noise) - 2} more" if len(noise) > 2 else ""
    return f"{len(lost)} of {len(reasons)} cells: {'; '.join(said)}{more}" if lost else None


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    made: list[Row] = []
    for model in params.write.models or params.read.models:  # where nobody writes, the stories can be read in two ways still
        made += pair_rows(Measuring(model, params), params)
    tables.write_table(CONFOUNDS, made)


if __name__ == "__main__":
    run_stage(main)
