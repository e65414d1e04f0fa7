"""Several predictors of one reader's RDM at once: what only the other model gives, and what the controls give as well.

The ranks of RDM_B are a sum of those of its predictors (model A; words, n-grams, embeddings, a twin; valence, arousal) with
weights that are not negative. Distances of independent parts add up (Khaligh-Razavi & Kriegeskorte 2014), and a negative
weight could only take one predictor's noise out of another's. The weights come from one half of the topics and are judged on
the other. Predictors and RDM_B share no story anywhere: each half is halved again. All correlations are disattenuated, for
words that are measured with noise would leave to model A what they explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from analysis.rsa import pairwise, parallel, permutation, split_half
from analysis.rsa.gram import Bools, Design, Floats


def quarters(n_units: int, wanted: int, inner: int, seed: int) -> Bools:
    """Random halves of the units, each halved again `inner` times: masks (wanted, 2, inner, 2, T). Raises ValueError below
    eight units: a quarter needs two, so that one may be left out."""
    if n_units < 8:
        raise ValueError(f"{n_units} units have no quarters of two")
    made = np.zeros((wanted, 2, inner, 2, n_units), dtype=bool)
    rng = np.random.default_rng((seed, n_units))
    for halves in made:
        order = rng.permutation(n_units)
        for half, own in zip(halves, (order[: n_units // 2], order[n_units // 2 :]), strict=True):
            for pair in half:
                shuffled = rng.permutation(own)
                pair[0, shuffled[: len(own) // 2]] = True
                pair[1, shuffled[len(own) // 2 :]] = True
    return made


def moments(factors: Sequence[Floats], design: Design, masks: Bools, fixed: Floats) -> Floats:
    """Disattenuated correlations (O, 2, K, K) of every two of the readers and of the fixed RDMs' ranks (F, P), in either half.

    `factors`: patterns (S, R) of each reader; `masks` as `quarters`. A fixed RDM (norms of valence) has no noise. NaN where a
    reliability between quarters is below .1.
    """
    outer, _, inner, _, t = masks.shape

    def ranks(f: Floats) -> Floats:
        return permutation.label_ranks(f, design, masks.reshape(-1, t)).reshape(outer * 2, inner, 2, -1)

    read = np.stack(parallel.each(ranks, factors), axis=1)  # (O * 2, C, N, 2, P)
    given = np.broadcast_to(fixed[None, :, None, None], (outer * 2, len(fixed), inner, 2, fixed.shape[-1]))
    both = np.concatenate([read, given], axis=1)
    cross = np.stack([pairwise.cross_halves(half) for half in both])
    own = np.diagonal(cross, axis1=-2, axis2=-1)
    weak = own < split_half.LOWEST_RELIABILITY  # to divide by so little says nothing
    found = np.where(weak[:, :, None] | weak[:, None, :], np.nan, pairwise.disattenuated(cross))
    return found.reshape(outer, 2, *found.shape[1:])


def explained(r: Floats, target: int, predictors: Sequence[int]) -> float:
    """Share of the target's variance that weights from one half explain in the other: mean over halves and both ways, from
    `moments` (O, 2, K, K). Below 0 where they mislead, 0 without any; NaN where a reliability is not positive."""
    if not len(predictors):  # scipy's nnls ends the process on an empty matrix
        return 0.0
    if not np.isfinite(r[..., [target, *predictors], :][..., [target, *predictors]]).all():
        return float("nan")
    shares = []
    for train, test in ((0, 1), (1, 0)):
        for one, other in zip(r[:, train], r[:, test], strict=True):
            w = weights(one, target, predictors)
            shares.append(2 * w @ other[predictors, target] - w @ other[np.ix_(predictors, predictors)] @ w)
    return float(np.mean(shares))


def weights(r: Floats, target: int, predictors: Sequence[int]) -> Floats:
    """Non-negative least squares (K') from correlations (K, K). What sampling leaves without a positive eigenvalue is lifted
    to a small one: disattenuated correlations need not be those of any variables."""
    values, vectors = np.linalg.eigh(r[np.ix_(predictors, predictors)])
    root = np.sqrt(np.maximum(values, 0.05))
    return np.asarray(nnls((vectors * root).T, vectors.T @ r[predictors, target] / root)[0])


@dataclass(frozen=True)
class Parts:
    """Shares of the variance of a target's RDM. `whole`: model and controls; `unique`: what the controls without the model
    lack; `common`: what the model gives and the controls as well; `controls`: these alone."""

    whole: float
    unique: float
    common: float
    controls: float


NAMES = ("whole", "unique", "common", "controls")


def parts(r: Floats, target: int, model: int, controls: Sequence[int]) -> Parts:
    """The parts of one pair from `moments`."""
    whole, rest, alone = (explained(r, target, p) for p in ([model, *controls], list(controls), [model]))
    return Parts(whole, whole - rest, alone - (whole - rest), rest)


def with_errors(
    factors: Sequence[Floats], design: Design, masks: Bools, fixed: Floats, asked: Sequence[tuple[int, int, Sequence[int]]]
) -> list[tuple[Parts, Parts, int]]:
    """The parts of each asked (target, model, controls), their delete-one-topic jackknife standard errors, and T - 1.

    A topic is dropped in place from its quarter. Numbers of `controls` from len(factors) on are the fixed RDMs.
    """
    t = masks.shape[-1]

    def without(unit: int | None) -> list[list[float]]:
        kept = masks if unit is None else masks & (np.arange(t) != unit)
        r = moments(factors, design, kept, fixed)
        return [[getattr(parts(r, *one), name) for name in NAMES] for one in asked]

    value = without(None)
    theta: NDArray[np.float64] = np.array([without(unit) for unit in range(t)])  # (T, asked, 4)
    errors = [[split_half.jackknife_se(theta[:, n, k]) for k in range(len(NAMES))] for n in range(len(asked))]
    return [(Parts(*v), Parts(*e), t - 1) for v, e in zip(value, errors, strict=True)]
