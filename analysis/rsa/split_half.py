"""The numbers of a pair of readers, and of one: rho_same, rho_same_half, rho_cross, reliability.

Halves are halves of topics: the same topics for every label and on both sides, from one fixed list of halvings.
Centring over labels is redone inside every half and every deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.rsa import gram, rdm
from analysis.rsa.gram import Bools, Design, Floats
from analysis.rsa.rdm import Entries

FEWEST_UNITS = 4
FEWEST_PAIRS = 3
LOWEST_RELIABILITY = 0.1
TOO_FEW = f"fewer than {FEWEST_UNITS} topics (or stories per label): no halves to compare"


def halvings(n_units: int, wanted: int, seed: int) -> Bools:
    """Distinct halvings of the units, bool (N, T); True marks the first half. The complement is the second.

    All of them where there are no more than `wanted`, else a random sample. An odd unit goes to the second half.
    """
    size = n_units // 2
    every = comb(n_units, size) // (2 if n_units % 2 == 0 else 1)
    if every <= max(wanted, 5000):
        chosen = list(combinations(range(n_units), size))[:every]
        # combinations come sorted: of a halving and its complement, the one that holds unit 0 comes first
        if every > wanted:
            keep = np.random.default_rng(seed).choice(every, size=wanted, replace=False)
            chosen = [chosen[i] for i in sorted(keep)]
    else:
        rng = np.random.default_rng(seed)
        seen: dict[tuple[int, ...], None] = {}
        while len(seen) < wanted:
            half = sorted(rng.permutation(n_units)[:size].tolist())
            if n_units % 2 == 0 and 0 not in half:
                half = sorted(set(range(n_units)) - set(half))
            seen[tuple(half)] = None
        chosen = list(seen)
    mask = np.zeros((len(chosen), n_units), dtype=bool)
    for row, members in zip(mask, chosen, strict=True):
        row[list(members)] = True
    return mask


def disjoint(n_units: int, size: int, wanted: int, seed: int) -> tuple[Bools, Bools]:
    """`wanted` random pairs of disjoint sets of `size` units each: two masks, bool (N, T)."""
    if 2 * size > n_units:
        raise ValueError(f"two sets of {size} do not fit into {n_units} units")
    order = np.random.default_rng((seed, size)).permuted(np.tile(np.arange(n_units), (wanted, 1)), axis=1)
    return order < size, (order >= size) & (order < 2 * size)


def bootstrap(n_units: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """How often each unit is drawn in each of `wanted` draws with replacement, (B, T)."""
    return np.random.default_rng((seed, n_units)).multinomial(n_units, np.full(n_units, 1 / n_units), size=wanted)


@dataclass(frozen=True)
class Halves:
    """Standardised ranks of one reader's RDMs.

    `whole` (P): all topics; `halves` (N, 2, P); `deleted` (N, T, P): the half that held unit t, without it (the second half
    as it is, for a unit in neither). Where intervals are asked for: `drawn` (B, P), from whole units drawn with replacement;
    `fewer_whole` (E, P') and `fewer_halves` (E, N, 2, P'), without each label and centred anew.
    """

    whole: Floats
    halves: Floats
    deleted: Floats
    first: Bools  # (N, T): the units of the first half
    second: Bools  # (N, T): of the second; disjoint from the first, and usually all others
    drawn: Floats | None = None
    fewer_whole: Floats | None = None
    fewer_halves: Floats | None = None

    @classmethod
    def of(
        cls,
        cell_sums: Floats,
        design: Design,
        first: Bools,
        second: Bools | None = None,
        entries: Entries = rdm.EVERY,
        draws: NDArray[np.int64] | None = None,
        transform: Callable[[Floats], Floats] = gram.centred_products,
    ) -> Halves:
        """`entries`: which entries of the RDMs count. `draws` (B, T) of `bootstrap` ask for `drawn` and `fewer_...`.
        `transform`: how inner products of label means become those of the vectors that are compared.

        Raises ValueError where a half without a unit leaves a label without stories.
        """
        n, t = first.shape
        second = ~first if second is None else second
        e = len(design.labels)

        def products(weights: Bools | Floats) -> Floats:
            return gram.label_products(cell_sums, design, weights)

        def ranks(products: Floats, entries: Entries = entries) -> Floats:
            return entries.ranks(rdm.rdms(transform(products)))

        def fewer(products: Floats) -> Floats:
            left = [np.delete(np.arange(e), label) for label in range(e)]
            own = [ranks(products[:, k][:, :, k], entries.without(label, e)) for label, k in enumerate(left)]
            # where entries are chosen, labels differ in how many they leave: zeros add nothing to a product
            width = max(x.shape[-1] for x in own)
            return np.stack([np.pad(x, ((0, 0), (0, width - x.shape[-1]))) for x in own])

        whole = products(np.ones((1, t), dtype=bool))
        halves = products(np.stack([first, second], axis=1).reshape(-1, t))
        made = cls(
            whole=ranks(whole)[0],
            halves=ranks(halves).reshape(n, 2, -1),
            deleted=ranks(products(without_one(first, second).reshape(-1, t))).reshape(n, t, -1),
            first=first,
            second=second,
        )
        if draws is None:
            return made
        return replace(
            made,
            drawn=ranks(products(draws.astype(np.float64))),
            fewer_whole=fewer(whole)[:, 0],
            fewer_halves=fewer(halves).reshape(e, n, 2, -1),
        )


def cross_fitted(by_layer: dict[int, Halves], chosen: NDArray[np.int64]) -> Halves:
    """Halves whose layer was chosen on the other half: `chosen` (N, 2) holds the layer chosen on each half.

    `whole` is NaN: a layer chosen on one half has no value on all topics.
    """
    one = next(iter(by_layer.values()))
    halves, deleted = np.empty_like(one.halves), np.empty_like(one.deleted)
    for n, (on_first, on_second) in enumerate(chosen.tolist()):
        halves[n, 0], halves[n, 1] = by_layer[on_second].halves[n, 0], by_layer[on_first].halves[n, 1]
        in_first = one.first[n]
        deleted[n, in_first] = by_layer[on_second].deleted[n, in_first]
        deleted[n, ~in_first] = by_layer[on_first].deleted[n, ~in_first]
    return Halves(np.full_like(one.whole, np.nan), halves, deleted, one.first, one.second)


def cross_fitted_from(cells_at: Callable[[int], Floats], on_halves: Sequence[int], design: Design, first: Bools) -> Halves:
    """`cross_fitted` from the layer chosen on each half of each halving, in their order (2 N), and what gives a layer's cells.
    Raises ValueError as `Halves.of` does."""
    by_layer = {n: Halves.of(cells_at(n), design, first) for n in sorted(set(on_halves))}
    return cross_fitted(by_layer, np.array(on_halves, dtype=np.int64).reshape(-1, 2))


def without_one(first: Bools, second: Bools) -> Bools:
    """For each halving and unit, the half that holds the unit, without it: (N, T, T)."""
    own = np.where(first[:, :, None], first[:, None, :], second[:, None, :])
    return np.asarray(own & ~np.eye(first.shape[1], dtype=bool)[None])


@dataclass(frozen=True)
class Reliability:
    """`value`: mean over halvings of Spearman(half 1, half 2), at that half's n, uncorrected. `se`: delete-one-unit
    jackknife, the unit dropped in place from its half, the halvings unchanged."""

    value: float
    se: float

    @property
    def reason(self) -> str | None:
        """Why no rho_dis may be formed with it; None when one may."""
        if not np.isfinite(self.value) or not np.isfinite(self.se):
            return "a label's vector is zero in some half: no reliability"
        if self.value - 2 * self.se <= 0:
            return f"reliability {self.value:.2f} is within two standard errors ({self.se:.2f}) of 0"
        if self.value < LOWEST_RELIABILITY:
            return f"reliability {self.value:.2f} is below {LOWEST_RELIABILITY}"
        return None


def reliability(h: Halves) -> Reliability:
    """Split-half reliability of an RDM, with its jackknife standard error."""
    value = float(np.mean((h.halves[:, 0] * h.halves[:, 1]).sum(-1)))
    return Reliability(value, jackknife_se(reliability_without_each(h)))


def other_halves(h: Halves) -> Floats:
    """For each halving and unit, the half that does not hold the unit: (N, T, P)."""
    return np.where(h.first[:, :, None], h.halves[:, 1][:, None], h.halves[:, 0][:, None])


def reliability_without_each(h: Halves) -> Floats:
    """Reliability without each unit, dropped in place from its half: (T,)."""
    return np.asarray((h.deleted * other_halves(h)).sum(-1).mean(axis=0))


def finite_or_none(value: float) -> float | None:
    """A number as the tables hold it: what does not exist is null, never NaN."""
    return float(value) if np.isfinite(value) else None


def jackknife_se(theta: Floats) -> float:
    """Standard error from the values `theta` (T) of an estimate with one unit left out: se^2 = (T-1)/T sum (theta - mean)^2."""
    t = len(theta)
    return sqrt((t - 1) / t * float(((theta - theta.mean()) ** 2).sum()))


def rho_cross(a: Halves, b: Halves) -> float:
    """Mean over halvings of Spearman(A on one half of the topics, B on the other), both ways round."""
    return float(((a.halves[:, 0] * b.halves[:, 1]).sum(-1) + (a.halves[:, 1] * b.halves[:, 0]).sum(-1)).mean() / 2)


def rho_same_half(a: Halves, b: Halves) -> float:
    """Mean over halvings of Spearman(A, B) on the same half. It has rho_cross's number of stories, so that the difference
    between the two is what reading the same passages adds, and nothing else."""
    return float((a.halves * b.halves).sum(-1).mean())


def rho_same(a: Halves, b: Halves) -> float:
    """Spearman on all stories. It shares the stories' noise between both sides, so reliability is no ceiling for it."""
    return float((a.whole * b.whole).sum())


def ceiling(a: Reliability, b: Reliability) -> float | None:
    """sqrt(rel_a rel_b), what rho_cross would be if both geometries were one; None where a reliability is not positive."""
    product = a.value * b.value
    return sqrt(product) if a.value > 0 and b.value > 0 and np.isfinite(product) else None


@cache
def t_quantile(probability: float, dof: int) -> float:
    """Of Student's t. Kept: the tables ask for a few of them tens of thousands of times, and scipy takes its time."""
    return float(stats.t.ppf(probability, dof))


def equivalence_p(difference: float, se: float, margin: float, dof: int) -> float:
    """p of two one-sided t tests (TOST; Schuirmann 1987): the difference is not within +-`margin`. Small: it is within."""
    if se == 0:
        return float(abs(difference) >= margin)
    return float(max(stats.t.sf((margin + difference) / se, dof), stats.t.sf((margin - difference) / se, dof)))


def smallest_visible(se: float, dof: int, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference that a two-sided t test at `level` finds with probability `power`, at this standard error."""
    return (t_quantile(1 - level / 2, dof) + t_quantile(power, dof)) * se
