"""Table of the stage `maturity`: which models have a geometry of emotions at all."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Table

MATURITY = Table(
    "maturity",
    pl.Schema(
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
    ),
    keys=["model"],
)
