"""Representational dissimilarity matrices: their order, their distance, their comparison.

An RDM is the upper triangle of 1 - cosine over labels, row by row: (0,1), (0,2), ..., (E-2, E-1).
Spearman's rho of many RDMs is one matrix product of standardised ranks (average ranks for ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from analysis.rsa.gram import Bools, Floats


def pairs(n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each entry of an RDM over `n_labels` labels."""
    return np.triu_indices(n_labels, k=1)


def cosines(products: Floats) -> Floats:
    """Cosines (..., P) of all pairs of vectors from their inner products (..., E, E); NaN where a vector is zero."""
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    largest = np.max(np.abs(squares), axis=-1, keepdims=True)
    # What rounding leaves of a zero vector is not a direction.
    norms = np.sqrt(np.where(squares > 1e-12 * largest, squares, np.nan))
    i, j = pairs(products.shape[-1])
    return np.asarray(np.clip(products[..., i, j] / (norms[..., i] * norms[..., j]), -1.0, 1.0))


def rdms(products: Floats) -> Floats:
    """Cosine RDMs (..., P) from inner products of label means (..., E, E), which must be centred already."""
    return 1.0 - cosines(products)


def ranks(values: Floats) -> Floats:
    """Ranks (..., P), centred and scaled to unit norm, so that a product of two is Spearman's rho.

    NaN where an RDM holds a NaN or is constant: it has no rank order.
    """
    # Several times as fast as rankdata, which stays for the rows that have ties.
    order = np.argsort(values, axis=-1)
    r = np.empty(values.shape)
    np.put_along_axis(r, order, np.broadcast_to(np.arange(values.shape[-1], dtype=np.float64), values.shape), axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    tied = (ordered[..., 1:] == ordered[..., :-1]).any(axis=-1)
    if np.any(tied):
        r[tied] = rankdata(values[tied], axis=-1)
    r -= r.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(r, axis=-1, keepdims=True)
    bad = (norm == 0) | np.isnan(ordered[..., -1:])  # NaN sorts last
    return np.asarray(r / np.where(bad, np.nan, norm))


def spearman(a: Floats, b: Floats) -> Floats:
    """Spearman's rho of RDMs `a` (..., P) and `b` (..., P), entry by entry of the leading dimensions."""
    return np.asarray((ranks(a) * ranks(b)).sum(axis=-1))


@dataclass(frozen=True)
class Entries:
    """Which entries of an RDM are ranked, and what is taken out of their ranks.

    `kept` (P) marks the entries, None for all. `removed` (P) holds values whose ranks are projected out, so that a product of
    two is Spearman's partial correlation given them.
    """

    kept: Bools | None = None
    removed: Floats | None = None

    def ranks(self, entries: Floats) -> Floats:
        """Standardised ranks (..., P') of RDMs (..., P)."""
        own = ranks(entries if self.kept is None else entries[..., self.kept])
        if self.removed is None:
            return own
        out = ranks(self.removed if self.kept is None else self.removed[self.kept])
        rest = own - (own @ out)[..., None] * out
        norm = np.linalg.norm(rest, axis=-1, keepdims=True)
        # What rounding leaves when nothing but the removed values was there has no order.
        return np.asarray(rest / np.where(norm > 1e-9, norm, np.nan))

    def without(self, label: int, n_labels: int) -> Entries:
        """The same for the RDM over all labels but one."""
        i, j = pairs(n_labels)
        left = (i != label) & (j != label)
        return Entries(None if self.kept is None else self.kept[left], None if self.removed is None else self.removed[left])


EVERY = Entries()
