"""A cell of a factorial design: whose texts, in which context, at which position and layer, against which baseline, read at
which precision. Two experiments mix into 2^k cells, and every two cells have a distance.

Cells that read texts of the same topics or prompts share these units of resampling, and halves of them are paired. Between
different ones nothing is shared: any half of one goes with any half of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import permutations

import numpy as np

from analysis.rsa import gram, pairwise, split_half
from analysis.rsa.gram import Floats
from analysis.rsa.split_half import Halves

STORIES = "stories"
FACTORS = ("source", "written", "context", "position", "layer", "baseline", "precision")
"""The factors that two experiments may differ in, in their words: `source` bundles all that changes when a model's own texts
take the place of the stories; `written` is which precision wrote them."""


@dataclass(frozen=True)
class Cell:
    """One way to a geometry of one model."""

    source: str  # stories, or a setting of writing
    written: str | None  # the precision that wrote; null for stories
    context: str  # alone, or prompted; stories have no prompt
    position: str
    layer: str  # a rule
    baseline: str  # emotions; neutral; each with " unit norm" where vectors are scaled before they are centred
    precision: str  # that reads


def factors_between(a: Cell, b: Cell) -> tuple[str, ...]:
    """The factors in which two experiments differ. A change from stories to writings takes the writer with it."""
    differ = [f.name for f in fields(Cell) if getattr(a, f.name) != getattr(b, f.name)]
    if "source" in differ and STORIES in (a.source, b.source):
        differ = [f for f in differ if f != "written"]
    return tuple(f for f in FACTORS if f in differ)


def mixed(a: Cell, b: Cell, factors: Sequence[str]) -> list[Cell]:
    """The 2^k cells between two experiments: bit f of a cell's number is set where factor f has b's level.

    A cell that reads stories has no writer and no prompt, whatever the other factors say.
    """
    made = []
    for bits in range(2 ** len(factors)):
        changed = {f: getattr(b, f) for n, f in enumerate(factors) if bits >> n & 1}
        if "source" in changed:
            changed |= {"written": b.written}
        cell = replace(a, **changed)
        made.append(replace(cell, written=None, context="alone") if cell.source == STORIES else cell)
    return made


def transform(emotions: Sequence[int], neutral: int | None, baseline: str) -> Callable[[Floats], Floats]:
    """How inner products of label means (..., E', E') become those of centred vectors over the emotions (..., E, E).

    Minus the emotions' mean, or minus the neutral mean; scaled to length 1 where the baseline says so; and centred over the
    emotions at the end (the decomposition compares post-centred RDMs). Raises ValueError where the neutral label is missing.
    """
    against_neutral = baseline.startswith("neutral")
    if against_neutral and neutral is None:
        raise ValueError("no neutral texts: vectors cannot be taken against them")
    own = np.array(emotions)

    def made(products: Floats) -> Floats:
        p = products[..., own[:, None], own]
        if against_neutral:
            with_neutral = products[..., own, neutral]
            p = p - with_neutral[..., :, None] - with_neutral[..., None, :] + products[..., neutral, neutral][..., None, None]
        else:
            p = gram.centred_products(p)
        if baseline.endswith("unit norm"):
            squares = np.diagonal(p, axis1=-2, axis2=-1)
            norms = np.sqrt(np.where(squares > 1e-12 * squares.max(axis=-1, keepdims=True), squares, np.nan))
            p = p / norms[..., :, None] / norms[..., None, :]
        return gram.centred_products(p)

    return made


@dataclass(frozen=True)
class Distances:
    """D = 1 - rho_dis of every two cells (C, C), 0 between a cell and itself, and the same without each unit of every source
    of units (U, C, C). NaN where a cell is missing or unreliable."""

    whole: Floats
    without: dict[Hashable, Floats]

    def among(self, cells: Sequence[int]) -> tuple[Floats, list[Floats]]:
        """Of some cells: (2^k, 2^k), and without each unit of the sources that they have."""
        at = np.ix_(cells, cells)
        return self.whole[at], [d[:, at[0], at[1]] for d in self.without.values()]


def distances(halves: Sequence[Halves | None], units: Sequence[Hashable]) -> Distances:
    """`halves` of each cell, None where it was not measured; `units`, what its units of resampling are known by. Cells of the
    same units must have the same halvings."""
    n = len(halves)
    cross = np.full((n, n), np.nan)
    sizes = {u: h.first.shape[1] for h, u in zip(halves, units, strict=True) if h is not None}
    left = {u: np.full((t, n, n), np.nan) for u, t in sizes.items()}
    members = {u: [i for i in range(n) if halves[i] is not None and units[i] == u] for u in sizes}
    mean: dict[int, Floats] = {}
    mean_left: dict[int, Floats] = {}
    for i, h in enumerate(halves):
        if h is not None:
            mean[i] = h.halves.mean(axis=(0, 1))
            mean_left[i] = ((h.deleted + split_half.other_halves(h)) / 2).mean(axis=0)
    for u, own in members.items():
        found = pairwise.pairwise([h for i in own if (h := halves[i]) is not None])
        at = np.ix_(own, own)
        cross[at] = found.rho_cross.value
        assert found.rho_cross.without_topic is not None
        for other, d in left.items():
            d[:, at[0], at[1]] = found.rho_cross.without_topic if other == u else found.rho_cross.value
    for (u, own), (v, theirs) in permutations(members.items(), 2):
        at = np.ix_(own, theirs)
        a, b = np.stack([mean[i] for i in own]), np.stack([mean[j] for j in theirs])
        cross[at] = a @ b.T
        for w, d in left.items():
            if w == u:
                d[:, at[0], at[1]] = np.stack([mean_left[i] for i in own], axis=1) @ b.T
            elif w == v:
                d[:, at[0], at[1]] = a @ np.stack([mean_left[j] for j in theirs], axis=2)
            else:
                d[:, at[0], at[1]] = cross[at]
    return Distances(_distance(cross), {u: _distance(d) for u, d in left.items()})


def _distance(cross: Floats) -> Floats:
    d = 1.0 - pairwise.disattenuated(cross)
    i = np.arange(d.shape[-1])
    # a cell's distance to itself is 0 by definition, where the cell is reliable at all
    d[..., i, i] = np.where(np.isnan(d[..., i, i]), np.nan, 0.0)
    return np.asarray(d)
