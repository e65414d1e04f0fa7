"""Which layer to compare: held-out accuracy, and the rules that choose.

`best_layer_cv`: nearest centroid over held-out topics; the smallest layer within one standard error of the maximum.
`best_layer_paper`: lowest mean pairwise cosine of the centred vectors (arXiv 2604.11050), whose floor -1/(n-1) is reached
whenever the unit vectors sum to zero, so that it ranks layers by how equal the vectors' norms are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram, rdm
from analysis.rsa.gram import Bools, Design, Floats


def held_out_guesses(k: Floats, cell_sums: Floats, design: Design, members: Bools) -> NDArray[np.int64]:
    """The label that each story is given while its unit is held out, (D, S); -1 for stories outside a draw, and where some
    centroid has no direction.

    `members` (D, T): the units of each draw. For each unit of it, centroids and their mean come from the draw's other units
    alone; a story goes to the label whose centred centroid has the highest cosine with the centred story.
    Raises ValueError where a training set leaves a label without stories.
    """
    training = members[:, None, :] & ~np.eye(members.shape[1], dtype=bool)[None]  # (D, T, T)
    usable = members & (training.sum(-1) > 0)
    products = np.full((*members.shape, len(design.labels), len(design.labels)), np.nan)
    products[usable] = gram.label_products(cell_sums, design, training[usable])
    with_mean = products.mean(-1)  # (D, T, E): each training centroid with the mean of all
    offsets = with_mean - with_mean.mean(-1, keepdims=True)
    squares = np.diagonal(products, axis1=-2, axis2=-1) - with_mean - offsets  # of the centred centroids
    # What rounding leaves of a zero vector is not a direction.
    norms = np.sqrt(np.where(squares > 1e-12 * squares.max(-1, keepdims=True), squares, np.nan))

    with_cells = gram.with_cells(k, design)
    guesses = np.full((len(members), len(k)), -1)
    for unit in np.flatnonzero(usable.any(axis=0)):
        draws, stories = np.flatnonzero(usable[:, unit]), np.flatnonzero(design.unit == unit)
        weights = training[draws, unit].T.astype(float)  # (T, D')
        scores = (with_cells[stories] @ weights) / (design.counts @ weights)  # (S', E, D'): each story with each centroid
        scores -= scores.mean(axis=1, keepdims=True) + offsets[draws, unit].T
        scores /= norms[draws, unit].T
        unknown = np.isnan(scores).any(axis=1)
        guesses[np.ix_(draws, stories)] = np.where(unknown, -1, np.argmax(scores, axis=1)).T
    return guesses


def accuracy_by_unit(guesses: NDArray[np.int64], design: Design) -> Floats:
    """Share of right guesses (D, S) in each unit, (D, T); NaN where a story of it has no guess."""
    hits = np.where(guesses < 0, np.nan, guesses == design.label)
    return np.stack([hits[:, design.unit == u].mean(axis=1) for u in range(len(design.units))], axis=1)


def held_out_accuracy(k: Floats, cell_sums: Floats, design: Design, members: Bools) -> Floats:
    """Accuracy on each held-out unit, (D, T); NaN for units outside a draw. See `held_out_guesses`."""
    return accuracy_by_unit(held_out_guesses(k, cell_sums, design, members), design)


@dataclass(frozen=True)
class Choice:
    """A chosen layer, and the lowest and highest layer that the rule finds as good."""

    layer: int
    low: int
    high: int


def accuracy_and_se(folds: Floats) -> tuple[Floats, Floats]:
    """Mean over held-out units of `folds` (..., T), and its standard error over them; NaN folds do not count."""
    used = ~np.isnan(folds)
    n = used.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(used, folds, 0).sum(-1) / n
        variance = np.where(used, np.square(folds - mean[..., None]), 0).sum(-1) / (n - 1)
        return mean, np.sqrt(variance / n)


def best_layer_cv(mean: Floats, se: Floats) -> Choice | None:
    """The smallest layer within one standard error of the maximum, from accuracies (L) and errors (L).

    Layers that are NaN do not stand for choice; None where no layer does.
    """
    if np.isnan(mean).all():
        return None
    top = int(np.nanargmax(mean))
    good = np.flatnonzero(mean >= mean[top] - (0.0 if np.isnan(se[top]) else se[top]))
    return Choice(int(good[0]), int(good[0]), int(good[-1]))


def best_layer_paper(mean_cosines: Floats) -> Choice | None:
    """The layer of the lowest mean pairwise cosine (L), the published rule; ties go to the smallest layer."""
    if np.isnan(mean_cosines).all():
        return None
    layer = int(np.nanargmin(mean_cosines))
    return Choice(layer, layer, layer)


def mean_pairwise_cosine(products: Floats) -> float:
    """Mean cosine over all pairs of centred label vectors, from their inner products (E, E)."""
    return float(rdm.cosines(products).mean())


def layer_at(depth: float, n_layers: int) -> int:
    """The layer at a depth in [0, 1], where depth = layer / n_layers."""
    return min(int(depth * n_layers + 0.5), n_layers - 1)
