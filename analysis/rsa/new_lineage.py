"""What a lineage that nobody has read yet would show: a prediction interval, which is what would falsify the claim.

Models that descend from one another say one thing, so that lineages are the units. A number of two lineages f and g is
mu + u_f + u_g + e_fg: random effects of both and of their meeting (Griffing 1956, method 4, model II: a round robin without its
diagonal). An interval of the mean says where mu lies; a new lineage lies elsewhere by its own u.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from analysis.rsa import split_half
from analysis.rsa.gram import Floats

FEWEST = 3


@dataclass(frozen=True)
class Predicted:
    """`mean` over pairs of lineages. `low`, `high`: 95% for the mean number of a new lineage with those at hand; `pair_low`,
    `pair_high`: for its number with one of them. Standard deviations of lineages and of their meetings."""

    mean: float
    low: float
    high: float
    pair_low: float
    pair_high: float
    sd_lineage: float
    sd_pair: float
    n: int


def of_lineages(values: Floats, lineage_a: list[str], lineage_b: list[str]) -> tuple[Floats, list[str]]:
    """Mean number (F, F) of every two lineages, NaN where there is none and on the diagonal, from pairs of models (K)."""
    names = sorted({*lineage_a, *lineage_b})
    sums, n = np.zeros((2, len(names), len(names)))
    for value, a, b in zip(values, lineage_a, lineage_b, strict=True):
        if a != b and np.isfinite(value):
            i, j = names.index(a), names.index(b)
            for at in ((i, j), (j, i)):
                sums[at] += value
                n[at] += 1
    return np.where(n > 0, sums / np.where(n > 0, n, 1), np.nan), names


def predict(matrix: Floats, se: float = 0.0, level: float = 0.95) -> Predicted | None:
    """From numbers of every two of F lineages (F, F), symmetric, the diagonal not looked at. None below three lineages, or
    where two of them have no number. t with F - 1 degrees of freedom.

    `se`: standard error over topics of the mean, which all pairs share and their spread does not show. With three lineages
    their meetings cannot be told from their own effects, and count as these.
    """
    f = len(matrix)
    i, j = np.triu_indices(f, k=1)
    own = matrix[i, j]
    if f < FEWEST or not np.isfinite(own).all():
        return None
    mean = float(own.mean())
    y = np.where(np.eye(f, dtype=bool), 0.0, matrix)
    effects = (f * y.sum(axis=1) - 2 * own.sum()) / (f * (f - 2))
    ms_lineage = (f - 2) * float(np.square(effects).sum()) / (f - 1)
    rest = own - mean - effects[i] - effects[j]
    dof_rest = f * (f - 3) // 2
    var_pair = float(np.square(rest).sum()) / dof_rest if dof_rest else 0.0
    var_lineage = max((ms_lineage - var_pair) / (f - 2), 0.0)
    t = split_half.t_quantile((1 + level) / 2, f - 1)
    # the new lineage's mean with the F at hand, less the mean of these among one another
    of_mean = var_lineage * (1 + 1 / f) + var_pair * (1 / f + 2 / (f * (f - 1)))
    # its number with one of them, drawn at random
    of_pair = var_lineage * 2 + var_pair * (1 + 2 / (f * (f - 1)))
    half, half_pair = (t * sqrt(v + se**2) for v in (of_mean, of_pair))
    return Predicted(mean, mean - half, mean + half, mean - half_pair, mean + half_pair, sqrt(var_lineage), sqrt(var_pair), f)
