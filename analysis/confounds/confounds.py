"""Stage `confounds`: what lies between two ways to a geometry. The published comparisons under their own definitions; each
factor's share of the distance, with parts that sum; the variance that goes with each factor. Tables `confounds`,
`attributions`, `variance`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from analysis.confounds import factorial, shapley, variance
from analysis.confounds.cell_rdms import CellSections, Measuring, cell_of
from analysis.confounds.factorial import STORIES, Cell
from analysis.rsa import gram, names, parallel, rdm, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.params.confounds import ConfoundsSections
from pipeline.schemas.confounds import ATTRIBUTIONS, CONFOUNDS, VARIANCE
from pipeline.schemas.geometry import LAYERS
from pipeline.store import tables

Row = dict[str, Any]

# --- the published comparisons -------------------------------------------------------------------------------------------


class Params(CellSections, ConfoundsSections):
    """The sections that this stage loads."""


def published_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `confounds`: the published comparisons under their own definitions, reliability beside each side; and the bias
    of the comparison across experiments against that of precision."""
    rows: list[Row] = []
    for name, pair in params.confounds.published.items():
        a, b = (measuring.measured(cell_of(params.confounds.experiments[n], params)) for n in pair)
        row: Row = CONFOUNDS.blank()
        row |= {"model": measuring.model, "comparison": name, "experiment_a": pair[0], "experiment_b": pair[1]}
        row |= {"layer_a": a.layer, "layer_b": b.layer, "n_stimuli_a": a.n_stimuli, "n_stimuli_b": b.n_stimuli}
        if a.whole is not None and b.whole is not None:
            row["spearman"] = float(a.whole @ b.whole)
        found = [None if m.halves is None else split_half.reliability(m.halves) for m in (a, b)]
        for n, reliability in zip("ab", found, strict=True):
            row[f"reliability_{n}"] = reliability and finite_or_none(reliability.value)
            row[f"reliability_se_{n}"] = reliability and finite_or_none(reliability.se)
        one, other = found
        row["ceiling"] = None if one is None or other is None else split_half.ceiling(one, other)
        reasons = [f"{n}: {m.reason}" for n, m in zip("ab", (a, b), strict=True) if m.reason]
        row["reason"] = "; ".join(reasons) or None
        rows.append(row)
    return rows + ([bias_row(rows, *params.confounds.bias)] if params.confounds.bias else [])


def bias_row(rows: Sequence[Row], one: str, other: str) -> Row:
    """What comparison `one` says more than `other`: the difference of their rows' rhos, with its sign."""
    a, b = (next(row for row in rows if row["comparison"] == name) for name in (one, other))
    row: Row = CONFOUNDS.blank()
    row |= {"model": a["model"], "comparison": "bias", "experiment_a": one, "experiment_b": other}
    if a["spearman"] is not None and b["spearman"] is not None:
        row["spearman"] = a["spearman"] - b["spearman"]
    reasons = [f"{r['comparison']}: {r['reason']}" for r in (a, b) if r["reason"]]
    return row | {"reason": "; ".join(reasons) or None}


# --- shares that sum -----------------------------------------------------------------------------------------------------


def attribution_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `attributions`: for every pair of experiments, each factor's share of their distance, and the total."""
    rows: list[Row] = []
    for name_a, name_b in params.confounds.attributions:
        a, b = (cell_of(params.confounds.experiments[n], params) for n in (name_a, name_b))
        factors = factorial.factors_between(a, b)
        base: Row = ATTRIBUTIONS.blank() | {
            "model": measuring.model,
            "experiment_a": name_a,
            "experiment_b": name_b,
        }
        if not factors:
            rows.append(base | {"factor": "total", "reason": "the two experiments are the same"})
            continue
        rows += [base | row for row in share_rows(measuring, factorial.mixed(a, b, factors), factors)]
    return rows


def share_rows(measuring: Measuring, mixed: Sequence[Cell], factors: tuple[str, ...]) -> list[Row]:
    """Each factor's share of the distance from the first of the mixed cells to the last, and the total; null, with the reason,
    where a cell is missing or unreliable."""
    distinct = list(dict.fromkeys(mixed))
    measured = [measuring.measured(cell) for cell in distinct]
    why = _in_short([m.reason for m in measured])
    common: Row = {"n_cells": len(distinct), "n_factors": len(factors)}
    names = [*factors, "total"]
    known = [m.reliable for m in measured]
    if known[distinct.index(mixed[0])] is None or known[distinct.index(mixed[-1])] is None:
        return [common | {"factor": f, "reason": why} for f in names]
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


def _in_short(reasons: list[str | None]) -> str | None:
    """Why cells have no geometry to compare: how many, everything that is missing, and two of those that are noise."""
    lost = [r for r in reasons if r]
    noise = [r for r in dict.fromkeys(lost) if r.startswith("reliability")]
    said = [r for r in dict.fromkeys(lost) if r not in noise[2:]]
    more = f"; and {len(noise) - 2} more" if len(noise) > 2 else ""
    return f"{len(lost)} of {len(reasons)} cells: {'; '.join(said)}{more}" if lost else None


# --- variance ------------------------------------------------------------------------------------------------------------


def variance_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `variance`: of the comprehension of the stories, how much of the spread of RDMs goes with each factor."""
    levels = params.confounds.variance
    base: Row = VARIANCE.blank() | {"model": measuring.model}
    try:
        made = [_block_ranks(measuring, params, dict(zip(levels, at, strict=True))) for at in product(*levels.values())]
    except ValueError as error:
        return [base | {"factor": f, "n_levels": len(x), "reason": str(error)} for f, x in levels.items()]
    y = np.stack(made).reshape(*(len(x) for x in levels.values()), *made[0].shape)
    found = variance.variance_view(y, list(levels), params.confounds.permutations, params.geometry.seed)
    return [
        base
        | {
            "factor": f.factor,
            "n_levels": len(levels[f.factor]),  # type: ignore[index]
            "n_blocks": y.shape[-2],
            "share": f.share,
            "against_blocks": f.against_blocks,
            "p": f.p,
            "n_permutations": f.n_permutations,
            "reason": f.reason,
        }
        for f in found
    ]


def _block_ranks(measuring: Measuring, params: Params, at: dict[Any, str]) -> Floats:
    """Standardised ranks (B, P) of one cell of the factorial in each block of topics. Raises ValueError where it has none."""
    precision, position = at.get("precision", "fp32"), at.get("position", params.report.position)
    read = measuring.datasets(STORIES, None, "alone", precision)
    if read is None or position not in read["position"].values.tolist():
        raise ValueError(f"the stories were not read at {precision}, {position}")
    layer = measuring.layer(at.get("layer", names.CV), precision, read.sizes["layer"])
    if layer is None:
        raise ValueError(f"no {at.get('layer')} at {precision}")
    here = read.sel(position=position, layer=layer)
    if not here["finite"].values.all():
        raise ValueError(f"layer {layer} is not finite in some story at {precision}")
    labels, topics = ([str(x) for x in here[k].values] for k in ("emotion", "topic"))
    design, neutral = Design.of(labels, topics), params.vectors.neutral_label
    members = variance.blocks(len(design.units), params.confounds.blocks, params.geometry.seed)
    emotions = [i for i, e in enumerate(design.labels) if e != neutral]
    index = design.labels.index(neutral) if neutral in design.labels else None
    made = factorial.transform(emotions, index, at.get("baseline", "emotions"))
    sums = gram.cells(gram.gram(here["activation"].values), design)
    ranks = rdm.ranks(rdm.rdms(made(gram.label_products(sums, design, members))))
    if not np.isfinite(ranks).all():
        raise ValueError("a label's vector is zero in some block of topics")
    return ranks


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    chosen = tables.read_table(LAYERS).filter(pl.col("halving").is_null(), variant="centred", setting=STORIES)
    made: dict[str, list[Row]] = {"confounds": [], "attributions": [], "variance": []}
    for model in params.write.models:
        measuring = Measuring(model, chosen.filter(model=model), params)
        made["confounds"] += published_rows(measuring, params)
        made["attributions"] += attribution_rows(measuring, params)
        made["variance"] += variance_rows(measuring, params)
    for table in (CONFOUNDS, ATTRIBUTIONS, VARIANCE):
        tables.write_table(table, made[table.name])


if __name__ == "__main__":
    run_stage(main)
