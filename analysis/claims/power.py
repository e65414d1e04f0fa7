"""What a study of this size finds if the published effect is true: the chance of each verdict, simulated by
`benchmarks.power` at several reliabilities."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.schemas import reference
from pipeline.schemas.reference import POWER, VERDICTS

DESIGN = (20, 24)
"""Emotions and topics of the simulated stories: what is said by reliability is said of runs on as many."""
SIMULATED = {
    **dict.fromkeys(("pairs", "pairs_without_llama", "any_pair"), "falsifier"),
    **dict.fromkeys(("method_loose", "subparameters"), "method_clean"),
    "beyond_words": "beyond words",
}
"""The claims that were simulated under another's name: the same statement of the same numbers."""


def simulated(path: Path = POWER) -> pl.DataFrame:
    """The simulated chances: `claim`, the `world` that was planted, `reliability` (null where it plays no part), verdicts.
    Raises InputError as `pipeline.schemas.reference.chances`."""
    named = pl.col("claim").str.split_exact(": ", 1).struct
    return reference.chances(path).with_columns(named[0].alias("claim"), named[1].alias("world"))


def chances(power: pl.DataFrame, claim: str, reliability: float | None) -> str | None:
    """In words, at the simulated reliability next to the run's; None where the claim was not simulated, or not without one."""
    rows = power.filter(claim=SIMULATED.get(claim, claim))
    if rows.is_empty():
        return None
    said = []
    for world in rows["world"].unique(maintain_order=True):
        own = rows.filter(world=world)
        if own["reliability"].null_count() < own.height:
            if reliability is None:
                return None
            own = own.sort((pl.col("reliability") - reliability).abs())
        row = own.row(0, named=True)
        listed = [f"{name.replace('_', ' ')} in {row[name]:.0%}" for name in VERDICTS if row[name] > 0]
        said.append(f"{world}: {', '.join(listed)}")
    return "; ".join(said)
