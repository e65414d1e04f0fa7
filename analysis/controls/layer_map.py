"""Every layer of one model against every layer of another: what a rule that chooses one layer leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from analysis.readers.readers import Headline, Reader, Readout
from analysis.rsa import gram, rdm
from analysis.rsa.gram import Bools, Floats
from analysis.rsa.parallel import each
from pipeline.schemas.choices import CHOICES, EVERY_LAYER, LAYERS


@dataclass(frozen=True)
class Stack:
    """Standardised ranks of one reader's RDMs at every finite layer: `whole` (L, P), `halves` (L, N, 2, P)."""

    reader: Reader
    untrained: bool
    layers: list[int]
    whole: Floats
    halves: Floats


def stack(readout: Readout, headline: Headline, untrained: bool, first: Bools, variance: float, variant: str) -> Stack:
    """`first` (N, T): the halvings."""
    n, t = first.shape
    draws = np.concatenate([np.ones((1, t), dtype=bool), np.stack([first, ~first], axis=1).reshape(-1, t)])

    def at(index: int) -> Floats | None:
        made = readout.layer(index, variance, (variant,))
        if made.grams is None:
            return None
        products = gram.label_products(headline.cells(made.grams[variant]), headline.design, draws)
        return rdm.ranks(rdm.rdms(gram.centred_products(products)))

    found = {index: ranks for index, ranks in enumerate(each(at, range(readout.n_layers))) if ranks is not None}
    ranks = np.stack(list(found.values())) if found else np.zeros((0, 1 + 2 * n, 0))
    return Stack(readout.reader, untrained, list(found), ranks[:, 0], ranks[:, 1:].reshape(len(found), n, 2, ranks.shape[-1]))


def rows(stacks: list[Stack], keys: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the choice `layers` for every pair with a trained model, itself included: every layer by every layer."""
    made = []
    for a, b in combinations_with_replacement(stacks, 2):
        if (a.untrained and b.untrained) or not a.layers or not b.layers:
            continue
        same = a.whole @ b.whole.T
        n = a.halves.shape[1]
        one, other = (
            np.tensordot(a.halves[:, :, i], b.halves[:, :, 1 - i], axes=([1, 2], [1, 2])) / n for i in (0, 1)
        )  # (L_a, L_b)
        cross = (one + other) / 2
        own = CHOICES.blank() | {**a.reader.keys("_a"), **b.reader.keys("_b"), **keys}
        own |= {"choice": LAYERS, "layer_rule": EVERY_LAYER}
        for (i, layer_a), (j, layer_b) in ((x, y) for x in enumerate(a.layers) for y in enumerate(b.layers)):
            if np.isfinite(same[i, j]) and np.isfinite(cross[i, j]):
                numbers = {"rho_same": float(same[i, j]), "rho_cross": float(cross[i, j])}
                made.append(own | {"layer_a": layer_a, "layer_b": layer_b} | numbers)
    return made
