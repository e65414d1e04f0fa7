"""What two readers share beyond a control: words, input embeddings, an untrained twin.

d = r_AB - r_Ac r_Bc on disattenuated values (`pairwise.Pairwise.rho_dis`): what of their agreement the control does not give.
If A and B agree through c alone, r_AB is the product. The partial correlation divides d by what c leaves of each side, and so
is undefined exactly where the control explains everything. Of several controls at once the product is the fit of a regression
on all of them: what no mixture of them gives is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rsa import pairwise, split_half
from analysis.rsa.gram import Floats
from analysis.rsa.pairwise import Estimate

TOLERANCE = 0.01
"""Share of a reader's geometry that others must leave for it to be one more: below, errors of estimation would be fitted."""
EXPLAINED, MORE, UNDECIDED = "explained", "more", "undecided"


def not_given(ab: Floats, ac: Floats, bc: Floats) -> Floats:
    """d of a pair, from its value and those of either side with the control, elementwise."""
    return np.asarray(ab - ac * bc)


def are_apart(cc: Floats) -> bool:
    """Whether readers can be told apart by their values among themselves (..., K, K): whether the least eigenvalue of each of
    these exceeds the tolerance. Disattenuated values of two that are nearly one may exceed 1."""
    return bool((np.linalg.eigvalsh(cc)[..., 0] > TOLERANCE).all())


def not_given_by_all(ab: Floats, ac: Floats, bc: Floats, cc: Floats) -> Floats:
    """d of a pair given K controls at once, r_AB - r_Ac R_cc^-1 r_cB: values (...), those of either side with the controls
    (..., K), those of the controls among themselves (..., K, K) -> (...). Raises ValueError where these cannot be told apart
    (`are_apart`): one does for both."""
    if not are_apart(cc):
        raise ValueError("two controls cannot be told apart")
    weights = np.linalg.solve(cc, bc[..., None])[..., 0]
    return np.asarray(ab - (ac * weights).sum(axis=-1))


def left(r: Floats, control: int) -> Floats:
    """d of all pairs given reader `control`, from matrices (..., C, C) of disattenuated values: (..., C, C)."""
    with_control = r[..., :, control]
    return not_given(r, with_control[..., :, None], with_control[..., None, :])


@dataclass(frozen=True)
class Left:
    """d of every pair (C, C), its jackknife standard error over topics, and the degrees of freedom of its interval."""

    value: Floats
    se: Floats
    dof: int

    def interval(self, at: tuple[int, int], level: float = 0.95) -> tuple[float, float]:
        half = split_half.t_quantile((1 + level) / 2, self.dof) * float(self.se[at])
        return float(self.value[at]) - half, float(self.value[at]) + half


def beyond(rho_dis: Estimate, control: int) -> Left:
    """What is left given the reader `control`, one of those compared; NaN where a reliability is not positive, also without
    some topic. Raises ValueError where `rho_dis` was made without deletions."""
    if rho_dis.without_topic is None:
        raise ValueError("rho_dis without each topic is needed")
    without = left(rho_dis.without_topic, control)
    return Left(left(rho_dis.value, control), pairwise.jackknife_se(without), len(without) - 1)


def verdict(low: float, high: float, margin: float) -> str:
    """Explained only where the whole interval of d lies below the margin of equivalence; more where it lies wholly above it."""
    if not np.isfinite([low, high]).all():
        return UNDECIDED
    return EXPLAINED if high < margin else MORE if low >= margin else UNDECIDED
