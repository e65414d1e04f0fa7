"""Whether a set of vectors has a geometry at all: reliability against labels that mean nothing.

A reliability two standard errors above 0 is little: .22 (se .10) of five prompts passed, .02 above, and reached a headline.
Texts that share their prompts, topics or lengths across labels lift the estimator itself, which shuffled labels show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rsa import floor, pairwise, parallel, permutation
from analysis.rsa.gram import Bools, Design, Floats

LOWEST = 0.3
QUANTILE = 0.975


@dataclass(frozen=True)
class Gate:
    """A reliability and what the same estimator gives in the 97.5% quantile of shuffled labels."""

    reliability: float
    shuffled: float

    @property
    def reason(self) -> str | None:
        """Why nothing may be read from these vectors; None where they may be."""
        if not np.isfinite([self.reliability, self.shuffled]).all():
            return "a label's vector is zero in some half: no reliability"
        if self.reliability <= self.shuffled:
            return f"reliability {self.reliability:.2f}: labels that mean nothing reach {self.shuffled:.2f}"
        if self.reliability <= LOWEST:
            return f"reliability {self.reliability:.2f} is not above {LOWEST}"
        return None


def gates(factors: list[Floats], design: Design, first: Bools, n_shuffles: int, seed: int) -> list[Gate]:
    """The gate of each set of vectors, from patterns (S, R) of its texts (`permutation.factor`, or centred activations) and
    halvings (N, T), the same for the value and for the shuffles."""
    ranks = parallel.each(lambda f: permutation.split_ranks(f, design, first, ~first), factors)
    value = np.diag(pairwise.cross_halves(np.stack(ranks)))
    null = permutation.shuffled_cross(factors, design, first, ~first, floor.shuffles(design, n_shuffles, seed))
    own = np.quantile(np.diagonal(null, axis1=1, axis2=2), QUANTILE, axis=0)
    return [Gate(float(v), float(q)) for v, q in zip(value, own, strict=True)]
