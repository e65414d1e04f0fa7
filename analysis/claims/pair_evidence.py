"""Claims about pairs of readers, under the published protocol and under ours.

A statement about every pair is one statement, about the lowest (`analysis.rsa.simultaneous`); what else would make readers
alike is asked of the lowest, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from analysis.claims import rules
from analysis.claims.known import Judged, Known, Row, lacking, said_of
from analysis.claims.members import Wanted, across, as_passages, at_reference, named, pair_name, published_rows, tuned
from analysis.claims.protocols import OTHER, PAPER, SAME
from analysis.claims.reference import Claim
from analysis.claims.rules import Beside, Number, Side
from analysis.readers import lineages
from analysis.readers.kinds import UNTRAINED, WORDS
from pipeline.schemas.pairs import PAIRS

NO_PAIR = "no two trained models of different lineages were read"


def by_passages(known: Known, wanted: Wanted, side: Side, why_not: str) -> Judged:
    """A claim on the lowest raw rho of three passages, judged by what is found across passages."""
    pairs = [as_passages(row) for row in published_rows(known, wanted)]
    if not pairs:
        return lacking(PAPER, unread_as_published(known, wanted, why_not))
    verdict = rules.judge_published(pairs, replace(side, scale=rules.RAW), margin=known.margin)
    judged = [p for p in pairs if p.same is not None]
    if not judged:
        return lacking(PAPER, verdict.why, pairs[0].about)
    lowest = min(judged, key=lambda p: p.same or 0.0)
    number = Number(lowest.about, lowest.same, scale=rules.RAW, n=len(judged), n_unknown=len(pairs) - len(judged))
    return Judged(PAPER, number, verdict)


def unread_as_published(known: Known, wanted: Wanted, why_not: str) -> str:
    """Why no pair has a row of the published protocol: `why_not`, or, where the pairs are there, that it was not followed."""
    return "three texts of each label are needed, read at the last token" if at_reference(known, wanted) else why_not


# --- the same stories ----------------------------------------------------------------------------------------------------


def by_lowest_same(known: Known, rows: Sequence[Row], side: Side, why_not: str) -> Judged:
    """A claim of similarity on the lowest rho_same, on the scale that it was published on. What else would make the readers
    alike is asked of the same pairs, as on other stories."""
    number = lowest_same(rows)
    if number is None:
        return lacking(SAME, said_of(rows, why_not))
    return Judged(SAME, number, rules.judge(number, replace(side, scale=rules.SAME), beside(known, rows), known.margin))


def highest_same(rows: Sequence[Row], side: Side, why_not: str) -> Judged:
    """A claim that no pair is alike, on the highest rho_same."""
    number = lowest_same(rows, -1, "highest")
    if number is None:
        return lacking(SAME, said_of(rows, why_not))
    number = number.turned()
    return Judged(SAME, number, rules.judge(number, replace(side, scale=rules.SAME)))


def lowest_same(rows: Sequence[Row], sign: int = 1, which: str = "lowest") -> Number | None:
    """The lowest rho_same, with its interval for a statement about every pair; with a sign of -1 that of -rho_same. None where
    no pair has an interval."""
    found = []
    for row in (r for r in rows if r["rho_same_low"] is not None):
        low, high = sorted((sign * row["rho_same_low"], sign * row["rho_same_high"]))
        found.append((pair_name(row), sign * row["rho_same"], low, high, row["n_units"] - 1))
    return replace(rules.of_intervals(found, rules.SAME, which), n_unknown=len(rows) - len(found)) if found else None


# --- other stories -------------------------------------------------------------------------------------------------------


def by_lowest(known: Known, rows: Sequence[Row], side: Side, why_not: str) -> Judged:
    """A claim of similarity on the lowest rho_dis, which words, untrained networks or valence may explain."""
    if not rows:
        return lacking(OTHER, why_not)
    number = lowest_number(known, rows, "rho_dis")
    verdict = rules.judge(number, replace(side, scale=rules.DISATTENUATED), beside(known, rows), known.margin)
    return Judged(OTHER, number, verdict)


def lowest_number(known: Known, rows: Sequence[Row], name: str, which: str = "lowest") -> Number:
    """The lowest of one number of the rows, with its simultaneous interval over topics. Rows of `beyond` are named by their
    control, too."""
    reason = said_of(rows, "") or None
    found = lineages.lowest(rows, name, known.seed)
    controls = (r.get("control") for r in rows)
    beyond = ["" if c is None else f", beyond {c.removeprefix('words:')}" for c in controls]
    names = [f"{pair_name(r)}{more}" for r, more in zip(rows, beyond, strict=True)]
    return rules.of_every(found, names, [r[name] for r in rows], rules.DISATTENUATED, reason, which)


def highest_number(known: Known, rows: Sequence[Row]) -> Number:
    """The highest rho_dis of the rows, with its simultaneous interval: of a claim that no pair is alike."""
    turned = [
        row | {"rho_dis": -row["rho_dis"], "rho_dis_jackknife": [-x for x in row["rho_dis_jackknife"]]}
        if row["rho_dis_jackknife"] is not None
        else row | {"rho_dis": None}
        for row in rows
    ]
    return lowest_number(known, turned, "rho_dis", "highest").turned()


def beside(known: Known, rows: Sequence[Row]) -> Beside:
    """What else could make the rows' readers alike: the lowest of what is left beyond each control, and without valence."""
    left: dict[str, list[Row]] = {}
    for row in left_of(known, rows):
        left.setdefault(row["control"], []).append(row)
    made = {control: lowest_number(known, own, "left") for control, own in left.items()}
    if rows and not made:
        return Beside({"words, or a network without training,": Number("", None)}, {})
    without = {name: lowest_number(known, rows, name) for name in ("within_sign", "valence_removed")}
    # a control whose own geometry is noise explains nothing
    return Beside({c: n for c, n in made.items() if n.estimate is not None}, without)


def left_of(known: Known, rows: Sequence[Row]) -> list[Row]:
    """The rows of `beyond` of these pairs."""
    keys = PAIRS.keys
    own = {tuple(r[k] for k in keys) for r in rows}
    return [row for row in known.tables["beyond"].iter_rows(named=True) if tuple(row[k] for k in keys) in own]


# --- claims --------------------------------------------------------------------------------------------------------------


def settled(known: Known, wanted: Wanted, judged: Callable[[Wanted], list[Judged]]) -> list[Judged]:
    """What is said of a claim's pairs, where those of which nobody knows whether they are among them would not change it. One
    pair that lies off the side is enough."""
    made = judged(wanted)
    if not at_reference(known, lambda row: wanted(row) is None):
        return made
    return [_either_way(*both) for both in zip(made, judged(lambda row: wanted(row) is not False), strict=True)]


def _either_way(sure: Judged, all_: Judged) -> Judged:
    if sure.verdict.verdict in (rules.FAILS, rules.NOT_TESTABLE, all_.verdict.verdict):
        return sure
    words = "it is not known of every family whether it is mature; if all are, the answer is another"
    return replace(sure, verdict=rules.Verdict(rules.UNDECIDED, f"{sure.verdict.why}; {words}: {all_.verdict.verdict}"))


def of_pairs(known: Known, claim: Claim, wanted: Wanted, why_not: str) -> list[Judged]:
    """A claim of similarity of trained models under all protocols."""
    return settled(known, wanted, lambda members: _of_pairs(known, claim, members, why_not))


def _of_pairs(known: Known, claim: Claim, wanted: Wanted, why_not: str) -> list[Judged]:
    made = []
    if claim.side is not None:
        made.append(by_passages(known, wanted, claim.side, why_not))
        made.append(by_lowest_same(known, at_reference(known, wanted), claim.side, why_not))
    if claim.other is not None:
        made.append(by_lowest(known, at_reference(known, wanted), claim.other, why_not))
    return made


def across_families(known: Known, claim: Claim) -> list[Judged]:
    return of_pairs(known, claim, across(known, known.family), "no two mature models of different families were read")


def across_lineages(known: Known, claim: Claim) -> list[Judged]:
    return of_pairs(known, claim, across(known, known.lineage), "no two mature models of different lineages were read")


def any_pair(known: Known, claim: Claim) -> list[Judged]:
    return of_pairs(known, claim, across(known, known.lineage, mature=False), NO_PAIR)


def of_named(known: Known, claim: Claim, a: str, b: str) -> list[Judged]:
    return of_pairs(known, claim, named(a, b), f"{a} and {b} were not both read")


def base_instruct(known: Known, claim: Claim) -> list[Judged]:
    return of_pairs(known, claim, tuned(known, True), "no mature family was read as base and instruct")


def new_lineage(known: Known, claim: Claim) -> list[Judged]:
    """The pair of a lineage that nobody has read with one of those at hand; what may explain these may explain it."""

    def judged(wanted: Wanted) -> list[Judged]:
        rows = at_reference(known, wanted)
        number = rules.of_new_lineage(*lineages.predicted(rows, known.entries))
        return [Judged(OTHER, number, rules.judge(number, claim.asserted(OTHER), beside(known, rows), known.margin))]

    return settled(known, across(known, known.lineage), judged)


def valence(known: Known, claim: Claim) -> list[Judged]:
    """What two lineages share within one sign of valence, and with valence taken out: the lower of both must be above 0."""
    rows = at_reference(known, across(known, known.lineage, mature=False))
    if not rows:
        return [lacking(OTHER, NO_PAIR)]
    numbers = [(name, lowest_number(known, rows, name)) for name in ("within_sign", "valence_removed")]
    judged = [(name, n) for name, n in numbers if n.interval is not None]
    if len(judged) < len(numbers):
        name, number = next((name, n) for name, n in numbers if n.interval is None)
        return [lacking(OTHER, f"{name}: {number.reason or 'no interval'}")]
    name, number = min(judged, key=lambda item: (item[1].interval or (0.0, 0.0))[0])
    number = replace(number, about=f"{number.about}, {name.replace('_', ' ')}")
    return [Judged(OTHER, number, rules.judge(number, claim.asserted(OTHER)))]


def beyond_words(known: Known, claim: Claim) -> list[Judged]:
    """The pair of two lineages of which the words that explain most leave least."""
    rows = at_reference(known, across(known, known.lineage, mature=False))
    if not rows:
        return [lacking(OTHER, NO_PAIR)]
    left = [r for r in left_of(known, rows) if r["control"].startswith("words:")]
    there = {r["control"] for r in left if r["left"] is not None}  # words whose own geometry is noise explain nothing
    if not there:
        return [lacking(OTHER, "no reader of words has a geometry that could be told from noise")]
    number = lowest_number(known, [r for r in left if r["control"] in there], "left")
    return [Judged(OTHER, number, rules.judge(number, claim.asserted(OTHER)))]


def restructured(known: Known, claim: Claim) -> list[Judged]:
    """By how much base and instruct of an immature family are less alike than those of the mature family that is least so."""
    why_not = "an immature and a mature family, each read as base and instruct, are needed"
    own, others = (published_rows(known, tuned(known, m)) for m in (False, True))
    values = [[r["spearman"] for r in rows if r["spearman"] is not None] for rows in (own, others)]
    made = [lacking(PAPER, why_not)]
    if claim.side is not None and all(values):
        number = Number(pair_name(own[0]), min(values[1]) - max(values[0]), reason=rules.TWO_RAW)
        made = [Judged(PAPER, number, rules.judge(number, claim.side))]
    one, other = (at_reference(known, tuned(known, m)) for m in (False, True))
    if claim.other is None or not any(r["rho_dis_jackknife"] for r in one) or not any(r["rho_dis_jackknife"] for r in other):
        return [*made, lacking(OTHER, why_not)]
    number = lowest_number(known, [difference(i, m) for i, m in product(one, other)], "rho_dis")
    unsure = at_reference(known, lambda row: tuned(known, True)(row) is None)
    number = replace(number, n_unknown=number.n_unknown + len(unsure))
    return [*made, Judged(OTHER, number, rules.judge(number, claim.other))]


def difference(row: Row, other: Row) -> Row:
    """The row with, for its rho_dis, that by which the other's lies above it; null where either is."""
    if row["rho_dis_jackknife"] is None or other["rho_dis_jackknife"] is None:
        return row | {"rho_dis": None, "rho_dis_jackknife": None}
    without = np.subtract(other["rho_dis_jackknife"], row["rho_dis_jackknife"]).tolist()
    return row | {"rho_dis": other["rho_dis"] - row["rho_dis"], "rho_dis_jackknife": without}


def none_reaches(known: Known, claim: Claim, kind: str, why_not: str) -> list[Judged]:
    """A claim that no pair of a kind of control reaches a range: one statement, about the highest."""
    rows = [r for r in known.pairs if r["is_reference"] and r["kind"] == kind]
    made = []
    if claim.side is not None:
        made.append(highest_same(rows, claim.side, why_not))
    if claim.other is not None:
        number = highest_number(known, rows)
        verdict = rules.judge(number, claim.other)
        made.append(Judged(OTHER, number, verdict) if rows else lacking(OTHER, why_not))
    return made


def words(known: Known, claim: Claim) -> list[Judged]:
    return none_reaches(known, claim, WORDS, "no reader of words stands beside a trained model")


def learned(known: Known, claim: Claim) -> list[Judged]:
    return none_reaches(known, claim, UNTRAINED, "no untrained twin was read")


def emotions(known: Known, claim: Claim) -> list[Judged]:
    """What two models of different lineages share where no text is shared, by permutation: of the published passages one
    against the others, of all stories half against half. All pairs must pass, so that none is corrected for. (On the same texts
    labels that mean nothing still share these: how much is a description, since two models may see passages more alike than
    emotions.)"""
    wanted = across(known, known.lineage, mature=False)
    passages, rows = published_rows(known, wanted), at_reference(known, wanted)
    unread = unread_as_published(known, wanted, NO_PAIR)
    return [by_permutation(known, PAPER, passages, "across", unread), by_permutation(known, OTHER, rows, "rho_cross", NO_PAIR)]


def by_permutation(known: Known, protocol: str, rows: Sequence[Row], name: str, why_not: str) -> Judged:
    """A rho across texts of every pair: a p of at most 5% each; one that is neither that nor, by an interval, above the margin
    fails it."""
    p = {"across": "p_across", "rho_cross": "p_cross"}[name]
    there = [r for r in rows if r[p] is not None]
    if not there:
        return lacking(protocol, said_of(rows, why_not))
    gone = [r for r in there if r[p] > rules.LEVEL and (high := r.get(f"{name}_high")) is not None and high < known.margin]
    most = max(gone or there, key=lambda r: r[p])
    number = Number(pair_name(most), most[name], n=len(there), n_unknown=len(rows) - len(there))
    if gone:
        words = f"{number.about}: p {most[p]:.3f}, and at most {most[f'{name}_high']:.2f}"
        return Judged(protocol, number, rules.Verdict(rules.FAILS, words))
    words = f"{number.about}: the largest p of {len(there)} is {most[p]:.3f}"
    passes = most[p] <= rules.LEVEL and not number.n_unknown
    return Judged(protocol, number, rules.Verdict(rules.HOLDS if passes else rules.UNDECIDED, words))
