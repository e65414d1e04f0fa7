"""More than valence? Which entries of an RDM can say so: pairs of labels of one sign, and all pairs with valence taken out."""

from __future__ import annotations

import numpy as np
import polars as pl

from analysis.rsa import rdm
from analysis.rsa.names import ALL_PAIRS, VALENCE_REMOVED, WITHIN_SIGN
from analysis.rsa.rdm import Entries
from analysis.rsa.split_half import FEWEST_PAIRS


def entries(norms: pl.DataFrame) -> tuple[dict[str, Entries], dict[str, str]]:
    """The entries of each kind for RDMs over labels, and for a kind without enough of them the reason.

    `within_sign`: pairs whose valence has the same sign. `valence_removed`: pairs whose labels both have a norm, the ranks of
    the absolute difference of their valence taken out. `norms`: a row per label, in their order; columns `sign`, `valence`.
    """
    i, j = rdm.pairs(norms.height)
    sign = norms["sign"].fill_null("").to_numpy()
    valence = norms["valence"].to_numpy().astype(float)
    difference = np.abs(valence[i] - valence[j])
    rated = ~np.isnan(difference)
    made, reasons = {ALL_PAIRS: rdm.EVERY}, {}
    for name, found in (
        (WITHIN_SIGN, Entries((sign[i] == sign[j]) & (sign[i] != ""))),
        (VALENCE_REMOVED, Entries(rated, np.where(rated, difference, 0.0))),
    ):
        assert found.kept is not None
        n = int(found.kept.sum())
        if n >= FEWEST_PAIRS:
            made[name] = found
        else:
            what = "of the same sign of valence" if name == WITHIN_SIGN else "with a norm of valence"
            reasons[name] = f"{n} pairs of labels {what}: no rank order"
    return made, reasons
