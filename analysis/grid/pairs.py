"""Stage `rsa`: every pair of readers. Spearman's rho of their RDMs, on the same stories and across disjoint ones, with
intervals, a permutation test and controls for valence. Tables `rsa`, `intervals`, `lineages`, `noise_ceiling`."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from analysis.readers import lineages
from analysis.readers.pattern_sets import IN_FULL, HalfRdms, PairSections, Plan, ReaderGrams, Rule, half_rdms, reader_grams
from analysis.readers.readers import Reader, readouts
from analysis.rsa import names, pairwise, parallel, split_half
from analysis.rsa.ceilings import same_story_noise_ceiling
from analysis.rsa.gram import Design
from analysis.rsa.names import ALL_PAIRS
from analysis.rsa.split_half import Halves, finite_or_none
from pipeline.errors import InputError, run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.schemas.geometry import LAYERS
from pipeline.schemas.pairs import INTERVALS, LINEAGES, NOISE_CEILING, RSA
from pipeline.store import layout, tables

Row = dict[str, Any]


def grid(
    candidates: list[ReaderGrams], rule: Rule, pairs: str, plan: Plan, keys: Row
) -> tuple[list[Row], list[Row], list[HalfRdms]]:
    """Rows of `rsa` and of `intervals` for every pair under one rule and kind of entries; and the sides."""
    if pairs in plan.reasons:
        sides = [HalfRdms(c.layer(rule), reason=plan.reasons[pairs]) for c in candidates]
    else:
        sides = parallel.each(lambda c: half_rdms(c, rule, plan, plan.entries[pairs]), candidates)
    known = [n for n, s in enumerate(sides) if s.halves is not None]
    found = pairwise.pairwise([s.halves for s in sides if s.halves is not None]) if known else None
    rows, intervals = [], []
    for a, b in combinations(range(len(candidates)), 2):
        own = {
            **candidates[a].reader.keys("_a"),
            **candidates[b].reader.keys("_b"),
            **keys,
            "layer_rule": rule[0],
            "depth": rule[1],
            "pairs": pairs,
        }
        row = own | _described(candidates[a], sides[a], sides[b])
        if found is not None and a in known and b in known:
            at = (known.index(a), known.index(b))
            row |= numbers(found, at, sides[a], sides[b])
            if rule[0] == names.CROSS_FITTED:
                reasons = ("rho_same: a layer chosen on one half has no value on all stories", row["reason"])
                row["reason"] = "; ".join(filter(None, reasons))
            design = candidates[a].design
            intervals += [own | more for more in interval_rows(found, at, row, design, plan.margin)]
        rows.append(row)
    return rows, intervals, sides


def _described(a: ReaderGrams, one: HalfRdms, other: HalfRdms) -> Row:
    empty = dict.fromkeys(set(RSA.columns) - set(RSA.keys))
    why = "; ".join(f"{n}: {s.reason}" for n, s in (("a", one), ("b", other)) if s.reason)
    return empty | {
        "layer_a": one.layer,
        "layer_b": other.layer,
        "n_stimuli": len(a.design.label),
        "unit": a.design.unit_name,
        "n_units": len(a.design.units),
        "n_halvings": None if one.halves is None else len(one.halves.first),
        "in_family": False,
        "reason": why or None,
    }


def numbers(found: pairwise.Pairwise, at: tuple[int, int], a: HalfRdms, b: HalfRdms) -> Row:
    """The numbers of one pair; what cannot be formed is null, with the reason."""
    assert a.reliability is not None
    assert b.reliability is not None
    row: Row = {
        "rho_same": finite_or_none(found.rho_same.value[at]),
        "rho_same_half": finite_or_none(found.rho_same_half[at]),
        "rho_cross": finite_or_none(found.rho_cross.value[at]),
        "reliability_a": finite_or_none(a.reliability.value),
        "reliability_b": finite_or_none(b.reliability.value),
        "ceiling": split_half.ceiling(a.reliability, b.reliability),
    }
    reasons = [f"{n}: {s.reliability.reason}" for n, s in (("a", a), ("b", b)) if s.reliability and s.reliability.reason]
    row["reason"] = "rho_dis: " + "; ".join(reasons) if reasons else None
    row["rho_dis"] = None if reasons else finite_or_none(found.rho_dis.value[at])
    for name, estimate in (("rho_same", found.rho_same), ("rho_dis", found.rho_dis)):
        if estimate.without_label is not None and row[name] is not None:
            left_out = estimate.without_label[:, at[0], at[1]]
            row |= {
                f"{name}_without_label_low": finite_or_none(left_out.min()),
                f"{name}_without_label_high": finite_or_none(left_out.max()),
            }
    return row


def interval_rows(found: pairwise.Pairwise, at: tuple[int, int], row: Row, design: Design, margin: float) -> list[Row]:
    """Rows of `intervals` of one pair: for each of its rhos that is not null, over topics, labels, and both."""
    made = []
    for name, estimate in (("rho_same", found.rho_same), ("rho_cross", found.rho_cross), ("rho_dis", found.rho_dis)):
        if row[name] is None:
            continue
        for over, (half, dof) in estimate.intervals(len(design.units), len(design.labels)).items():
            if np.isfinite(half[at]):
                ends = {"ci_low": row[name] - float(half[at]), "ci_high": row[name] + float(half[at])}
                se = float(half[at] / split_half.t_quantile(0.975, dof))
                p = split_half.equivalence_p(row[name] - 1, se, margin, dof) if name == "rho_dis" else None
                tested = {"smallest_visible": split_half.smallest_visible(se, dof), "p_equivalent_to_one": p}
                made.append({"estimator": name, "over": over, "estimate": row[name], "dof": dof, **ends, **tested})
    return made


def add_tests(
    rows: list[Row],
    candidates: list[ReaderGrams],
    sides: list[HalfRdms],
    plan: Plan,
    entries: dict[str, ModelEntry],
    reference: dict[str, str],
) -> None:
    """Add p_mantel_cross, its q over the declared family, and linear CKA to the rows of one grid, in place.

    The family: pairs of trained models of different lineages at one precision. Other pairs at the models' reference precision
    (`reference`, by model) get a p without a q.
    """
    declared = []
    for row, (a, b) in zip(rows, combinations(range(len(candidates)), 2), strict=True):
        one, other = candidates[a], candidates[b]
        if (layer := sides[a].layer) in one.grams and (other_layer := sides[b].layer) in other.grams:
            assert layer is not None
            assert other_layer is not None
            row["cka"] = pairwise.linear_cka(one.grams[layer], other.grams[other_layer])
        x, y = sides[a].halves, sides[b].halves
        row["in_family"] = lineages.across(row, entries)
        asked = row["in_family"] or all(c.precision in (None, reference.get(c.model)) for c in (one.reader, other.reader))
        if x is None or y is None or row["rho_cross"] is None or not asked or _same_reader(one.reader, other.reader):
            continue
        row["p_mantel_cross"] = pairwise.mantel_cross(x, y, len(one.design.labels), plan.permutations)
        if row["in_family"]:
            declared.append(row)
    if declared:
        adjusted = false_discovery_control([row["p_mantel_cross"] for row in declared])
        for row, q in zip(declared, adjusted, strict=True):
            row["q_mantel_cross"] = float(q)


def _same_reader(a: Reader, b: Reader) -> bool:
    return (a.model, a.seed, a.reading) == (b.model, b.seed, b.reading)


def ceilings(candidates: list[ReaderGrams], sides: list[HalfRdms], entries: dict[str, ModelEntry], keys: Row) -> list[Row]:
    """Rows of `noise_ceiling`: over the lineages of trained models, at each precision."""
    rows = []
    trained = [
        (c.reader, s)
        for c, s in zip(candidates, sides, strict=True)
        if c.reader.word_reader is None and not entries[c.reader.model].untrained
    ]
    for precision in dict.fromkeys(c.precision for c, _ in trained):
        members: dict[str, list[Halves]] = {}
        for c, s in trained:
            if c.precision == precision and s.halves is not None:
                members.setdefault(entries[c.model].lineage, []).append(s.halves)
        found = pairwise.noise_ceiling(list(members.values()))
        whole = [h.whole for halves in members.values() for h in halves]
        same = same_story_noise_ceiling(np.stack(whole)) if len(whole) > 1 else (None, None)
        rows.append(
            {
                "precision": precision,
                **keys,
                "layer_rule": names.CV,
                "n_lineages": len(members),
                "lower": found and found.lower,
                "lower_se": found and found.lower_se,
                "upper": found and found.upper,
                "upper_se": found and found.upper_se,
                "same_story_lower": same[0],
                "same_story_upper": same[1],
                "reason": None if found else f"{len(members)} lineage{'s' * (len(members) != 1)}; three are needed",
            }
        )
    return rows


def compared(group: list[ReaderGrams], params: PairSections, entries: dict[str, ModelEntry], keys: Row) -> dict[str, list[Row]]:
    """Rows of `rsa`, `intervals` and `noise_ceiling` for every pair of one position and variant, under every rule."""
    if any(c.stimuli != group[0].stimuli for c in group):
        raise InputError("readers read different stories; run `dvc repro`")
    reference = {model: params.reference_of(model) for model in params.models}
    rules: list[Rule] = [(names.CV, None), (names.PAPER, None), (names.CROSS_FITTED, None)]
    rules += [(names.DEPTH, depth) for depth in params.rsa.depths]
    plan = Plan.of(group[0].design, params)
    made: dict[str, list[Row]] = {"rsa": [], "intervals": [], "noise_ceiling": []}
    for rule in rules:
        for pairs in [*plan.entries, *plan.reasons] if rule[0] in IN_FULL else [ALL_PAIRS]:
            rows, intervals, sides = grid(group, rule, pairs, plan, keys)
            if rule[0] == names.CV and pairs == ALL_PAIRS:
                add_tests(rows, group, sides, plan, entries, reference)
                made["noise_ceiling"] += ceilings(group, sides, entries, keys)
            made["rsa"] += rows
            made["intervals"] += intervals
    return made


def main(arguments: list[str]) -> None:
    params = PairSections.load()
    entries = load_entries(params)
    chosen = tables.read_table(LAYERS)
    made: dict[str, list[Row]] = {"rsa": [], "intervals": [], "noise_ceiling": []}
    # one variant at a time: the Gram matrices of many readers fill a memory
    for position, variant in product(params.geometry.positions, layout.VARIANTS):
        group = [
            reader_grams(readout, variant, readout.rows_of(chosen, variant=variant), params)
            for readout in readouts(params, entries, position)
        ]
        for name, rows in compared(group, params, entries, {"position": position, "variant": variant}).items():
            made[name] += rows
    made["lineages"] = lineages.summaries([r for r in made["rsa"] if r["layer_rule"] in IN_FULL], entries)
    for table in (RSA, INTERVALS, NOISE_CEILING, LINEAGES):
        tables.write_table(table, made[table.name])


if __name__ == "__main__":
    run_stage(main)
