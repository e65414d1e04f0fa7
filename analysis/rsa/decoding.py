"""Cross-model decoding: A's label centroids, turned into B's space, name B's held-out stories.

The map is an orthogonal Procrustes map (Schönemann 1966), fitted on the centroids of the training topics. It turns and
mirrors and moves; it does not stretch. Widths may differ: everything comes from Gram matrices. Two sets of E centroids at
equal distances can be turned onto one another whatever their labels, so that accuracy alone shows nothing: beside it stands
the same with A's labels in a random order, and the accuracy on labels that the map was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram
from analysis.rsa.gram import Bools, Design, Floats

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Fold:
    """One training set of topics: inner products of both readers' label centroids (E, E), and of B's held-out stories (S') with
    B's centroids (S', E)."""

    a: Floats
    b: Floats
    stories: Floats
    label: NDArray[np.int64]  # (S',)
    at: NDArray[np.int64]  # (S',) of the stories


def folds(k_a: Floats, k_b: Floats, design: Design, n: int, seed: int) -> list[Fold]:
    """`n` folds of the topics, each held out once. Raises ValueError where a training set leaves a label without stories."""
    t = len(design.units)
    order = np.random.default_rng((seed, t)).permutation(t)
    cells_a, cells_b = gram.cells(k_a, design), gram.cells(k_b, design)
    with_b = gram.with_cells(k_b, design)
    made = []
    for held_out in np.array_split(order, min(n, t)):
        training = np.ones((1, t), dtype=bool)
        training[0, held_out] = False
        stories = np.flatnonzero(np.isin(design.unit, held_out))
        weights = training[0].astype(np.float64)
        centroids = (with_b[stories] @ weights) / (design.counts @ weights)
        a, b = (gram.label_products(c, design, training)[0] for c in (cells_a, cells_b))
        made.append(Fold(a, b, centroids, design.label[stories], stories))
    return made


def guesses(fold: Fold, orders: NDArray[np.int64], fitted: Bools, named: Bools) -> NDArray[np.int64]:
    """What A's centroids call B's held-out stories: (D, S'), a label for each of D orders of A's labels.

    `orders` (D, E): label e of B stands against label orders[e] of A. The map is fitted on the labels `fitted` (E), centred
    over them; a story goes to the label among `named` (E) whose turned centroid has the highest cosine with it.
    """
    k, to = np.flatnonzero(fitted), np.flatnonzero(named)
    basis_b, values_b = _basis(_centred(fold.b, k)[np.ix_(k, k)])
    # coordinates of B's stories in the space of its centroids (S', R): Vb' y = Sb^-1 Ub' (Cb y)
    y = fold.stories[:, k] - fold.b[np.ix_(k, k)].mean(axis=0)
    y = (y - y.mean(axis=1, keepdims=True)) @ basis_b / np.sqrt(values_b)
    found = np.empty((len(orders), len(fold.label)), dtype=np.int64)
    for n, order in enumerate(orders):
        a = _centred(fold.a[np.ix_(order, order)], k)
        basis_a, values_a = _basis(a[np.ix_(k, k)])
        # Ca' Cb in the coordinates of both centroid spaces, and its nearest orthogonal map
        product = np.sqrt(values_a)[:, None] * (basis_a.T @ basis_b) * np.sqrt(values_b)
        left, _, right = np.linalg.svd(product, full_matrices=False)
        turned = (a[np.ix_(to, k)] @ basis_a / np.sqrt(values_a)) @ left @ right  # (E', R)
        norms = np.linalg.norm(turned, axis=1)
        found[n] = to[np.argmax(y @ turned.T / np.where(norms > 0, norms, np.inf), axis=1)]
    return found


def _centred(products: Floats, k: NDArray[np.int64]) -> Floats:
    """Inner products (E, E) after the mean of the vectors `k` is taken from all."""
    mean = products[:, k].mean(axis=1)
    return np.asarray(products - mean[:, None] - mean[None, :] + mean[k].mean())


def _basis(products: Floats) -> tuple[Floats, Floats]:
    """Eigenvectors (E, R) and eigenvalues (R) above rounding."""
    values, vectors = np.linalg.eigh(products)
    kept = values > TOLERANCE * values[-1]
    return vectors[:, kept], values[kept]


@dataclass(frozen=True)
class Decoded:
    """`right` (S): B's stories that A names rightly while their topic is held out. `accuracy`, and `by_chance` (D): the same
    with A's labels in random orders. `new`, `new_by_chance`: on labels that the map was not fitted on, among these alone."""

    right: Bools
    accuracy: float
    by_chance: Floats
    new: float
    new_by_chance: Floats

    @property
    def p(self) -> float:
        return (1 + int(np.count_nonzero(self.by_chance >= self.accuracy - 1e-12))) / (1 + len(self.by_chance))

    @property
    def p_new(self) -> float:
        return (1 + int(np.count_nonzero(self.new_by_chance >= self.new - 1e-12))) / (1 + len(self.new_by_chance))

    def where(self, wrong: Bools) -> float:
        """Accuracy on some stories (S), such as those that words name wrongly; NaN where there are none."""
        return float(self.right[wrong].mean()) if wrong.any() else float("nan")


def decode(k_a: Floats, k_b: Floats, design: Design, shuffles: int, seed: int, n_folds: int = 6, n_new: int = 5) -> Decoded:
    """From A to B, by their Gram matrices (S, S) over the same stories. `n_new`: labels at a time that the map does not see.

    Raises ValueError where a training set leaves a label without stories.
    """
    e = len(design.labels)
    rng = np.random.default_rng((seed, e))
    orders = np.concatenate([np.arange(e)[None], rng.permuted(np.tile(np.arange(e), (shuffles, 1)), axis=1)])
    groups = [np.isin(np.arange(e), g) for g in np.array_split(rng.permutation(e), max(e // n_new, 1))]
    right = np.zeros((len(orders), len(design.label)), dtype=bool)
    new = np.zeros_like(right)
    for fold in folds(k_a, k_b, design, n_folds, seed):
        everyone = np.ones(e, dtype=bool)
        right[:, fold.at] = guesses(fold, orders, everyone, everyone) == fold.label
        for group in groups if len(groups) > 1 else []:
            own = group[fold.label]
            new[:, fold.at[own]] = (guesses(fold, orders, ~group, group) == fold.label)[:, own]
    share, share_new = right.mean(axis=1), new.mean(axis=1)
    return Decoded(right[0], float(share[0]), share[1:], float(share_new[0]), share_new[1:])
