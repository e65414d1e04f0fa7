"""Is there any agreement across passages? Two permutation tests of rho_cross, and their maximum, for all pairs at once.

`p_mantel` permutes the labels of one side. It is right where the geometries are unrelated, however strong; where labels mean
nothing its level is 1 - Phi(1.645 / sqrt(1 + r^2)), r the rho_same of meaningless labels: up to 12%, since both sides read the
same passages. `p_shuffle` exchanges labels among the stories of a topic, alike on both sides. It is exact where labels mean
nothing, and wrong for unrelated geometries that are strong. `p_cross`, the larger, holds its level in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from analysis.rsa import floor, pairwise, parallel, rdm
from analysis.rsa.gram import Bools, Design, Floats


def factor(k: Floats) -> Floats:
    """Patterns F (S, R) with F F^T = K (S, S), R its rank: as good as the activations, and often much narrower."""
    values, vectors = np.linalg.eigh(k)
    kept = values > 1e-10 * values[-1]
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def label_ranks(f: Floats, design: Design, draws: Bools, label: NDArray[np.int64] | None = None) -> Floats:
    """Standardised ranks (D, P) of the RDMs from the units of each draw (D, T), of patterns `f` (S, R).

    `label` (S): labels that stand for the design's own; each must have as many stories in every unit. Raises ValueError where a
    draw leaves a label without stories.
    """
    e, t = len(design.labels), len(design.units)
    own = design.label if label is None else label
    member = csr_array((np.ones(len(own)), (own * t + design.unit, np.arange(len(own)))), shape=(e * t, len(own)))
    sums = np.asarray(member @ f).reshape(e, t, -1).transpose(1, 0, 2).reshape(t, -1)
    weights = draws.astype(np.float64)
    n = weights @ design.counts.T
    if (n <= 0).any():
        raise ValueError("a draw leaves a label without stories")
    means = (weights @ sums).reshape(len(draws), e, -1) / n[:, :, None]
    means -= means.mean(axis=1, keepdims=True)
    return rdm.ranks(rdm.rdms(means @ means.transpose(0, 2, 1)))


def split_ranks(f: Floats, design: Design, first: Bools, second: Bools, label: NDArray[np.int64] | None = None) -> Floats:
    """Standardised ranks (N, 2, P) of the RDMs from two disjoint sets of units, `first` and `second` (N, T)."""
    draws = np.stack([first, second], axis=1).reshape(-1, first.shape[1])
    return label_ranks(f, design, draws, label).reshape(len(first), 2, -1)


def shuffled_cross(
    factors: Sequence[Floats], design: Design, first: Bools, second: Bools, shuffles: NDArray[np.int64]
) -> Floats:
    """rho_cross of all pairs under each assignment of labels (m, S), the same for every reader: (m, C, C). The diagonal is each
    reader's reliability under labels that mean nothing."""

    def under(label: NDArray[np.int64]) -> Floats:
        return pairwise.cross_halves(np.stack([split_ranks(f, design, first, second, label) for f in factors]))

    return np.stack(parallel.each(under, shuffles))


class Mantel:
    """Permutations of labels (m, E) as places in a table of products over entries, which no pair changes."""

    def __init__(self, n_labels: int, permutations: NDArray[np.int64]) -> None:
        i, j = rdm.pairs(n_labels)
        n = len(i)
        place = np.zeros((n_labels, n_labels), dtype=np.int64)
        place[i, j] = place[j, i] = np.arange(n)
        self._at = np.arange(n) * n + place[permutations[:, i], permutations[:, j]]  # (m, P)

    def p(self, a: Floats, b: Floats) -> float:
        """(1 + #{permuted >= rho_cross}) / (1 + m), one-sided, from the ranks (N, 2, P) of two readers: one permutation of b's
        labels for all splits."""
        table = (a[:, 0].T @ b[:, 1] + a[:, 1].T @ b[:, 0]) / (2 * len(a))  # (P, P)
        permuted = np.concatenate([table.ravel()[at].sum(axis=1) for at in np.array_split(self._at, 8)])
        return as_good(permuted, float(np.trace(table)))


def as_good(null: Floats, observed: float) -> float:
    """(1 + #{null >= observed}) / (1 + m): the observed order is one of those that could have been."""
    return (1 + int(np.count_nonzero(null >= observed - 1e-12))) / (1 + len(null))


@dataclass(frozen=True)
class Tested:
    """p of every pair (C, C), NaN on the diagonal and where no test was asked for; `shuffled` (m, C, C) as `shuffled_cross`."""

    rho_cross: Floats
    p_mantel: Floats
    p_shuffle: Floats
    shuffled: Floats

    @property
    def p_cross(self) -> Floats:
        """The larger of both: small only where neither kind of chance gives as much."""
        return np.maximum(self.p_mantel, self.p_shuffle)


def both_tests(
    grams: Sequence[Floats],
    design: Design,
    splits: tuple[Bools, Bools],
    permutations: NDArray[np.int64],
    n_shuffles: int,
    seed: int,
    asked: Bools | None = None,
) -> Tested:
    """Both tests of rho_cross for all pairs of readers, given by their Gram matrices (S, S) over the same stories.

    `splits`: disjoint sets of units (N, T) each; some twenty halvings are enough, for the tests are as valid with few.
    `permutations` (m, E), m at least 9,999 where a p is to be adjusted; `asked` (C, C): pairs that are tested by Mantel's.
    """
    first, second = splits
    factors = parallel.each(factor, grams)
    ranks = parallel.each(lambda f: split_ranks(f, design, first, second), factors)
    observed = pairwise.cross_halves(np.stack(ranks))
    null = shuffled_cross(factors, design, first, second, floor.shuffles(design, n_shuffles, seed))
    c = len(factors)
    upper = np.triu(np.ones((c, c), dtype=bool) if asked is None else asked, k=1)
    mantel = Mantel(len(design.labels), permutations)
    p = np.full((2, c, c), np.nan)

    def of(pair: tuple[int, int]) -> tuple[float, float]:
        a, b = pair
        return mantel.p(ranks[a], ranks[b]), as_good(null[:, a, b], float(observed[a, b]))

    at = [(int(a), int(b)) for a, b in np.argwhere(upper)]
    for (a, b), found in zip(at, parallel.each(of, at), strict=True):
        p[:, a, b] = p[:, b, a] = found
    return Tested(observed, p[0], p[1], null)
