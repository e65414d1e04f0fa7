"""Claims that compare: two flip rates, one model against all others, biases that are said to be opposite."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy import stats

from analysis.claims.rules import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED, Number, Verdict
from analysis.rsa import simultaneous
from analysis.rsa.gram import Bools, Floats


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share."""
    z = float(stats.norm.ppf((1 + level) / 2))
    middle, half = hits + z * z / 2, z * sqrt(hits * (n - hits) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


def paired_difference(one: Bools, other: Bools, about: str = "", level: float = 0.95) -> Number:
    """Difference of two shares over the same questions (N): which flip for one model, and for the other (Newcombe 1998, paired,
    method 10: Wilson intervals, squared and added with the correlation of the two)."""
    n = len(one)
    if n == 0:
        return Number(about, None, reason="no question was asked of both")
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    b, c = int((one & ~other).sum()), int((~one & other).sum())
    p, q = (both + b) / n, (both + c) / n
    (l1, u1), (l2, u2) = wilson(both + b, n, level), wilson(both + c, n, level)
    product = (both + b) * (c + neither) * (both + c) * (b + neither)
    cross = both * neither - b * c
    # toward no correlation where it is positive (method 10)
    corrected = max(cross - n / 2, 0.0) if cross > 0 else float(cross)
    phi = corrected / sqrt(product) if product else 0.0

    def end(x: float, y: float) -> float:
        return sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))

    return Number(about, p - q, p - q - end(p - l1, u2 - q), p - q + end(q - l2, u1 - p))


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
