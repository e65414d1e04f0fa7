"""The variance view of a factorial design: how much of the spread of RDMs goes with each factor, against topic blocks.

The response of a cell is the standardised ranks of its RDM, so that |y - y'|^2 = 2 (1 - Spearman's rho): sums of squares add up
dissimilarities of RDMs. Cells are a full factorial of factors, crossed with disjoint blocks of topics as replicates.

Unlike rho_dis nothing is disattenuated here. Noise shortens the mean of standardised ranks, so a factor that changes nothing
but the noise is an effect in this view; its share is to be read beside the reliabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, permutations, product
from math import factorial

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram, rdm
from analysis.rsa.gram import Bools, Design, Floats

FEWEST_BLOCKS = 6
FEWEST_PERMUTATIONS = 200


@dataclass(frozen=True)
class FactorVariance:
    """One factor's part. What does not exist is None, with the `reason`.

    `p` is (1 + #{permuted SS_f >= SS_f}) / (1 + m) over `n_permutations` = m permutations of the factor's levels within blocks.
    """

    factor: str
    share: float | None  # SS_f / SS_total
    against_blocks: float | None  # SS_f / (SS_f + SS_fxblock)
    p: float | None
    n_permutations: int
    reason: str | None


def blocks(n_units: int, n_blocks: int, seed: int) -> Bools:
    """Disjoint random blocks of units that together hold all of them, bool (B, T); their sizes differ by one at most.

    Raises ValueError where a block would be empty.
    """
    if not 1 <= n_blocks <= n_units:
        raise ValueError(f"{n_units} units do not fill {n_blocks} blocks")
    own = np.random.default_rng((seed, n_units, n_blocks)).permutation(np.arange(n_units) % n_blocks)
    return np.asarray(own == np.arange(n_blocks)[:, None])


def block_ranks(cell_sums: Floats, design: Design, members: Bools) -> Floats:
    """Standardised ranks (B, P) of one reader's RDM in each block of `members` (B, T), centred over the labels inside it.

    NaN where a label's vector is zero. Raises ValueError where a block leaves a label without stories.
    """
    return rdm.ranks(rdm.rdms(gram.centred_products(gram.label_products(cell_sums, design, members))))


def variance_view(y: Floats, factors: Sequence[str], wanted: int, seed: int) -> list[FactorVariance]:
    """The part of every factor in the variance of `y` (levels_1, ..., levels_k, B, P), standardised ranks.

    SS_f = n sum over levels |mean of the level - grand mean|^2, with n responses to a level; SS_fxblock the like of the means
    of level and block after both main effects. `wanted`: permutations of a test, see `permutation_p`. Raises ValueError where
    the dimensions of y are not one per factor, blocks and entries, or a factor has fewer than two levels.
    """
    if y.ndim != len(factors) + 2 or min(y.shape[:-2], default=0) < 2:
        raise ValueError(f"responses of shape {y.shape} for {len(factors)} factors of at least two levels, blocks and entries")
    n_blocks = y.shape[-2]
    nothing = None
    if not np.isfinite(y).all():
        nothing = "a cell has no RDM in some block"
    elif n_blocks < FEWEST_BLOCKS:
        nothing = f"{n_blocks} blocks of topics; {FEWEST_BLOCKS} are the fewest"
    if nothing:
        return [FactorVariance(name, None, None, None, 0, nothing) for name in factors]
    total = float(np.square(y - y.mean(axis=tuple(range(y.ndim - 1)))).sum())
    return [_of_factor(name, level_means(y, axis), total, y[..., 0].size, wanted, seed) for axis, name in enumerate(factors)]


def level_means(y: Floats, axis: int) -> Floats:
    """Means (levels, B, P) of the responses to each level of the factor at `axis` in each block, over all other factors."""
    others = tuple(a for a in range(y.ndim - 2) if a != axis)
    return np.asarray(y.mean(axis=others))


def _of_factor(name: str, means: Floats, total: float, n_responses: int, wanted: int, seed: int) -> FactorVariance:
    levels, n_blocks = means.shape[:2]
    within = means - means.mean(axis=0)  # what a block does to all levels alike is no part of either sum
    of_levels = within.mean(axis=1)
    ss = n_responses / levels * float(np.square(of_levels).sum())
    with_block = n_responses / levels / n_blocks * float(np.square(within - of_levels[:, None]).sum())
    if total <= 1e-12 * n_responses:
        return FactorVariance(name, None, None, None, 0, "all cells have one RDM in all blocks")
    if ss + with_block <= 1e-12 * total:
        return FactorVariance(name, ss / total, None, None, 0, "the factor changes no RDM in any block")
    parts = ss / total, ss / (ss + with_block)
    if (count := distinct_permutations(levels, n_blocks)) < FEWEST_PERMUTATIONS:
        reason = f"p: {levels} levels in {n_blocks} blocks: {count} distinct permutations, fewer than {FEWEST_PERMUTATIONS}"
        return FactorVariance(name, *parts, None, 0, reason)
    p, drawn = permutation_p(means, wanted, seed)
    return FactorVariance(name, *parts, p, drawn, None)


def distinct_permutations(levels: int, n_blocks: int) -> int:
    """How many values SS_f can take: (levels!)^(B - 1).

    Each of B blocks can be permuted in levels! ways, but to rename the levels in all blocks at once moves no distance between
    level means. Of (levels!)^B permutations each value therefore comes from levels! of them, and no p is below one over the
    number given here, which is why it is this one that has to reach `FEWEST_PERMUTATIONS`.
    """
    return int(factorial(levels) ** (n_blocks - 1))


def permutation_p(means: Floats, wanted: int, seed: int) -> tuple[float, int]:
    """p of SS_f, and the number m of permutations behind it, from `means` (levels, B, P).

    Levels are exchanged within blocks, in the same way at all levels of the other factors: to do so in the responses or in
    their means over the other factors is one and the same. `wanted` random permutations, or all distinct ones but the identity
    where these are not more.
    """
    levels, n_blocks, _ = means.shape
    order = _permutations(levels, n_blocks, wanted, seed)  # (m, B, levels)
    within = means - means.mean(axis=0)
    # Squared length of the level means from inner products alone: an SS_f costs levels B^2 additions, whatever P.
    flat = within.transpose(1, 0, 2).reshape(n_blocks * levels, -1)
    products = flat @ flat.T
    observed = _spread(products, np.tile(np.arange(levels), (1, n_blocks, 1)))[0]
    permuted = _spread(products, order)
    as_large = int(np.count_nonzero(permuted >= observed - 1e-9 * np.trace(products)))
    return (1 + as_large) / (1 + len(order)), len(order)


def _spread(products: Floats, order: NDArray[np.int64]) -> Floats:
    """SS_f (m) up to a constant, for levels exchanged as `order` (m, B, levels) says."""
    m, n_blocks, levels = order.shape
    chosen = np.zeros((m, levels, n_blocks * levels))
    at = order + levels * np.arange(n_blocks)[:, None]
    np.put_along_axis(chosen, at.swapaxes(1, 2), 1.0, axis=2)
    return np.asarray(((chosen @ products) * chosen).sum(axis=(1, 2)))


def _permutations(levels: int, n_blocks: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Orders of the levels in every block, (m, B, levels). The first block of a full list stays as it is."""
    if distinct_permutations(levels, n_blocks) <= wanted + 1:
        every = list(permutations(range(levels)))
        others = islice(product(every, repeat=n_blocks - 1), 1, None)  # the first is the identity
        return np.array([(every[0], *orders) for orders in others], dtype=np.int64).reshape(-1, n_blocks, levels)
    rng = np.random.default_rng((seed, levels, n_blocks))
    return rng.permuted(np.tile(np.arange(levels), (wanted, n_blocks, 1)), axis=2)
