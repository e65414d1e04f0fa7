"""Which labels carry the agreement of two readers, and does it hang on these labels?

A label's row of an RDM is its distances from all others. Rows are ranked by themselves: a row agrees where both readers put the
same labels near that one. Passages are never shared: one side on one half of the topics, the other on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rsa import gram, pairwise, parallel, rdm, split_half
from analysis.rsa.gram import Bools, Design, Floats

SMALLEST = 5
"""Labels of the smallest subset: 10 pairs."""


def rows(products: Floats) -> Floats:
    """Standardised ranks (..., E, E - 1) of each label's distances from the others, from products of label means (..., E,
    E)."""
    e = products.shape[-1]
    i, j = rdm.pairs(e)
    square = np.zeros(products.shape)
    square[..., i, j] = square[..., j, i] = rdm.rdms(gram.centred_products(products))
    others = np.array([[k for k in range(e) if k != label] for label in range(e)])
    return rdm.ranks(np.take_along_axis(square, np.broadcast_to(others, (*products.shape[:-2], e, e - 1)), axis=-1))


@dataclass(frozen=True)
class Rows:
    """Of each label (E): rho_cross of its row between the readers, with its jackknife standard error over topics, and of either
    reader's with itself."""

    rho_cross: Floats
    se: Floats
    reliability_a: Floats
    reliability_b: Floats


def per_emotion(cells_a: Floats, cells_b: Floats, design: Design, first: Bools) -> Rows:
    """Row by row from `gram.cells` (E, T, E, T) of two readers and halvings (N, T). Raises ValueError where a half without
    one of its topics leaves a label without stories."""
    n, t = first.shape
    e = len(design.labels)

    def made(cells: Floats) -> tuple[Floats, Floats]:
        halves = np.stack([first, ~first], axis=1).reshape(-1, t)
        fewer = split_half.without_one(first, ~first).reshape(-1, t)
        own = rows(gram.label_products(cells, design, halves)).reshape(n, 2, e, e - 1)
        return own, rows(gram.label_products(cells, design, fewer)).reshape(n, t, e, e - 1)

    (a, a_fewer), (b, b_fewer) = parallel.each(made, (cells_a, cells_b))
    without = []
    for unit in range(t):
        in_first = first[:, unit][:, None, None]
        a_other, b_other = (np.where(in_first, x[:, 1], x[:, 0]) for x in (a, b))
        without.append(((a_fewer[:, unit] * b_other).sum(-1) + (b_fewer[:, unit] * a_other).sum(-1)).mean(axis=0) / 2)
    cross = ((a[:, 0] * b[:, 1]).sum(-1) + (a[:, 1] * b[:, 0]).sum(-1)).mean(axis=0) / 2
    own_a, own_b = ((x[:, 0] * x[:, 1]).sum(-1).mean(axis=0) for x in (a, b))
    return Rows(cross, pairwise.jackknife_se(np.stack(without)), own_a, own_b)


@dataclass(frozen=True)
class Subset:
    """Every pair of readers over random subsets of `n_labels` labels, each centred anew: numbers (K, C, C)."""

    n_labels: int
    rho_cross: Floats
    rho_dis: Floats  # NaN where a reliability of the subset is below .1


def curve(cells: Sequence[Floats], design: Design, first: Bools, wanted: int, seed: int) -> list[Subset]:
    """Subsets of 5, 6, ... all labels, `wanted` of each size (one of all): what the numbers owe to which labels were chosen."""
    e, t = len(design.labels), first.shape[1]
    draws = np.stack([first, ~first], axis=1).reshape(-1, t)
    products = parallel.each(lambda c: gram.label_products(c, design, draws), cells)  # C of (2 N, E, E)

    def over(size: int) -> Subset:
        rng = np.random.default_rng((seed, size))
        made = []
        for _ in range(1 if size == e else wanted):
            k = np.sort(rng.permutation(e)[:size])
            ranks = [rdm.ranks(rdm.rdms(gram.centred_products(p[:, k[:, None], k]))) for p in products]
            made.append(pairwise.cross_halves(np.stack(ranks).reshape(len(cells), len(first), 2, -1)))
        cross = np.stack(made)
        own = np.diagonal(cross, axis1=-2, axis2=-1)
        weak = own < split_half.LOWEST_RELIABILITY
        dis = np.where(weak[:, :, None] | weak[:, None, :], np.nan, pairwise.disattenuated(cross))
        return Subset(size, cross, dis)

    return parallel.each(over, range(SMALLEST, e + 1))
