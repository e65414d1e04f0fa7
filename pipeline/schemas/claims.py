"""Table of the stage `claims`: every published claim with its verdict."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Table

CLAIMS = Table(
    "claims",
    pl.Schema(
        {
            "claim": pl.String,
            "protocol": pl.String,  # paper; same_stories (rho_same); other_stories (rho_dis)
            "order": pl.Int64,  # of the reference
            "text": pl.String,
            "source": pl.String,
            "published": pl.String,
            "at_least": pl.Float64,  # the claim's side, ends as the published figures round
            "at_most": pl.Float64,
            "about": pl.String,  # the pair or model that decides
            "n": pl.Int64,  # numbers that the claim is about
            "estimate": pl.Float64,
            "ci_low": pl.Float64,  # 95%, over topics
            "ci_high": pl.Float64,
            "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): of rho_cross, and never of rho_same
            "floor": pl.Float64,  # 95% quantile of the same under labels that mean nothing
            "verdict": pl.String,  # holds; does not hold; undecided; explained by <control>; not testable
            "why": pl.String,
            "rules": pl.String,  # digest of the rules of params
        }
    ),
    keys=["claim", "protocol"],
)
