"""Whether a set of vectors has a geometry at all: reliability against labels that mean nothing.

A reliability two standard errors above 0 is little: .22 (se .10) of five prompts passed, .02 above, and reached a headline.
Texts that share their prompts, topics or lengths across labels lift the estimator itself, which shuffled labels show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.rsa import floor, gram, pairwise, parallel, permutation, rdm
from analysis.rsa.gram import Bools, Design, Floats

LOWEST = 0.3
QUANTILE = 0.975


@dataclass(frozen=True)
class Gate:
    """A reliability and what the same estimator gives in the 97.5% quantile of shuffled labels (NaN where it was not asked:
    the reliability is too low as it stands)."""

    reliability: float
    shuffled: float

    @property
    def reason(self) -> str | None:
        """Why nothing may be read from these vectors; None where they may be."""
        if not np.isfinite(self.reliability):
            return "a label's vector is zero in some half: no reliability"
        if self.reliability <= LOWEST:
            return f"reliability {self.reliability:.2f} is not above {LOWEST}"
        if not self.reliability > self.shuffled:
            return f"reliability {self.reliability:.2f}: labels that mean nothing reach {self.shuffled:.2f}"
        return None


def gates(factors: list[Floats], design: Design, first: Bools, n_shuffles: int, seed: int) -> list[Gate]:
    """The gate of each set of vectors, from patterns (S, R) of its texts (`permutation.factor`, or centred activations) and
    halvings (N, T), the same for the value and for the shuffles."""
    ranks = parallel.each(lambda f: permutation.split_ranks(f, design, first, ~first), factors)
    value = np.diag(pairwise.cross_halves(np.stack(ranks)))
    null = permutation.shuffled_cross(factors, design, first, ~first, floor.shuffles(design, n_shuffles, seed))
    own = floor.quantile(np.diagonal(null, axis1=1, axis2=2), QUANTILE)
    return [Gate(float(v), float(q)) for v, q in zip(value, own, strict=True)]


def of_products(
    k: Floats,
    design: Design,
    first: Bools,
    shuffles: NDArray[np.int64],
    transform: Callable[[Floats], Floats] = gram.centred_products,
) -> Gate:
    """The gate of one set of vectors that are formed in any way: from inner products `k` (S, S) of its texts, halvings (N, T),
    labels (m, S) shuffled within units, and what makes of inner products of label means those of the vectors (`Halves.of`)."""
    draws = np.stack([first, ~first], axis=1).reshape(-1, first.shape[1])

    def reliability(label: NDArray[np.int64]) -> float:
        own = replace(design, label=label)
        ranks = rdm.ranks(rdm.rdms(transform(gram.label_products(gram.cells(k, own), own, draws))))
        return float((ranks[::2] * ranks[1::2]).sum(-1).mean())

    value = reliability(design.label)
    if not value > LOWEST:
        return Gate(value, np.nan)
    return Gate(value, float(floor.quantile(np.array(parallel.each(reliability, shuffles)), QUANTILE)))
