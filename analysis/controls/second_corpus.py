"""The same labels in another author's stories: does a geometry outlive the stories that it was measured on?

One side read our stories, the other those of the second source, over the labels in common. No topic is shared, so halves of
one side go with any halves of the other: the mean over all such pairs is the product of the two mean rank vectors.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

import numpy as np

from analysis.rsa import gram, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Halves, finite_or_none
from pipeline.schemas.choices import CHOICES, STORIES

FEWEST_LABELS = 4


def common(
    k: Floats, emotions: list[str], topics: list[str], labels: set[str], halvings: int, seed: int
) -> tuple[Halves, Design]:
    """Halves of one source over `labels` alone, from K (S, S) of all its stories. Raises ValueError, saying what is too few."""
    rows = [i for i, e in enumerate(emotions) if e in labels]
    design = Design.of([emotions[i] for i in rows], [topics[i] for i in rows])
    if len(design.units) < split_half.FEWEST_UNITS:
        raise ValueError(split_half.TOO_FEW)
    first = split_half.halvings(len(design.units), halvings, seed)
    return Halves.of(gram.cells(k[np.ix_(rows, rows)], design), design, first), design


def mean_ranks(h: Halves) -> tuple[Floats, Floats]:
    """The mean rank vector over all halves (P), and without each unit, dropped in place (T, P)."""
    return h.halves.mean(axis=(0, 1)), ((h.deleted + split_half.other_halves(h)) / 2).mean(axis=0)


def numbers(a: Halves, b: Halves) -> dict[str, Any]:
    """The numbers of a pair that read different sources; rho_dis is null, with the reason, as everywhere."""
    (mean_a, without_a), (mean_b, without_b) = mean_ranks(a), mean_ranks(b)
    own, other = split_half.reliability(a), split_half.reliability(b)
    rel_a, rel_b = own.value, other.value
    row: dict[str, Any] = {
        "rho_whole": finite_or_none(float(a.whole @ b.whole)),
        "rho_cross": finite_or_none(float(mean_a @ mean_b)),
        "reliability_a": finite_or_none(rel_a),
        "reliability_b": finite_or_none(rel_b),
    }
    reasons = [f"{n}: {r.reason}" for n, r in (("a", own), ("b", other)) if r.reason]
    if reasons:
        return row | {"reason": "rho_dis: " + "; ".join(reasons)}
    value = float(mean_a @ mean_b) / sqrt(rel_a * rel_b)
    left_out = (
        disattenuated(without_a @ mean_b, split_half.reliability_without_each(a) * rel_b),
        disattenuated(without_b @ mean_a, split_half.reliability_without_each(b) * rel_a),
    )
    se = hypot(*(split_half.jackknife_se(x) for x in left_out))
    dof = min(map(len, left_out)) - 1
    half = split_half.t_quantile(0.975, dof) * se
    return row | {"rho_dis": value, "rho_dis_low": finite_or_none(value - half), "rho_dis_high": finite_or_none(value + half)}


def disattenuated(rho: Floats, product: Floats) -> Floats:
    """rho (T) over the root of the product of two reliabilities (T); NaN where that is not positive."""
    return np.asarray(rho / np.sqrt(np.where(product > 0, product, np.nan)))


def row(keys: dict[str, Any], a: tuple[Halves, Design] | str, b: tuple[Halves, Design] | str, n_labels: int) -> dict[str, Any]:
    """One row of the choice `stories`; a side is a string where it could not be had, with the reason."""
    made = CHOICES.blank() | keys | {"choice": STORIES, "n_emotions": n_labels, "n_units": None}
    if isinstance(a, str) or isinstance(b, str):
        return made | {"reason": "; ".join(f"{n}: {x}" for n, x in (("a", a), ("b", b)) if isinstance(x, str))}
    return made | {"n_units": min(len(side[1].units) for side in (a, b))} | numbers(a[0], b[0])
