"""All pairs of readers at once: a matrix product of standardised ranks is a matrix of Spearman's rhos.

Every array here is (C, C) over readers; entry (a, b) is the number of the pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import split_half
from analysis.rsa.gram import Floats
from analysis.rsa.split_half import Halves

TOPICS, LABELS = "topics", "labels"
"""What an interval is over. Claims are about these labels, so that intervals over topics decide; those over labels say how much
hangs on which labels they are. Their sum counts a story's noise twice: it is in the variance over labels as well."""


@dataclass(frozen=True)
class Estimate:
    """One number of every pair, with standard errors over topics and over labels; None where none was asked for."""

    value: Floats  # (C, C)
    se_topic: Floats | None
    se_label: Floats | None
    without_label: Floats | None  # (E, C, C): the number without each label
    without_topic: Floats | None = None  # (T, C, C): without each topic, dropped in place

    def intervals(self, n_units: int, n_labels: int, level: float = 0.95) -> dict[str, tuple[Floats, int]]:
        """Half-widths (C, C) and degrees of freedom: t quantiles at T - 1 and E - 1."""
        made: dict[str, tuple[Floats, int]] = {}
        for over, se, dof in (
            (TOPICS, self.se_topic, n_units - 1),
            (LABELS, self.se_label, n_labels - 1),
        ):
            if se is not None:
                made[over] = (split_half.t_quantile((1 + level) / 2, dof) * se, dof)
        return made


@dataclass(frozen=True)
class Pairwise:
    """The numbers of all pairs. The diagonal of `rho_cross` is each reader's reliability."""

    rho_same: Estimate
    rho_same_half: Floats
    rho_cross: Estimate
    rho_dis: Estimate  # NaN where a reliability is not positive; whether it may be read is `inference.Reliability.reason`


def pairwise(sides: Sequence[Halves]) -> Pairwise:
    """Compare every reader with every other. All must have the same halvings, draws and labels."""
    halves = np.stack([s.halves for s in sides])  # (C, N, 2, P)
    cross = cross_halves(halves)
    topic = _without_each_topic(sides, halves)  # (T, C, C)
    labels = _stacked([s.fewer_halves for s in sides])  # (C, E, N, 2, P')
    label = None if labels is None else np.stack([cross_halves(labels[:, e]) for e in range(labels.shape[1])])
    each = halves.reshape(len(sides), 2 * len(sides[0].first), -1)
    return Pairwise(
        rho_same=_same(sides),
        rho_same_half=_mean_product(each, each),
        rho_cross=Estimate(cross, jackknife_se(topic), None if label is None else jackknife_se(label), label, topic),
        rho_dis=Estimate(
            disattenuated(cross),
            jackknife_se(disattenuated(topic)),
            None if label is None else jackknife_se(disattenuated(label)),
            None if label is None else disattenuated(label),
            disattenuated(topic),
        ),
    )


def disattenuated(cross: Floats) -> Floats:
    """rho_cross / sqrt(rel_a rel_b) from matrices (..., C, C) whose diagonal is the reliability; never clipped; NaN where a
    reliability is not positive."""
    own = np.diagonal(cross, axis1=-2, axis2=-1)
    root = np.sqrt(np.where(own > 1e-12, own, np.nan))  # what rounding leaves of 0 is no reliability
    return np.asarray(cross / root[..., :, None] / root[..., None, :])


def _stacked(arrays: list[Floats | None]) -> Floats | None:
    return None if any(a is None for a in arrays) else np.stack([a for a in arrays if a is not None])


def _mean_product(x: Floats, y: Floats) -> Floats:
    """Mean over the second dimension (N) of the products of x (C, N, P) with y (C, N, P)."""
    n = x.shape[1]
    return np.asarray(x.reshape(len(x), -1) @ y.reshape(len(y), -1).T / n)


def cross_halves(halves: Floats) -> Floats:
    """rho_cross from halves (C, N, 2, P): both ways round."""
    one_way = _mean_product(halves[:, :, 0], halves[:, :, 1])
    return np.asarray((one_way + one_way.T) / 2)


def _without_each_topic(sides: Sequence[Halves], halves: Floats) -> Floats:
    """rho_cross without each topic, dropped in place from its half, halvings unchanged: (T, C, C)."""
    first = sides[0].first
    made = []
    for t in range(first.shape[1]):
        deleted = np.stack([s.deleted[:, t] for s in sides])
        other = np.where(first[:, t][None, :, None], halves[:, :, 1], halves[:, :, 0])
        one_way = _mean_product(deleted, other)
        made.append((one_way + one_way.T) / 2)
    return np.stack(made)


def _same(sides: Sequence[Halves]) -> Estimate:
    """rho_same; over topics the standard deviation of whole-topic bootstrap draws, the same draw on both sides."""
    whole = np.stack([s.whole for s in sides])
    value = whole @ whole.T
    drawn = _stacked([s.drawn for s in sides])  # (C, B, P)
    fewer = _stacked([s.fewer_whole for s in sides])  # (C, E, P')
    if drawn is None or fewer is None:
        return Estimate(value, None, None, None)
    draws = np.matmul(drawn.transpose(1, 0, 2), drawn.transpose(1, 2, 0))  # (B, C, C)
    label = np.matmul(fewer.transpose(1, 0, 2), fewer.transpose(1, 2, 0))
    return Estimate(value, draws.std(axis=0, ddof=1), jackknife_se(label), label)


def jackknife_se(theta: Floats) -> Floats:
    """Delete-one jackknife standard errors from (K, C, C) values, each with one of K units left out."""
    k = len(theta)
    return np.asarray(np.sqrt((k - 1) / k * np.square(theta - theta.mean(axis=0)).sum(axis=0)))


def label_permutations(n_labels: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """`wanted` random permutations of the labels, (m, E)."""
    rng = np.random.default_rng((seed, n_labels))
    return rng.permuted(np.tile(np.arange(n_labels), (wanted, 1)), axis=1)


@dataclass(frozen=True)
class NoiseCeiling:
    """How well the mean of the other lineages predicts a lineage's RDM on other topics. `lower` leaves the lineage out of the
    mean, `upper` does not; `se` by a jackknife over lineages."""

    lower: float
    lower_se: float
    upper: float
    upper_se: float


def noise_ceiling(by_lineage: Sequence[Sequence[Halves]]) -> NoiseCeiling | None:
    """From the readers of each lineage; z is the mean rank RDM of a lineage. None below three lineages."""
    if len(by_lineage) < 3:
        return None
    z = np.stack([np.mean([s.halves for s in members], axis=0) for members in by_lineage])  # (F, N, 2, P)

    def bounds(kept: list[int]) -> tuple[float, float]:
        own = z[kept]
        total = own.sum(axis=0)
        lower, upper = [], []
        for x in own:
            for one, other in ((0, 1), (1, 0)):
                lower.append(_correlation(x[:, one], (total - x)[:, other]).mean())
                upper.append(_correlation(x[:, one], total[:, other]).mean())
        return float(np.mean(lower)), float(np.mean(upper))

    everyone = list(range(len(z)))
    lower, upper = bounds(everyone)
    left_out = np.array([bounds([g for g in everyone if g != f]) for f in everyone])
    return NoiseCeiling(lower, split_half.jackknife_se(left_out[:, 0]), upper, split_half.jackknife_se(left_out[:, 1]))


def _correlation(x: Floats, y: Floats) -> Floats:
    """Pearson's r of rows of x (N, P) with rows of y (N, P); mean ranks are centred already. 0 where a row is: ranks of few
    entries may cancel in a mean, and what is flat predicts nothing."""
    norms = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.asarray((x * y).sum(-1) / np.where(norms > 0, norms, 1.0))
