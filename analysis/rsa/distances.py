"""Cross-validated distances between labels: what noise adds to a distance, two halves of the topics do not share.

`a_i1` and `a_i2` are a label's mean over the topics of either half, centred over the labels inside that half. Noise is in every
squared length of one mean, and so in every plain cosine and distance; it has no expected part in a product across halves. No
whitening is specified, so neither distance is "crossnobis". Both come from the Gram matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram, pairwise, rdm
from analysis.rsa.gram import Bools, Design, Floats

UNDEFINED = "a label's cross-validated squared length is not positive"
"""Why an entry of `cos_cv` is NaN."""
UNREADABLE = "a label's cross-validated squared length is within two standard errors of 0"
"""Why an entry of `cos_cv` that is a number should still not be read (see `CrossValidated.readable`)."""


@dataclass(frozen=True)
class CrossValidated:
    """Entries in the order of `rdm.pairs`. Standard errors are over topics: delete-one jackknife, the topic dropped in place
    from its half, the halvings unchanged (as `inference.Reliability`).

    `euclid_cv` is unbiased, has the units of the squared activations and may be negative; so may `square_cv`, a label's own
    squared length, a_i1.a_i2: the factors of `cos_cv`. That is never clipped and may leave [-1, 1]; it is NaN where a factor is
    not positive, and so is its error where one is without some topic. It is consistent, not unbiased: a factor within a few of
    its own errors makes it too large in size, without limit. `n_undefined` counts the halvings in which a factor of the entry
    is not positive; these do not leave `cos_cv` out.
    """

    cos_cv: Floats  # (P,)
    cos_cv_se: Floats  # (P,)
    euclid_cv: Floats  # (P,)
    euclid_cv_se: Floats  # (P,)
    square_cv: Floats  # (E,)
    square_cv_se: Floats  # (E,)
    n_undefined: NDArray[np.int64]  # (P,), of N halvings

    @property
    def readable(self) -> Bools:
        """Entries (P,) of `cos_cv` whose factors are both over two standard errors above 0, as is asked of a reliability."""
        stands = self.square_cv - 2 * self.square_cv_se > 0
        i, j = rdm.pairs(len(stands))
        return np.asarray(stands[i] & stands[j] & np.isfinite(self.cos_cv))


def cross_validated(cell_sums: Floats, design: Design, first: Bools) -> CrossValidated:
    """Cosines and squared distances of all pairs of labels from `gram.cells` (E, T, E, T) and halvings `first` (N, T).

    cos_cv(i, j) = (a_i1.a_j2 + a_j1.a_i2) / (2 sqrt((a_i1.a_i2)(a_j1.a_j2))), euclid_cv(i, j) = (a_i - a_j)_1 . (a_i - a_j)_2.
    Every product is averaged over the halvings before the one division and root. The mean of ratios is no alternative: a
    factor near zero in a single halving would outweigh all others, and to drop the halvings whose factor is not positive
    is to choose them by their noise. The complement of a half is the other. Raises ValueError where a half, or a half
    without one of its topics, leaves a label without stories (halves of fewer than two topics do).
    """
    products, without = _across(cell_sums, design, first)
    # What rounding leaves of a zero vector is no length: it is small against what centring over the labels took away.
    floor = 1e-12 * float(np.abs(products).max())
    products, without = _symmetric(products), _symmetric(without)
    mean = products.mean(axis=0)
    undefined = np.diagonal(products, axis1=-2, axis2=-1) <= floor  # (N, E)
    i, j = rdm.pairs(len(design.labels))
    return CrossValidated(
        cos_cv=_cosines(mean, floor),
        cos_cv_se=pairwise.jackknife_se(_cosines(without, floor)),
        euclid_cv=_squared(mean),
        euclid_cv_se=pairwise.jackknife_se(_squared(without)),
        square_cv=np.diagonal(mean).copy(),
        square_cv_se=pairwise.jackknife_se(np.diagonal(without, axis1=-2, axis2=-1)),
        n_undefined=(undefined[:, i] | undefined[:, j]).sum(axis=0),
    )


def _across(cell_sums: Floats, design: Design, first: Bools) -> tuple[Floats, Floats]:
    """Inner products of label means over one half with those over the other, not centred, in each halving (N, E, E); and their
    mean over halvings without each topic (T, E, E)."""
    e, t = cell_sums.shape[:2]
    one, two = first.astype(np.float64), (~first).astype(np.float64)
    n_one, n_two = one @ design.counts.T, two @ design.counts.T  # (N, E)
    # One side of the products summed: a single topic of a label, against a half of the topics of another, (N, T, E, E).
    by_topic = cell_sums.transpose(3, 1, 0, 2).reshape(t, -1)
    with_one, with_two = ((half @ by_topic).reshape(-1, t, e, e) for half in (one, two))
    sums = (one[:, None] @ with_two.reshape(-1, t, e * e)).reshape(-1, e, e)
    without = np.empty((t, e, e))
    for unit in range(t):
        in_one = first[:, unit]
        lost = np.where(in_one[:, None, None], with_two[:, unit], with_one[:, unit].swapaxes(1, 2))
        left_one = n_one - in_one[:, None] * design.counts[:, unit]
        left_two = n_two - ~in_one[:, None] * design.counts[:, unit]
        without[unit] = _means(sums - lost, left_one, left_two).mean(axis=0)
    return _means(sums, n_one, n_two), without


def _means(sums: Floats, n_one: Floats, n_two: Floats) -> Floats:
    """Products of label means (N, E, E) from those of sums, and the stories of each label in both halves, (N, E) each."""
    if (n_one <= 0).any() or (n_two <= 0).any():
        raise ValueError("a half, or a half without one of its topics, leaves a label without stories")
    return np.asarray(sums / n_one[:, :, None] / n_two[:, None, :])


def _symmetric(products: Floats) -> Floats:
    """Centred over the labels inside both halves, and averaged over which half comes first."""
    centred = gram.centred_products(products)
    return np.asarray((centred + centred.swapaxes(-1, -2)) / 2)


def _cosines(products: Floats, floor: float) -> Floats:
    """(..., P) from symmetric products (..., E, E); NaN where a squared length is not above `floor`."""
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    lengths = np.sqrt(np.where(squares > floor, squares, np.nan))
    i, j = rdm.pairs(products.shape[-1])
    return np.asarray(products[..., i, j] / (lengths[..., i] * lengths[..., j]))


def _squared(products: Floats) -> Floats:
    """Squared distances (..., P) from symmetric products (..., E, E)."""
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    i, j = rdm.pairs(products.shape[-1])
    return np.asarray(squares[..., i] + squares[..., j] - 2 * products[..., i, j])
