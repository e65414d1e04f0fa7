"""The numbers of one pair of readers, as the tables hold them: what cannot be formed is null, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.readers.pattern_sets import HalfRdms
from analysis.rsa import pairwise, split_half
from analysis.rsa.pairwise import Estimate
from analysis.rsa.split_half import finite_or_none

Row = dict[str, Any]
At = tuple[int, int]


def reasons_of(a: HalfRdms, b: HalfRdms) -> str | None:
    """Why either side has no RDM."""
    return "; ".join(f"{n}: {s.reason}" for n, s in (("a", a), ("b", b)) if s.reason) or None


def compared(sides: Sequence[HalfRdms]) -> tuple[pairwise.Pairwise | None, dict[int, int]]:
    """Every two of the sides that have halves, and the place of each of these in what was found; None where none has."""
    known = [n for n, s in enumerate(sides) if s.halves is not None]
    found = pairwise.pairwise([s.halves for s in sides if s.halves is not None]) if known else None
    return found, {n: place for place, n in enumerate(known)}


def numbers(found: pairwise.Pairwise, at: At, a: HalfRdms, b: HalfRdms) -> Row:
    """Of one pair, whose places in `found` are `at`; intervals over topics, where there are any."""
    assert a.reliability is not None
    assert b.reliability is not None
    reasons = [f"{n}: {s.reliability.reason}" for n, s in (("a", a), ("b", b)) if s.reliability and s.reliability.reason]
    return {
        "rho_same_half": finite_or_none(found.rho_same_half[at]),
        "reliability_a": finite_or_none(a.reliability.value),
        "reliability_b": finite_or_none(b.reliability.value),
        **with_ends("rho_same", found.rho_same, at, a),
        **with_ends("rho_cross", found.rho_cross, at, a),
        **with_ends("rho_dis", None if reasons else found.rho_dis, at, a),
        "reason": "rho_dis: " + "; ".join(reasons) if reasons else None,
    }


def with_ends(name: str, estimate: Estimate | None, at: At, side: HalfRdms) -> Row:
    """An estimate and the ends of its interval over topics, t with T - 1 degrees of freedom."""
    row: Row = {name: None, f"{name}_low": None, f"{name}_high": None}
    if estimate is None or not np.isfinite(estimate.value[at]):
        return row
    row[name] = float(estimate.value[at])
    if estimate.se_topic is not None and side.halves is not None and np.isfinite(estimate.se_topic[at]):
        half = split_half.t_quantile(0.975, side.halves.first.shape[1] - 1) * float(estimate.se_topic[at])
        row |= {f"{name}_low": row[name] - half, f"{name}_high": row[name] + half}
    return row
