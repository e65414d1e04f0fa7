"""Table of the stage `claims`: every published claim with its verdict."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import interval
from pipeline.schemas.table import Column, Table

CLAIMS = Table(
    "claims",
    title="Published claims and their verdicts",
    question="Which published claims hold?",
    grain="One claim under one protocol.",
    described={
        "claim": Column(pl.String, "Short name of the claim."),
        "protocol": Column(pl.String, "paper (as published), same_stories (by rho_same) or other_stories (by rho_dis)."),
        "order": Column(pl.Int64, "Place of the claim in the reference."),
        "text": Column(pl.String, "The claim in a sentence."),
        "source": Column(pl.String, "Where it stands in the paper, or that the method implies it."),
        "published": Column(pl.String, "The published figure."),
        "at_least": Column(pl.Float64, "The claim says: at least this; null: no lower end."),
        "at_most": Column(pl.Float64, "The claim says: at most this; null: no upper end."),
        "about": Column(pl.String, "The pair or model that decides."),
        "n": Column(pl.Int64, "Numbers that the claim is about."),
        "estimate": Column(pl.Float64, "The deciding number, as found here."),
        **interval("the estimate", "topics"),
        "ceiling": Column(pl.Float64, "sqrt(reliability_a reliability_b): the ceiling of rho_cross, never of rho_same."),
        "floor": Column(pl.Float64, "95% quantile of the same number under labels shuffled within topics."),
        "verdict": Column(pl.String, "holds, does not hold, undecided, explained by <control>, or not testable."),
        "why": Column(pl.String, "What the verdict rests on."),
        "rules": Column(pl.String, "Digest of the rules in params that gave the verdict."),
    },
    keys=["claim", "protocol"],
)
