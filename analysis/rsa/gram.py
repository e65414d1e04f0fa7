"""The Gram engine: every statistic of one layer, from inner products of stimuli alone.

For one layer, with activations centred first (float64: the means are large against the differences), `K = A A^T` over
stimuli holds all that cosine RDMs, halves, jackknife and held-out accuracy need. The hidden dimension is touched once. A *draw*
is a weighting of topics; inner products of label means under a draw are quadratic forms in K.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Design:
    """How stimuli are labelled, and by what they are resampled.

    `labels` (E) are emotions; `units` (T) are topics. Where stories are not crossed with topics (`crossed` is False), a unit is
    one story of each label; where labels have unequally many, a fold: the stories of every label are dealt out to as many
    folds as the smallest label has stories, so that no half is without a label.
    """

    labels: list[str]
    units: list[str]
    label: NDArray[np.int64]  # (S,) index into labels
    unit: NDArray[np.int64]  # (S,) index into units
    crossed: bool

    @property
    def unit_name(self) -> str:
        """What is resampled, in the tables' word."""
        return "topic" if self.crossed else "story" if (self.counts == 1).all() else "fold"

    @property
    def counts(self) -> NDArray[np.int64]:
        """Stories in each cell, (E, T)."""
        counts = np.zeros((len(self.labels), len(self.units)), dtype=np.int64)
        np.add.at(counts, (self.label, self.unit), 1)
        return counts

    @classmethod
    def of(cls, emotions: Sequence[str], topics: Sequence[str], asked_of_every_label: bool = False) -> Design:
        """Labels sorted, units sorted. Stories are crossed when every label has every topic, or was asked for it and lacks a
        text or two (a prompt stays a unit where some label's text is missing: its halves share no prompt)."""
        labels, label = np.unique(np.asarray(emotions, dtype=str), return_inverse=True)
        units, unit = np.unique(np.asarray(topics, dtype=str), return_inverse=True)
        whole = len(np.unique(label * len(units) + unit)) == len(labels) * len(units)
        crossed = len(units) > 1 and (whole or asked_of_every_label)
        if not crossed:
            folds = np.bincount(label).min()
            word = "story" if len(label) == folds * len(labels) else "fold"
            units, unit = np.array([f"{word} {n + 1}" for n in range(folds)]), ranks_within(label) % folds
        return cls([str(x) for x in labels], [str(x) for x in units], label.astype(np.int64), unit.astype(np.int64), crossed)


def ranks_within(label: NDArray[np.integer]) -> NDArray[np.int64]:
    """Of each story (S,) how many of its own label stand before it."""
    rank = np.zeros(len(label), dtype=np.int64)
    for e in np.unique(label):
        rank[label == e] = np.arange(np.count_nonzero(label == e))
    return rank


def centre(activations: NDArray[np.floating]) -> Floats:
    """Activations (S, H) as float64, minus their mean over stimuli. A common translation moves no label difference."""
    a = np.array(activations, dtype=np.float64)  # a copy, made once: a layer of a large model is tens of megabytes
    a -= a.mean(axis=0)
    return a


def gram(activations: NDArray[np.floating], components: Floats | None = None) -> Floats:
    """K (S, S): inner products of centred stimuli, after removal of orthonormal `components` (C, H) if given."""
    a = centre(activations)
    k: Floats = a @ a.T
    if components is not None and len(components):
        along = a @ components.T
        k = k - along @ along.T
    return k


def first_component(k: Floats) -> tuple[Floats, float] | None:
    """Scores (S,) of the stories on their first principal component, scaled to length 1 and of either sign, and its share of
    their variance, from K (S, S), which is centred over them once more. None where the stories do not differ."""
    centred = centred_products(k)
    total = float(np.trace(centred))
    if total <= 1e-12 * float(np.abs(k).max()):  # what rounding leaves
        return None
    start = np.arange(1.0, len(k) + 1)  # a start of its own choice would be drawn at random
    value, scores = eigsh(centred, k=1, v0=start)
    return np.asarray(scores[:, 0]), float(value[0]) / total


def with_cells(k: Floats, design: Design) -> Floats:
    """Sums of K (N, S) over the stories of each cell of label and unit: (N, E, T)."""
    e, t = len(design.labels), len(design.units)
    cell = design.label * t + design.unit
    if (design.counts == 1).all():  # a sum of one story each: only the order changes
        return np.take(k, np.argsort(cell), axis=1).reshape(len(k), e, t)
    member = np.zeros((k.shape[1], e * t))
    member[np.arange(k.shape[1]), cell] = 1.0
    return (k @ member).reshape(len(k), e, t)


def cells(k: Floats, design: Design) -> Floats:
    """Sums of K (S, S) over the stories of each pair of cells: (E, T, E, T)."""
    e, t = len(design.labels), len(design.units)
    return with_cells(with_cells(k, design).reshape(len(k), -1).T, design).reshape(e, t, e, t)


def label_products(cell_sums: Floats, design: Design, draws: NDArray[np.floating] | Bools, chunk: int = 256) -> Floats:
    """Inner products of label means under each draw: (D, E, E).

    `draws` (D, T) weighs units; a label's mean is over all its stories in the draw. Raises ValueError where a draw leaves a
    label without stories.
    """
    weights = np.asarray(draws, dtype=np.float64)
    totals = weights @ design.counts.T  # (D, E)
    if (totals <= 0).any():
        raise ValueError("a draw leaves a label without stories")
    e, t = cell_sums.shape[:2]
    # w' K w over the units of every pair of labels, as one matrix product with the draws' outer products. Both are symmetric:
    # half of the pairs of labels, and half of the pairs of units, say all.
    i, j = np.triu_indices(e)
    t1, t2 = np.triu_indices(t)
    by_pair = cell_sums[i[:, None], t1, j[:, None], t2] + np.where(t1 == t2, 0.0, cell_sums[i[:, None], t2, j[:, None], t1])
    pair = np.empty((e, e), dtype=np.int64)
    pair[i, j] = pair[j, i] = np.arange(len(i))
    products = np.empty((len(weights), e, e))
    for start in range(0, len(weights), chunk):
        own = slice(start, start + chunk)
        found = (weights[own, t1] * weights[own, t2]) @ by_pair.T
        found /= totals[own, i] * totals[own, j]
        np.take(found, pair, axis=1, out=products[own], mode="clip")  # any other mode than "raise" needs no buffer
    return products


def centred_products(products: Floats) -> Floats:
    """Inner products (..., E, E) of label means after centring over the labels."""
    each = np.full(products.shape[-1], 1 / products.shape[-1])  # a mean as a product: numpy is slow to sum over short axes
    rows, columns = products @ each, each @ products
    centred: Floats = products - rows[..., None]
    centred -= columns[..., None, :]
    centred += (rows @ each)[..., None, None]
    return centred
