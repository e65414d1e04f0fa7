"""One statement about every pair: an interval for the lowest of many numbers that share topics.

Numbers of many pairs are measured on the same topics. Judged pair by pair, forty pairs at the border give a false "does not
hold" in a quarter of all studies: the lowest of forty estimates is low by chance. Here the upper end is simultaneous, from
the joint distribution of all pairs' t statistics (max-t; Romano & Wolf 2005), which the shared deletions of topics give. The
lower end need not be: all pairs lie above a value exactly where the lowest does, and that is one pair, whichever it is
(intersection-union; Berger 1982). A correction there would only cost power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rsa import split_half
from analysis.rsa.gram import Floats

DRAWS = 5_000


@dataclass(frozen=True)
class Lowest:
    """The lowest of the pairs' numbers, and the ends of its interval. `n` pairs were judged, `n_unknown` could not be;
    `deciding` is the pair whose upper end is lowest. `quantile`: of max-t, in place of Student's."""

    estimate: float
    low: float
    high: float
    deciding: int
    quantile: float
    n: int
    n_unknown: int


def max_t(without: Floats, level: float, seed: int, draws: int = DRAWS) -> float:
    """One-sided quantile of the largest t over pairs, from deletions (T, K): about Student's for one pair or for pairs that go
    together, up to Bonferroni's for pairs that do not.

    Every topic's deviations, of all pairs at once, get a random sign; t has each pair's own standard error in every draw.
    """
    t = len(without)
    deviations = without - without.mean(axis=0)
    norms = np.linalg.norm(deviations, axis=0)
    units = deviations / np.where(norms > 0, norms, 1.0)
    signs = 2.0 * np.random.default_rng((seed, t)).integers(2, size=(draws, t)) - 1
    z = signs @ units  # a sum of squares does not see signs: each pair's is 1
    return float(np.quantile((z / np.sqrt((1 - np.square(z) / t) * t / (t - 1))).max(axis=1), level))


def lowest(values: Floats, without: Floats, seed: int, level: float = 0.95) -> Lowest | None:
    """Interval of the lowest of K numbers from values (K) and their values without each topic (T, K); None where none is
    finite.

    The level is that of both ends together. The estimate is the lowest value moved by the selection's median error: the lowest
    estimate lies below the lowest truth, and with pairs alike in truth far below.
    """
    known = np.isfinite(values) & np.isfinite(without).all(axis=0)
    if not known.any():
        return None
    own, fewer = values[known], without[:, known]
    t = len(fewer)
    se = np.sqrt((t - 1) / t * np.square(fewer - fewer.mean(axis=0)).sum(axis=0))
    quantile = max_t(fewer, (1 + level) / 2, seed)
    upper = own + quantile * se
    at = int(np.argmin(upper))
    return Lowest(
        estimate=float(np.min(own + max(max_t(fewer, 0.5, seed), 0.0) * se)),
        low=float(np.min(own - split_half.t_quantile((1 + level) / 2, t - 1) * se)),
        high=float(upper[at]),
        deciding=int(np.flatnonzero(known)[at]),
        quantile=quantile,
        n=int(known.sum()),
        n_unknown=int((~known).sum()),
    )
