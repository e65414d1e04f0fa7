"""What each of several factors adds to the distance between two experiments: order-free shares that sum to the whole.

Two experiments differ in k factors F. A *cell* takes some factors' levels from the second experiment and the others' from the
first; all 2^k cells are measured. A cell is a bitmask: bit f is set where factor f has the second experiment's level, so that
cell 0 is the first experiment ("none") and cell 2^k - 1 the second (F). With D(x, y) = 1 - rho_dis(x, y), which may be < 0,

    v(S) = (D(none, S) + D(none, F) - D(S, F)) / 2

is how far S has come on the way from none to F. (Where D is a squared Euclidean distance, v(S) is the inner product of the
displacements none -> S and none -> F, so that a factor which only moves the geometry sideways is worth nothing; a share may be
negative.) The shares are the Shapley values of v (Shapley 1953, A value for n-person games): a factor's marginal worth,
averaged over all orders in which the factors can be changed. They sum to D(none, F); swapping the experiments turns v(S)
into v(F) - v(F without S), which has the same Shapley values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
from scipy import stats

from analysis.rsa import pairwise
from analysis.rsa.gram import Bools, Floats


def worth(d: Floats) -> Floats:
    """v (..., 2^k) from symmetric distances d (..., 2^k, 2^k) with a diagonal of 0; cells by bitmask.

    Only the distances from none and from F to every cell are used. NaN where one of them is.
    """
    return np.asarray((d[..., 0, :] + d[..., 0, -1:] - d[..., :, -1]) / 2)


def shares(v: Floats) -> Floats:
    """Shapley values (..., k) of v (..., 2^k), indexed by bitmask: phi_f = sum over S without f of
    |S|! (k - |S| - 1)! / k! (v(S with f) - v(S)).

    They sum to v(F) - v(none). Every value counts for every factor: one NaN makes all shares NaN. Raises ValueError where the
    length of v is no power of two.
    """
    v = np.asarray(v, dtype=np.float64)
    n = v.shape[-1] if v.ndim else 0
    if n < 1 or n & (n - 1):
        raise ValueError(f"the worths of all subsets of k factors are 2^k values, not {n}")
    return np.asarray(v @ _weights(n.bit_length() - 1).T)


def _weights(k: int) -> Floats:
    """What the worth of each subset counts for each factor, (k, 2^k)."""
    cells = np.arange(2**k)
    has = (cells >> np.arange(k)[:, None] & 1).astype(bool)
    others = has.sum(axis=0) - has  # (k, 2^k): changed before the factor
    by_count = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)])
    return np.where(has, 1.0, -1.0) * by_count[others] if k else np.zeros((0, 1))


@dataclass(frozen=True)
class Attribution:
    """The distance between two experiments, and each factor's share in it.

    `se` and `total_se` are over resampling units. Where the distance of some cell does not exist, on all units or without one
    of them, `shares` and `se` are NaN and `missing` names the cells; `total` and `total_se` stand wherever the two experiments
    themselves have them.
    """

    factors: tuple[str, ...]
    shares: Floats  # (k,)
    se: Floats  # (k,)
    total: float  # D(none, F)
    total_se: float
    dof: int
    missing: tuple[int, ...] = ()  # bitmasks

    def interval(self, level: float = 0.95) -> Floats:
        """Lower and upper end for every share, (k, 2): Student's t with `dof` degrees of freedom."""
        half = float(stats.t.ppf((1 + level) / 2, self.dof)) * self.se
        return np.stack([self.shares - half, self.shares + half], axis=1)

    def total_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Lower and upper end for the total."""
        half = float(stats.t.ppf((1 + level) / 2, self.dof)) * self.total_se
        return self.total - half, self.total + half

    @property
    def reason(self) -> str | None:
        """Why there are no shares, by the factors that each missing cell takes from the second experiment; None where there
        are shares."""
        if not self.missing:
            return None
        names = [" + ".join(f for n, f in enumerate(self.factors) if cell >> n & 1) or "none" for cell in self.missing]
        return f"no distance for the cells that change: {'; '.join(names)}"


def attribute(distance: Floats, without_unit: Sequence[Floats], factors: Sequence[str]) -> Attribution:
    """Shares of `factors` (k, bit f of a cell belongs to factor f) in the distance between two experiments.

    `distance` (2^k, 2^k): D of every pair of cells, diagonal 0. `without_unit`: for every set of units that are resampled
    independently of the others (topics of the stories; prompts of the writings), the same without each unit, (U, 2^k, 2^k).
    se^2 = sum over sets of (U-1)/U sum (theta_-u - mean)^2; the degrees of freedom are the smallest U - 1, which is
    conservative.

    Raises ValueError where there is no factor or a name stands twice, where shapes do not fit, where there is no set of units
    or one of fewer than two, and where a distance is not symmetric or not 0 between a cell and itself: a similarity, say.
    """
    n = 2 ** len(factors)
    if not factors or len(set(factors)) < len(factors):
        raise ValueError(f"factors must have names of their own: {list(factors)}")
    if not without_unit:
        raise ValueError("no resampling units: no standard error")
    _check(distance, (n, n))
    for d in without_unit:
        if len(d) < 2:
            raise ValueError(f"a jackknife needs two units, not {len(d)}")
        _check(d, (len(d), n, n))
    missing = _to_blame(_gone([distance, *without_unit], n))
    found, se = np.full((2, len(factors)), np.nan)
    if not missing:
        found = shares(worth(distance))
        se = _se([shares(worth(d)) for d in without_unit])
    return Attribution(
        factors=tuple(factors),
        shares=found,
        se=se,
        total=float(distance[0, -1]),
        total_se=float(_se([d[:, 0, -1] for d in without_unit])),
        dof=min(map(len, without_unit)) - 1,
        missing=missing,
    )


def _check(d: Floats, shape: tuple[int, ...]) -> None:
    if d.shape != shape:
        raise ValueError(f"distances of shape {d.shape} where {shape} is asked for")
    if not np.allclose(d, d.swapaxes(-1, -2), rtol=0, atol=1e-9, equal_nan=True):
        raise ValueError("distances are not symmetric")
    own = np.nan_to_num(np.diagonal(d, axis1=-2, axis2=-1)).ravel()
    if abs(furthest := own[np.abs(own).argmax()]) > 1e-9:
        raise ValueError(f"a cell is not at distance 0 from itself but at {furthest:.3g}")


def _se(left_out: Sequence[Floats]) -> Floats:
    """Jackknife standard error from the values without each unit, (U, ...) for every set of units."""
    return np.asarray(np.sqrt(sum(np.square(pairwise.jackknife_se(theta)) for theta in left_out)))


def _gone(distances: Sequence[Floats], n: int) -> Bools:
    """Which distances do not exist on all units, or without some unit, (2^k, 2^k)."""
    return np.asarray(np.concatenate([~np.isfinite(d.reshape(-1, n, n)) for d in distances]).any(axis=0))


def _to_blame(gone: Bools) -> tuple[int, ...]:
    """Cells for which a needed distance does not exist; none where all do.

    A cell that has no distance to itself, or to any cell that has one, takes those of other cells with it, which are not to
    blame.
    """
    if not (gone[0].any() or gone[-1].any()):
        return ()
    blamed = gone.diagonal()
    left = gone & ~blamed[:, None] & ~blamed
    blamed = blamed | ((left | blamed | np.eye(len(gone), dtype=bool)).all(axis=1) & left.any(axis=1))
    unexplained = gone & ~blamed[:, None] & ~blamed
    blamed = blamed | unexplained[0] | unexplained[-1]
    return tuple(int(cell) for cell in np.flatnonzero(blamed))
