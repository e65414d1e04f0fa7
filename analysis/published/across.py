"""One passage of each label in a reader against the two others in another: the columns of `paper_pairs` that share no passage.

On the study's own passages there is one triple; of a corpus whose topics are crossed with labels random triples of all its
topics are taken, at the layer that each reader has on three.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from analysis.readers.readers import Reader, Readout
from analysis.rsa import across_passages, gram, pairwise
from analysis.rsa.across_passages import Passages
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.params.geometry import Geometry
from pipeline.params.rsa import Rsa

Row = dict[str, Any]


@dataclass(frozen=True)
class Texts:
    """Inner products (S, S) of a reader's texts at its layer; None where one of them is not finite there."""

    k: Floats | None
    design: Design
    layer: int


class Params(Protocol):
    """What of params.yaml says how triples and their tests are drawn."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def rsa(self) -> Rsa: ...


def texts(here: Readout, design: Design, layer: int) -> Texts:
    """All texts of a reader at one layer, counted from 0."""
    return Texts(gram.gram(here.states[:, layer]) if here.finite[:, layer].all() else None, design, layer)


def columns(group: list[tuple[Reader, Texts | None]], params: Params) -> dict[tuple[int, int], Row]:
    """Of readers of the same texts: by pair (places in `group`), the columns, and a reason where they are missing. Readers
    without texts have none."""
    there = {n: own for n, (_, own) in enumerate(group) if own is not None}
    known = [n for n, own in there.items() if own.k is not None]
    made: dict[tuple[int, int], Row] = {}
    for n, m in combinations(there, 2):
        lost = [there[i].layer for i in (n, m) if there[i].k is None]
        made[n, m] = {"reason": f"across: a text on another topic is not finite at layer {lost[0]}"} if lost else {}
    if len(known) < 2:
        return made
    try:
        found = _passages([group[n][0] for n in known], [there[n] for n in known], params)
    except ValueError as problem:  # a topic without a text of some label
        return {pair: row or {"reason": f"across: {problem}"} for pair, row in made.items()}
    for a, b in combinations(range(len(known)), 2):
        made[known[a], known[b]] = _row(found, a, b)
    return made


def _passages(readers: list[Reader], of: list[Texts], params: Params) -> Passages:
    design, seed = of[0].design, params.geometry.seed
    grams = [one.k for one in of if one.k is not None]
    trained = np.array([r.seed is None for r in readers])
    other = np.array([[a.model != b.model for b in readers] for a in readers])
    chosen = across_passages.triples(len(design.units), params.rsa.triples, seed)
    permutations = pairwise.label_permutations(len(design.labels), params.rsa.permutations, seed)
    asked = trained[:, None] & trained & other
    return across_passages.passages(grams, design, chosen, permutations, params.rsa.shuffles, seed, asked)


def _row(found: Passages, a: int, b: int) -> Row:
    numbers = {
        "across": found.across[a, b],
        "own_a": found.across[a, a],
        "own_b": found.across[b, b],
        "p_mantel": found.p_mantel[a, b],
        "p_shuffle": found.p_shuffle[a, b],
        "p_across": found.p[a, b],
    }
    row: Row = {name: finite_or_none(float(value)) for name, value in numbers.items()}
    if row["across"] is None:  # no test of what is not there
        row |= dict.fromkeys(("p_mantel", "p_shuffle", "p_across"))
    return row | {"n_triples": found.n_triples, "reason": "across: a label's vector is zero" if row["across"] is None else None}
