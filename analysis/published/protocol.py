"""The published protocol's numbers of one reader (arXiv 2604.11050), and how far a few texts of each label can carry them.

Label vectors are means over a label's texts, minus the mean of all label means (the neutral label's included), neither
unit-normalised nor denoised.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.readers.readers import Readout, mean_cosine
from analysis.rsa import gram, layers, rdm, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Halves, Reliability

PASSAGES = 3
"""Texts of each label that the published study read."""
DRAWS = 2000
"""Of two disjoint threes: so many that what the draws add to the standard error is a hundredth of it."""


def on_first_units(here: Readout, wanted: int) -> tuple[Readout, Design]:
    """The texts on the first `wanted` topics, in sorted order, and their design. Uncrossed: each label's first texts, or all of
    them where all units are wanted."""
    design = Design.of(here.emotions, here.topics)
    few = not design.crossed and wanted < len(design.units)  # a fold of many texts is no single passage
    rows = np.flatnonzero((gram.ranks_within(design.label) if few else design.unit) < wanted)
    some = replace(
        here,
        emotions=[here.emotions[i] for i in rows],
        topics=[here.topics[i] for i in rows],
        stimuli=[here.stimuli[i] for i in rows],
        n_tokens=here.n_tokens[rows],
        states=here.states[rows],
        finite=here.finite[rows],
    )
    return some, Design(design.labels, design.units[:wanted], design.label[rows], design.unit[rows], design.crossed)


def label_vectors(states: NDArray[np.float32], design: Design) -> Floats:
    """Centred label means (E, H) of states (S, H), float64."""
    means = np.stack([states[design.label == e].mean(axis=0, dtype=np.float64) for e in range(len(design.labels))])
    return np.asarray(means - means.mean(axis=0))


def mean_cosines(here: Readout, design: Design) -> Floats:
    """Mean pairwise cosine of the label vectors at each layer (L), which the published rule makes lowest; NaN where a text is
    not finite: the published search could not see such layers either."""
    found = np.full(here.n_layers, np.nan)
    for layer in np.flatnonzero(here.finite.all(axis=0)):
        vectors = label_vectors(here.states[:, layer], design)
        found[layer] = layers.mean_pairwise_cosine(vectors @ vectors.T)
    return found


def post_centred(products: Floats, keep: list[int]) -> Floats:
    """RDMs (..., P) over the labels `keep` alone, centred anew, from inner products (..., E, E) of vectors of all labels.

    How the published decomposition compares reading (21 labels) with writing (20 emotions).
    """
    index = np.array(keep)
    return rdm.rdms(gram.centred_products(products[..., index[:, None], index]))


def rdm_std_without_each(here: Readout, design: Design) -> Floats:
    """Population standard deviation of the RDM's entries without each unit (T,), at the layer that the published rule takes
    then: few texts move the choice, and where the layer is kept, an interval of a difference between two models covers it in
    82% to 86% of simulated studies, not 95%. Raises ValueError where a label has no other text."""
    others = ~np.eye(len(design.units), dtype=bool)
    mean, spread = (np.full((here.n_layers, len(design.units)), np.nan) for _ in range(2))
    for layer in np.flatnonzero(here.finite.all(axis=0)):
        sums = gram.cells(gram.gram(here.states[:, layer]), design)
        cosines = rdm.cosines(gram.centred_products(gram.label_products(sums, design, others)))
        mean[layer], spread[layer] = cosines.mean(axis=-1), cosines.std(axis=-1)
    chosen = [layers.best_layer_paper(own) for own in mean.T]
    return np.array([np.nan if c is None else spread[c.layer, unit] for unit, c in enumerate(chosen)])


def anisotropy_without_each(states: NDArray[np.float32]) -> Floats:
    """Mean cosine over all pairs of states (N, H) without each of them, (N,)."""
    return np.array([mean_cosine(np.delete(states, n, axis=0)) for n in range(len(states))])


# --- what few texts can carry --------------------------------------------------------------------------------------------


def single_text_ranks(k: Floats, design: Design) -> Floats:
    """Standardised ranks (N, P) of the RDMs from one text of each label: text n of every label, in the order of topics, from
    inner products (S, S). N is the number of texts that every label has."""
    order = [np.flatnonzero(design.label == e) for e in range(len(design.labels))]
    order = [own[np.argsort(design.unit[own], kind="stable")] for own in order]
    n = min(len(own) for own in order)
    one_of_each = np.stack([own[:n] for own in order], axis=1)  # (N, E)
    products = np.stack([k[np.ix_(rows, rows)] for rows in one_of_each])
    return rdm.ranks(rdm.rdms(gram.centred_products(products)))


def reliability_one(k: Floats, design: Design) -> float:
    """Mean Spearman of the RDMs from single texts of each label, over all pairs of texts. NaN where a label has one text."""
    ranks = single_text_ranks(k, design)
    i, j = np.triu_indices(len(ranks), k=1)
    return float((ranks @ ranks.T)[i, j].mean()) if len(i) else float("nan")


def reliability_three(k: Floats, design: Design, seed: int) -> Reliability:
    """Mean Spearman of the RDMs from two disjoint threes of units: the agreement with itself of a study of the published size.
    Over DRAWS random pairs of threes; its standard error from those that lack each unit (a U-statistic's jackknife, Arvesen
    1969, Ann. Math. Statist. 40:2076). NaN with fewer than six units, the error with six. Raises ValueError where three units
    leave a label without texts."""
    if len(design.units) < 2 * PASSAGES:
        return Reliability(np.nan, np.nan)
    first, second = split_half.disjoint(len(design.units), PASSAGES, DRAWS, seed)
    sums = gram.cells(k, design)
    ranks = [rdm.ranks(rdm.rdms(gram.centred_products(gram.label_products(sums, design, draws)))) for draws in (first, second)]
    agreement, lacks = (ranks[0] * ranks[1]).sum(axis=-1), ~(first | second)
    if not lacks.any(axis=0).all():
        return Reliability(float(agreement.mean()), np.nan)
    without_each = (agreement @ lacks) / lacks.sum(axis=0)
    return Reliability(float(agreement.mean()), split_half.jackknife_se(without_each))


def reliability(k: Floats, design: Design, wanted: int, seed: int) -> Reliability:
    """Split-half reliability of the RDM over all labels, and its standard error. NaN with fewer than four units: three texts
    have no halves. Raises ValueError where a half leaves a label without texts."""
    if len(design.units) < split_half.FEWEST_UNITS:
        return Reliability(np.nan, np.nan)
    first = split_half.halvings(len(design.units), wanted, seed)
    return split_half.reliability(Halves.of(gram.cells(k, design), design, first))
