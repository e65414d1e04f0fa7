"""Claims that compare: two flip rates, one model against all others, biases that are said to be opposite."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.claims.rules import FAILS, HOLDS, NOT_TESTABLE, ONE_END, OTHER, UNDECIDED, Number, Verdict, of_intervals
from analysis.rsa import proportions
from analysis.rsa.gram import Bools, Floats
from analysis.rsa.split_half import jackknife_se, t_quantile


def paired_difference(one: Bools, other: Bools, about: str = "") -> Number:
    """Difference of two shares over the same questions (N): which flip for one model, and for the other
    (`proportions.paired_difference`)."""
    if len(one) == 0:
        return Number(about, None, reason="no question was asked of both")
    return Number(about, *proportions.paired_difference(one, other))


def beyond_all(own: float, own_without: Floats, others: Mapping[str, tuple[float, Floats]]) -> Number:
    """By how much one number lies above the highest of others: the lowest difference, with the interval of a statement about
    all of them. "Wider than any other" holds where it lies above 0.

    `own_without` (T): the number without each unit; `others`: by name, the same of each.
    """
    found = []
    for name, (value, without) in others.items():
        dof = len(without) - 1
        half = t_quantile(1 - ONE_END, dof) * jackknife_se(own_without - without)
        found.append((name, own - value, own - value - half, own - value + half, dof))
    return of_intervals(found, OTHER, "one that decides")


def opposite(positive: Number, negative: Number) -> Verdict:
    """Biases that were published as positive in one named model and negative in another: both intervals must have their sign.
    Noise gives some model each sign in nearly every run."""
    lacking = [x.reason or f"{x.about}: no interval" for x in (positive, negative) if x.interval is None]
    if positive.interval is None or negative.interval is None:
        return Verdict(NOT_TESTABLE, "; ".join(lacking))
    words = f"{positive.about} {positive.estimate:+.2f}, {negative.about} {negative.estimate:+.2f}"
    if positive.interval[1] < 0 or negative.interval[0] > 0:
        return Verdict(FAILS, words)
    return Verdict(HOLDS if positive.interval[0] > 0 > negative.interval[1] else UNDECIDED, words)
