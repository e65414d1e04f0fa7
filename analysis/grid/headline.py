"""Rows of `pairs`: every pair of readers at its best layers, with intervals, tests and what is left without valence."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from analysis.grid.numbers import At, compared, numbers, reasons_of, with_ends
from analysis.readers.kinds import TWO_LINEAGES, Kinds
from analysis.readers.pattern_sets import HalfRdms, Plan, ReaderGrams, Rule, half_rdms
from analysis.rsa import floor, names, parallel, permutation, split_half
from analysis.rsa.gram import Floats
from analysis.rsa.names import VALENCE_REMOVED, WITHIN_SIGN
from analysis.rsa.pairwise import Pairwise
from analysis.rsa.split_half import finite_or_none
from pipeline.params.geometry import Geometry
from pipeline.params.rsa import Rsa
from pipeline.schemas.pairs import PAIRS

Row = dict[str, Any]
RULE: Rule = (names.CV, None)
TEST_HALVINGS = 20
"""Of the halvings, those that permutation tests use: they are as valid with few, and each shuffle costs as many."""


def rows(group: list[ReaderGrams], rsa: Rsa, geometry: Geometry, plan: Plan, kinds: Kinds) -> tuple[list[Row], list[HalfRdms]]:
    """A row for every pair of the group, without its position and what is left beyond words; and each reader's halves."""
    sides = parallel.each(lambda c: half_rdms(c, RULE, plan, headline=True), group)
    found, place = compared(sides)
    made, at = [], {}
    for a, b in combinations(range(len(group)), 2):
        row = described(group[a], group[b], sides[a], sides[b], kinds)
        if found is not None and a in place and b in place:
            at[a, b] = (place[a], place[b])
            row |= numbers(found, at[a, b], sides[a], sides[b])
            if row["rho_dis"] is not None:
                row |= equivalence(found, at[a, b], rsa.equivalence)
        made.append(row)
    by_pair = dict(zip(combinations(range(len(group)), 2), made, strict=True))
    if at:
        add_without_valence(by_pair, group, plan)
        add_floor({pair: by_pair[pair] for pair in at}, group, sides, rsa, geometry)
        add_tests({pair: by_pair[pair] for pair in at}, group, sides, plan, kinds, rsa, geometry)
    return made, sides


def described(a: ReaderGrams, b: ReaderGrams, one: HalfRdms, other: HalfRdms, kinds: Kinds) -> Row:
    """Who is compared, on what."""
    return PAIRS.blank() | {
        **a.reader.keys("_a"),
        **b.reader.keys("_b"),
        "kind": kinds.kind(a.reader, b.reader),
        "is_reference": kinds.is_reference(a.reader) and kinds.is_reference(b.reader),
        "layer_a": one.layer,
        "layer_b": other.layer,
        "n_stimuli": len(a.design.label),
        "unit": a.design.unit_name,
        "n_units": len(a.design.units),
        "reason": reasons_of(one, other),
    }


def equivalence(found: Pairwise, at: At, margin: float) -> Row:
    """What the design can see of rho_dis, whether it is 1, what hangs on single labels, its values without each topic."""
    value, without, label = found.rho_dis.value[at], found.rho_dis.without_topic, found.rho_dis.without_label
    assert found.rho_dis.se_topic is not None
    assert without is not None
    se, dof = float(found.rho_dis.se_topic[at]), len(without) - 1
    if not np.isfinite([value, se]).all():
        return {}
    made: Row = {
        "smallest_visible": split_half.smallest_visible(se, dof),
        "p_equivalent_to_one": split_half.equivalence_p(float(value) - 1, se, margin, dof),
        "rho_dis_jackknife": jackknife(without, at),
    }
    if label is not None and np.isfinite(own := label[:, at[0], at[1]]).all():
        made |= {"rho_dis_without_label_low": float(own.min()), "rho_dis_without_label_high": float(own.max())}
    return made


def jackknife(without: Floats | None, at: At) -> list[float] | None:
    """A number without each topic; None where one of them does not exist."""
    if without is None or not np.isfinite(own := without[:, at[0], at[1]]).all():
        return None
    return [float(x) for x in own]


def add_without_valence(by_pair: dict[At, Row], group: list[ReaderGrams], plan: Plan) -> None:
    """Add rho_dis within pairs of labels of one sign, and with valence taken out, to every row, in place."""
    for kind in (WITHIN_SIGN, VALENCE_REMOVED):
        if kind not in plan.entries:  # `plan.reasons` says why; `choices` has it in its rows
            continue
        sides = parallel.each(partial(half_rdms, rule=RULE, plan=plan, entries=plan.entries[kind]), group)
        found, place = compared([s if s.reliability and not s.reliability.reason else HalfRdms(s.layer) for s in sides])
        for (a, b), row in by_pair.items():
            if found is not None and a in place and b in place:
                at = (place[a], place[b])
                own = with_ends(kind, found.rho_dis, at, sides[a])
                row.update(own | {f"{kind}_jackknife": jackknife(found.rho_dis.without_topic, at)})


def at_best_layer(c: ReaderGrams, side: HalfRdms) -> Floats:
    """The Gram matrix at the layer whose halves `side` holds."""
    assert side.layer is not None
    return c.grams[side.layer]


def add_floor(by_pair: dict[At, Row], group: list[ReaderGrams], sides: list[HalfRdms], rsa: Rsa, geometry: Geometry) -> None:
    """Add what labels that mean nothing give on the same passages to the rows, in place."""
    known = sorted({n for pair in by_pair for n in pair})
    grams = [at_best_layer(group[n], sides[n]) for n in known]
    drawn = floor.floors(grams, group[0].design, rsa.shuffles, geometry.seed)
    for (a, b), row in by_pair.items():
        row["floor_95"] = finite_or_none(float(floor.quantile(drawn[:, known.index(a), known.index(b)], 0.95)))


def add_tests(
    by_pair: dict[At, Row],
    group: list[ReaderGrams],
    sides: list[HalfRdms],
    plan: Plan,
    kinds: Kinds,
    rsa: Rsa,
    geometry: Geometry,
) -> None:
    """Add p_cross, and its q over the declared family, to the rows of trained models and readers of words at their reference
    precision, in place. The family: pairs of two lineages."""
    assert plan.first is not None
    wanted = [pair for pair, row in by_pair.items() if row["is_reference"] and row["rho_cross"] is not None]
    trained = {n for pair in wanted for n in pair if kinds.is_trained(group[n].reader) or kinds.is_words(group[n].reader)}
    asked = [(a, b) for a, b in wanted if {a, b} <= trained and group[a].reader != group[b].reader]
    if not asked:
        return
    known = sorted({n for pair in asked for n in pair})
    first = plan.first[:TEST_HALVINGS]
    places = np.zeros((len(known), len(known)), dtype=bool)
    for a, b in asked:
        places[known.index(a), known.index(b)] = True
    grams = [at_best_layer(group[n], sides[n]) for n in known]
    tested = permutation.both_tests(
        grams, group[0].design, (first, ~first), plan.permutations, rsa.shuffles, geometry.seed, places
    )
    for a, b in asked:
        by_pair[a, b]["p_cross"] = finite_or_none(float(tested.p_cross[known.index(a), known.index(b)]))
    family = [row for pair in asked if (row := by_pair[pair])["kind"] == TWO_LINEAGES and row["p_cross"] is not None]
    if family:
        for row, q in zip(family, false_discovery_control([r["p_cross"] for r in family]), strict=True):
            row["q_cross"] = float(q)


def add_words(made: list[Row], beyond: list[Row]) -> None:
    """Add what is left beyond the reader of words that explains most to the rows, in place: the lowest upper end decides."""
    of_pair: dict[tuple[object, ...], list[Row]] = {}
    for row in beyond:
        if row["control"].startswith("words:") and row["left_high"] is not None:
            of_pair.setdefault(tuple(row[k] for k in PAIRS.keys), []).append(row)
    for row in made:
        if own := of_pair.get(tuple(row[k] for k in PAIRS.keys)):
            most = min(own, key=lambda r: r["left_high"])
            row |= {"beyond_words": most["left"], "beyond_words_low": most["left_low"], "beyond_words_high": most["left_high"]}
            row["words"] = most["control"].removeprefix("words:")
