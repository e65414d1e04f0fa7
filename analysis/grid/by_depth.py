"""Rows of `choices`, part `readouts`: every pair of readers under every layer rule and every set of pairs of emotions."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from analysis.grid.numbers import compared, numbers, reasons_of
from analysis.readers.pattern_sets import OF_ALL_KINDS, HalfRdms, PairSections, Plan, ReaderGrams, Rule, half_rdms
from analysis.rsa import names, parallel
from analysis.rsa.names import ALL_PAIRS
from pipeline.schemas.choices import CHOICES, EVERY_READOUT

Row = dict[str, Any]


def rows(group: list[ReaderGrams], params: PairSections, plan: Plan, keys: Row) -> list[Row]:
    """Of readers at one position and variant (`keys`)."""
    rules: list[Rule] = [(names.CV, None), (names.PAPER, None), (names.CROSS_FITTED, None)]
    rules += [(names.DEPTH, depth) for depth in params.rsa.depths]
    made = []
    for rule in rules:
        for kind in [*plan.entries, *plan.reasons] if rule[0] in OF_ALL_KINDS else [ALL_PAIRS]:
            made += grid(group, rule, kind, plan, keys)
    return made


def grid(group: list[ReaderGrams], rule: Rule, kind: str, plan: Plan, keys: Row) -> list[Row]:
    """Every pair under one rule and set of pairs of emotions."""
    if kind in plan.reasons:
        sides = [HalfRdms(c.layer(rule), reason=plan.reasons[kind]) for c in group]
    else:
        sides = parallel.each(lambda c: half_rdms(c, rule, plan, plan.entries[kind]), group)
    found, place = compared(sides)
    design = group[0].design
    here = {"choice": EVERY_READOUT, "n_emotions": len(design.labels), "n_units": len(design.units)}
    made = []
    for a, b in combinations(range(len(group)), 2):
        one, other = sides[a], sides[b]
        own = {**group[a].reader.keys("_a"), **group[b].reader.keys("_b"), **keys}
        own |= {"layer_rule": rule[0], "depth": rule[1], "emotions": kind, "layer_a": one.layer, "layer_b": other.layer}
        row = CHOICES.blank() | here | own | {"reason": reasons_of(one, other)}
        if found is not None and a in place and b in place:
            of_pair = numbers(found, (place[a], place[b]), one, other)
            row |= {name: value for name, value in of_pair.items() if name in row}
            if rule[0] == names.CROSS_FITTED:
                lost = ("rho_same: a layer chosen on one half has no value on all stories", row["reason"])
                row["reason"] = "; ".join(filter(None, lost))
        made.append(row)
    return made
