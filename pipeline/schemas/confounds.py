"""Tables of the stage `confounds`: what lies between two ways to a geometry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Table

CONFOUNDS = Table(
    "confounds",
    pl.Schema(
        {
            "model": pl.String,
            "comparison": pl.String,  # of params; `bias` holds two of the others against each other
            "experiment_a": pl.String,
            "experiment_b": pl.String,
            "layer_a": pl.Int64,
            "layer_b": pl.Int64,
            "n_stimuli_a": pl.Int64,
            "n_stimuli_b": pl.Int64,
            # of the post-centred RDMs over the emotions, all texts, as published; of `bias`: a's minus b's
            "spearman": pl.Float64,
            "reliability_a": pl.Float64,
            "reliability_se_a": pl.Float64,
            "reliability_b": pl.Float64,
            "reliability_se_b": pl.Float64,
            "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): at half of the texts
            "reason": pl.String,  # why a side is not to be read
        }
    ),
    keys=["model", "comparison"],
)

ATTRIBUTIONS = Table(
    "attributions",
    pl.Schema(
        {
            "model": pl.String,
            "experiment_a": pl.String,
            "experiment_b": pl.String,
            "factor": pl.String,  # or total: 1 - rho_dis of the two experiments, which the shares sum to
            "n_factors": pl.Int64,
            "n_cells": pl.Int64,  # different ones; stories have no context
            "share": pl.Float64,
            "se": pl.Float64,  # jackknife over the units of both sources
            "ci_low": pl.Float64,
            "ci_high": pl.Float64,
            "dof": pl.Int64,
            "reason": pl.String,
        }
    ),
    keys=["model", "experiment_a", "experiment_b", "factor"],
)

VARIANCE = Table(
    "variance",
    pl.Schema(
        {
            "model": pl.String,
            "factor": pl.String,
            "n_levels": pl.Int64,
            "n_blocks": pl.Int64,
            "share": pl.Float64,  # SS_f / SS_total
            "against_blocks": pl.Float64,  # SS_f / (SS_f + SS_fxblock)
            "p": pl.Float64,
            "n_permutations": pl.Int64,
            "reason": pl.String,
        }
    ),
    keys=["model", "factor"],
)
