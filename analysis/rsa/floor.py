"""The stimulus floor: how alike two readers are under labels that mean nothing, shuffled alike on both sides. What the
passages alone give, since both read the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import gram, parallel, rdm
from analysis.rsa.gram import Design, Floats


def shuffles(design: Design, wanted: int, seed: int, kept: int | None = None) -> NDArray[np.int64]:
    """Labels of the stories (shuffles, S), exchanged among the stories of a topic; each label keeps its number of them. The
    stories of the label `kept` (the neutral one, which is no emotion) keep theirs."""
    rng = np.random.default_rng((seed, len(design.label)))
    made = np.tile(design.label, (wanted, 1))
    for u in range(len(design.units)):
        own = np.flatnonzero((design.unit == u) & (design.label != (-1 if kept is None else kept)))
        made[:, own] = rng.permuted(made[:, own], axis=1)
    return made


def shuffled_ranks(k: Floats, design: Design, assigned: NDArray[np.int64]) -> Floats:
    """Standardised ranks (shuffles, P) of the RDMs from all stories under each assignment of labels."""
    e = len(design.labels)
    made = np.empty((len(assigned), e, e))
    for n, label in enumerate(assigned):
        weights = np.zeros((e, len(k)))
        weights[label, np.arange(len(k))] = 1.0
        weights /= weights.sum(axis=1, keepdims=True)
        made[n] = weights @ k @ weights.T
    return rdm.ranks(rdm.rdms(gram.centred_products(made)))


def quantile(drawn: Floats, level: float) -> Floats:
    """The quantile of what was drawn (N, ...) under meaningless labels: the least of the drawn values above which a permutation
    test is significant, (1 + number as high) / (1 + N) <= 1 - level; the highest, where N is too small for any to be. (numpy's
    default lies between two of them: with 199 draws 5.5% come above a quantile of 95%.)"""
    place = min(ceil(round(level * (len(drawn) + 1), 9)), len(drawn)) - 1
    return np.asarray(np.sort(drawn, axis=0)[place])


def floors(grams: Sequence[Floats], design: Design, wanted: int, seed: int) -> Floats:
    """rho_same of all pairs under labels shuffled alike on both sides, (shuffles, C, C)."""
    assigned = shuffles(design, wanted, seed)
    ranks = np.stack(parallel.each(lambda k: shuffled_ranks(k, design, assigned), grams), axis=1)  # (shuffles, C, P)
    return np.asarray(ranks @ ranks.transpose(0, 2, 1))
