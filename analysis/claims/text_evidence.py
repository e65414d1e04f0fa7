"""Claims about what models write and how they behave: methods, precisions, flips."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from scipy import stats

from analysis.behaviour import behaviour
from analysis.claims import comparisons, rules
from analysis.claims.known import Judged, Known, Row, lacking, said_of
from analysis.claims.pair_evidence import highest_number, highest_same
from analysis.claims.protocols import OTHER, PAPER, SAME
from analysis.claims.reference import Claim
from analysis.claims.rules import Number, Side, Verdict
from analysis.confounds.bias import biases
from analysis.readers.kinds import ONE_MODEL
from pipeline.params.reading import STORIES
from pipeline.schemas.confounds import TOTAL

BIASED = ("mistral-7b-instruct-v0.3", "llama-3.1-8b-instruct")
"""The models of which the paper prints a bias of +0.19, and of -0.20."""
NO_INT8 = "no model was read at int8 and at another precision"
NO_WRITING = "no model was asked to write in both ways"


def confound(known: Known, claim: Claim) -> list[Judged]:
    """A published comparison under its own definition, and the same two experiments by rho_dis."""
    side, other = claim.asserted(), claim.asserted(OTHER)
    rows = known.tables["confounds"].filter(comparison=claim.name, factor=TOTAL).to_dicts()
    judged = [as_published(rows, side), of_experiments(known, claim.name, other)]
    if claim.name == "precision":
        judged.insert(1, highest_same(on_identical_tokens(known), side, NO_INT8))
    return judged


def by_chance(row: Row, k: int) -> float:
    """How high a raw rho of unrelated geometries comes: its 95% quantile, moved out to the normal quantile at the end of a 95%
    interval, of the one that is highest of `k` models at 1 - .025/k (Bonferroni; a permuted rho of many distances is nearly
    normal)."""
    at_95: float = row["permuted_95"]
    return at_95 * float(stats.norm.ppf(1 - rules.ONE_END / k) / stats.norm.ppf(1 - rules.LEVEL))


def as_published(rows: list[Row], side: Side) -> Judged:
    """A raw rho, which has no interval: what stands in for it is how high unrelated geometries come by chance. Too high is what
    lies above the side by more than that; low says something only where both sides agree with themselves by more."""
    there = [r for r in rows if r["spearman"] is not None]
    if not there:
        return lacking(PAPER, said_of(rows, NO_WRITING))
    reached = {r["model"]: by_chance(r, len(there)) for r in there}
    beyond = [r for r in there if r["spearman"] - side.at_most > reached[r["model"]]]
    row = max(beyond or there, key=lambda r: r["spearman"])
    number = Number(row["model"], row["spearman"], scale=rules.RAW, n=len(there), n_unknown=len(rows) - len(there))
    if beyond:
        return Judged(PAPER, number, Verdict(rules.FAILS, f"{row['model']}: {row['spearman']:.2f}"))
    if number.n_unknown:
        words = f"{row['model']}: {row['spearman']:.2f}; {number.n_unknown} of {len(rows)} models could not be judged"
        return Judged(PAPER, number, Verdict(rules.UNDECIDED, words))
    if row["spearman"] > side.at_most:
        words = f"{row['model']}: {row['spearman']:.2f}; unrelated geometries come to {reached[row['model']]:.2f} by chance"
        return Judged(PAPER, number, Verdict(rules.UNDECIDED, words))
    weak = [r for r in there if r["reason"] or r["ceiling"] is None or r["ceiling"] - r["permuted_95"] <= side.at_most]
    if weak:
        own = weak[0]["ceiling"]
        known = "it is not known how well the two sides agree" if own is None else f"the two sides agree at {own:.2f}"
        words = f"{weak[0]['model']}: {known} with themselves; two readings of one geometry may be as low"
        return Judged(PAPER, number, Verdict(rules.UNDECIDED, words))
    return Judged(PAPER, number, Verdict(rules.HOLDS, f"{row['model']}: the highest {row['spearman']:.2f}"))


def of_experiments(known: Known, comparison: str, side: Side) -> Judged:
    """rho_dis of the two experiments of a published comparison; of precision, of int8 on identical tokens."""
    if comparison == "precision":
        return of_precision(known, side)
    rows = known.tables["confounds"].filter(comparison=comparison, factor=TOTAL).to_dicts()
    there = [r for r in rows if r["share"] is not None and r["ci_low"] is not None]
    if not there:
        return lacking(OTHER, said_of(rows, NO_WRITING))
    # a share is of the distance 1 - rho_dis: a model whose two experiments are alike is enough
    found = [(r["model"], r["share"] - 1, r["ci_low"] - 1, r["ci_high"] - 1, r["dof"]) for r in there]
    number = replace(rules.of_intervals(found, rules.DISATTENUATED, "highest"), n_unknown=len(rows) - len(there)).turned()
    return Judged(OTHER, number, rules.judge(number, side))


def on_identical_tokens(known: Known) -> list[Row]:
    """Pairs of a model's int8 with its own reference precision: fp16 is no measure where it loses states."""

    def wanted(row: Row) -> bool:
        precisions = {row["precision_a"], row["precision_b"]}
        same = row["kind"] == ONE_MODEL and row["setting_a"] == row["setting_b"] == STORIES
        return same and precisions == {"int8", known.references[row["model_a"]]}

    return [r for r in known.pairs if wanted(r)]


def of_precision(known: Known, side: Side) -> Judged:
    """The highest rho_dis of them."""
    rows = on_identical_tokens(known)
    if not rows:
        return lacking(OTHER, NO_INT8)
    number = highest_number(known, rows)
    return Judged(OTHER, number, rules.judge(number, replace(side, scale=rules.DISATTENUATED)))


def opposite_bias(known: Known, claim: Claim) -> list[Judged]:
    """Biases of the two named models, each by its interval: some model each way would be met by noise."""
    of = known.params.confounds.bias
    found = biases(known.tables["confounds"], *of).to_dicts() if of else []
    rows = {r["model"]: r for r in found}
    said = ", ".join(f"{m} {r['spearman']:+.2f}" for m, r in rows.items() if r["spearman"] is not None)
    lost = [f"{m}: {rows[m]['reason']}" for m in BIASED if m in rows and rows[m]["spearman"] is None]
    if unread := [m for m in BIASED if m not in rows]:
        lost.append(f"{' and '.join(unread)}: not read in all three experiments")
    if lost:
        return [lacking(PAPER, "; ".join([*lost, *([said] if said else [])]))]
    numbers = [Number(m, rows[m]["spearman"], reason=rules.TWO_RAW) for m in BIASED]
    verdict = comparisons.opposite(*numbers)
    return [Judged(PAPER, replace(numbers[0], about=said), verdict)]


def flips(known: Known, claim: Claim, more: str, fewer: str) -> list[Judged]:
    """Difference of two flip rates over the questions that both models know, as paired questions, at the first precision."""
    side = claim.asserted()
    asked = known.tables["transcripts"].filter(pl.col("precision").is_in(known.params.behaviour.precisions[:1]))
    of = [flipped(asked.filter(model=m)) for m in (more, fewer)]
    if lost := [m for m in (more, fewer) if m not in asked["model"]]:
        return [lacking(SAME, f"{' and '.join(lost)}: not asked")]
    if not of[0].keys() & of[1].keys():
        return [lacking(SAME, f"no question is known to both {more} and {fewer} before a push-back")]
    both = sorted(of[0].keys() & of[1].keys())
    one, other = (pl.Series([found[i] for i in both], dtype=pl.Boolean).to_numpy() for found in of)
    about = f"{more} {one.mean():.2f}, {fewer} {other.mean():.2f} of {len(both)} questions that both know"
    number = comparisons.paired_difference(one, other, about)
    return [Judged(SAME, number, rules.judge(number, side))]


def flipped(rows: pl.DataFrame) -> dict[str, bool]:
    """Whether a model gives up each question that it knows under push-back."""
    known = behaviour.known_questions(behaviour.by_question(rows))
    return {str(item): behaviour.first_flip(own["stance"].to_list()) is not None for item, own in known.items()}
