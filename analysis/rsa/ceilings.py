"""The noise ceiling of RDMs made from the same stories: rsatoolbox's, beside `pairwise.noise_ceiling`.

Models that read the same stories share the stories' noise. This ceiling is one for `rho_same` only; other stories of the same
emotions would allow less.
"""

from __future__ import annotations

import numpy as np

from analysis.rsa import rdm
from analysis.rsa.gram import Floats


def same_story_noise_ceiling(ranks: Floats) -> tuple[float, float]:
    """How well the mean RDM of models predicts a model's own: (lower, upper), from standardised ranks (M, P) of whole RDMs.

    Upper: mean Spearman's rho of each RDM with the mean of all, itself included. Lower: with the mean of the others (Nili et
    al. 2014; `rsatoolbox.inference.boot_noise_ceiling` with method "spearman"). The mean is over ranks, and is ranked again:
    among all rank orders it is the one that correlates best with the RDMs on average. Standardised ranks give every RDM one
    weight, rsatoolbox's plain ranks give one with ties a little less; without ties both are the same. NaN where an RDM has no
    rank order. Raises ValueError below two models.
    """
    if len(ranks) < 2:
        raise ValueError("a noise ceiling needs at least two models")
    total = ranks.sum(axis=0)
    # Mean ranks are often tied; standardised, they are so only up to rounding, far below the distance of two ranks.
    upper = ranks @ rdm.ranks(np.round(total, 10))
    lower = (ranks * rdm.ranks(np.round(total - ranks, 10))).sum(axis=-1)
    return float(np.mean(lower)), float(np.mean(upper))
