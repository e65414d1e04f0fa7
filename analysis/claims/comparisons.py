"""Claims that compare: two flip rates, one model against all others, biases that are said to be opposite."""

from __future__ import annotations

import numpy as np

from analysis.claims.rules import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED, Number, Verdict
from analysis.rsa import proportions, simultaneous
from analysis.rsa.gram import Bools, Floats


def paired_difference(one: Bools, other: Bools, about: str = "") -> Number:
    """Difference of two shares over the same questions (N): which flip for one model, and for the other
    (`proportions.paired_difference`)."""
    if len(one) == 0:
        return Number(about, None, reason="no question was asked of both")
    return Number(about, *proportions.paired_difference(one, other))


def beyond_all(own: float, own_without: Floats, others: Floats, others_without: Floats, seed: int) -> tuple[int, Number]:
    """Is one number above all K others? Its rank (1: the highest), and the lowest difference to another with a simultaneous
    interval: "wider than any other" holds where it lies above 0.

    `own_without` (T), `others_without` (T, K): the same without each topic.
    """
    found = simultaneous.lowest(own - others, own_without[:, None] - others_without, seed)
    rank = 1 + int(np.count_nonzero(others > own))
    if found is None:
        return rank, Number("", None, reason="no other has a number")
    about = f"rank {rank} of {len(others) + 1}"
    return rank, Number(about, found.estimate, found.low, found.high, n=found.n, n_unknown=found.n_unknown)


def above_zero(number: Number) -> Verdict:
    """Whether a difference is one, and which way."""
    if number.interval is None:
        return Verdict(NOT_TESTABLE, number.reason or "no interval")
    low, high = number.interval
    if high <= 0:
        return Verdict(FAILS, number.about)
    if low > 0 and not number.n_unknown:
        return Verdict(HOLDS, number.about)
    return Verdict(UNDECIDED, number.about)


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
