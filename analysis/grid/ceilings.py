"""Noise ceilings: how well the lineages that were read predict one another, by precision and number."""

from __future__ import annotations

import numpy as np

from analysis.readers.kinds import Kinds
from analysis.readers.pattern_sets import HalfRdms, ReaderGrams
from analysis.rsa import pairwise
from analysis.rsa.ceilings import same_story_noise_ceiling
from analysis.rsa.split_half import Halves

Bounds = tuple[float, float]


def by_precision(group: list[ReaderGrams], sides: list[HalfRdms], kinds: Kinds) -> dict[str, dict[str, Bounds]]:
    """Lower and upper bound of rho_cross over lineages (three are needed) and of rho_same over models (two), by precision."""
    trained = [
        (c.reader, s.halves) for c, s in zip(group, sides, strict=True) if s.halves is not None and kinds.is_trained(c.reader)
    ]
    made: dict[str, dict[str, Bounds]] = {}
    for precision in dict.fromkeys(reader.precision for reader, _ in trained if reader.precision is not None):
        members: dict[str, list[Halves]] = {}
        for reader, halves in trained:
            if reader.precision == precision:
                members.setdefault(kinds.lineage[reader.model], []).append(halves)
        found = pairwise.noise_ceiling(list(members.values()))
        whole = [h.whole for own in members.values() for h in own]
        own = made.setdefault(precision, {})
        if found is not None:
            own["rho_cross"] = (found.lower, found.upper)
        if len(whole) > 1:
            same = same_story_noise_ceiling(np.stack(whole))
            if np.isfinite(same).all():
                own["rho_same"] = same
    return made
