"""Shares of the same questions under two conditions, or for two models: their difference, with its interval."""

from __future__ import annotations

from math import sqrt

from scipy import stats

from analysis.rsa.gram import Bools


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share."""
    z = float(stats.norm.ppf((1 + level) / 2))
    middle, half = hits + z * z / 2, z * sqrt(hits * (n - hits) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


def paired_difference(one: Bools, other: Bools, level: float = 0.95) -> tuple[float, float, float]:
    """Difference of two shares over the same questions (N), at least one, with both ends of its interval (Newcombe 1998,
    paired, method 10: Wilson intervals, squared and added with the correlation of the two)."""
    n = len(one)
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

    return p - q, p - q - end(p - l1, u2 - q), p - q + end(q - l2, u1 - p)
