"""The published protocol's own answer: does the geometry of one passage of each label show in the *other* passages?

Published: three passages of each label, the same for every model, all labels in the RDM. Two models then agree by the
passages that both read. Here passage i of every label in A stands against the two others in B, and the other way round, for
all i. It needs no new text and shares no passage. A triple is three units (topics, or the first, second and third passage of
each label): random ones of a larger corpus, the one there is of the published 63 passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import pairwise, parallel, permutation
from analysis.rsa.gram import Bools, Design, Floats

PASSAGES = 3


def triples(n_units: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Distinct triples of units (N, 3), sorted: all of them where there are no more than `wanted`, else a random sample."""
    every = comb(n_units, PASSAGES)
    if every == 0:
        raise ValueError(f"{n_units} units have no three")
    made = np.array(list(combinations(range(n_units), PASSAGES)), dtype=np.int64)
    if every <= wanted:
        return made
    return made[np.sort(np.random.default_rng((seed, n_units)).choice(every, size=wanted, replace=False))]


def one_against_two(chosen: NDArray[np.int64], n_units: int) -> tuple[Bools, Bools]:
    """Each unit of each triple (N, 3), and the two others: masks (3 N, T)."""
    member = np.zeros((len(chosen), n_units), dtype=bool)
    np.put_along_axis(member, chosen, True, axis=1)
    one = np.eye(n_units, dtype=bool)[chosen.reshape(-1)]
    return one, np.repeat(member, PASSAGES, axis=0) & ~one


@dataclass(frozen=True)
class Passages:
    """Numbers of every pair (C, C), means over the triples.

    `same`: the published number, Spearman of the RDMs of all three passages of each label; `across`: one passage in A against
    the two others in B, both ways round; its diagonal is what a reader has in common with itself. p as in
    `permutation.Tested`: of `across`, NaN on the diagonal.
    """

    same: Floats
    across: Floats
    p_mantel: Floats
    p_shuffle: Floats
    p: Floats
    n_triples: int


def passages(
    grams: Sequence[Floats],
    design: Design,
    chosen: NDArray[np.int64],
    permutations: NDArray[np.int64],
    n_shuffles: int,
    seed: int,
    asked: Bools | None = None,
) -> Passages:
    """Every pair of readers, by their Gram matrices (S, S) over the same texts, on the triples `chosen` (N, 3).

    `permutations` (m, E) of all labels of the design, the neutral one included, as published. Raises ValueError where a unit
    lacks a label.
    """
    t = len(design.units)
    splits = one_against_two(chosen, t)
    found = permutation.both_tests(grams, design, splits, permutations, n_shuffles, seed, asked)
    whole = splits[0][::PASSAGES] | splits[1][::PASSAGES]
    ranks = np.stack(parallel.each(lambda k: permutation.label_ranks(permutation.factor(k), design, whole), grams))
    same = np.einsum("anp,bnp->ab", ranks, ranks) / len(whole)
    return Passages(same, found.rho_cross, found.p_mantel, found.p_shuffle, found.p_cross, len(chosen))


def across_by_triple(a: Floats, b: Floats, design: Design, chosen: NDArray[np.int64]) -> Floats:
    """`across` of two readers, by their Gram matrices, in each triple (N): how much it owes to the choice of passages."""
    splits = one_against_two(chosen, len(design.units))
    one, other = (permutation.split_ranks(permutation.factor(k), design, *splits) for k in (a, b))
    each = np.stack([pairwise.cross_halves(np.stack([x, y])[:, None])[0, 1] for x, y in zip(one, other, strict=True)])
    return np.asarray(each.reshape(-1, PASSAGES).mean(axis=1))
