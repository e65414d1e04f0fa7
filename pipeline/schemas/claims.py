"""Tables of conclusions: which models are mature, and which published claims hold."""

from __future__ import annotations

import polars as pl

MATURITY = pl.Schema(
    {
        "model": pl.String,
        "family": pl.String,
        "lineage": pl.String,
        "tuning": pl.String,
        "decides": pl.Boolean,  # a family is as mature as its base model
        "precision": pl.String,  # fp32 or bf16, which hold every state
        "n_layers": pl.Int64,
        "n_finite_layers": pl.Int64,
        "layer": pl.Int64,  # best_layer_cv
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "n_untrained": pl.Int64,  # draws of untrained networks
        "highest_untrained": pl.Float64,  # of their reliabilities at the same depth
        "mature": pl.Boolean,
        "published": pl.Boolean,  # what the study called the family
        "reason": pl.String,
    }
)

CLAIMS = pl.Schema(
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
        "ci_low": pl.Float64,  # 95%, over topics and labels
        "ci_high": pl.Float64,
        "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): of rho_cross, and never of rho_same
        "floor": pl.Float64,  # 95% quantile of the same under labels that mean nothing
        "verdict": pl.String,  # holds; does not hold; undecided; explained by <control>; not testable
        "why": pl.String,
        "rules": pl.String,  # digest of the rules of params
    }
)

TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "maturity": (MATURITY, ["model"]),
    "claims": (CLAIMS, ["claim", "protocol"]),
}
"""Schema and keys of each table."""
