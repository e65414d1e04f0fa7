"""Tables of writings, and of what lies between two ways to a geometry."""

from __future__ import annotations

import polars as pl

WRITINGS = pl.Schema(
    {
        "model": pl.String,
        "setting": pl.String,
        "written": pl.String,  # the precision that wrote
        "precision": pl.String,  # the precision that read
        "context": pl.String,  # alone, or prompted
        "position": pl.String,
        "layer_rule": pl.String,
        "layer": pl.Int64,
        "n_asked": pl.Int64,  # texts
        "n_same": pl.Int64,  # identical greedy texts, counted once
        "n_left_out": pl.Int64,  # too short, or not finite
        "n_texts": pl.Int64,  # what is left
        "mean_tokens": pl.Float64,
        "share_with_label": pl.Float64,  # of texts that hold their label's word
        "share_ended": pl.Float64,  # of texts that end before they are cut
        "reliability": pl.Float64,  # halves are halves of the prompts
        "reliability_se": pl.Float64,
        "reliability_without_label": pl.Float64,  # of the texts that do not hold it; their halves may be of fewer texts
        "reason": pl.String,
    }
)

SAMPLES = pl.Schema(
    {
        "model": pl.String,
        "setting": pl.String,
        "written": pl.String,
        "precision": pl.String,
        "context": pl.String,
        "n_samples": pl.Int64,  # of each prompt
        "position": pl.String,
        "layer_rule": pl.String,
        "layer": pl.Int64,
        "n_texts": pl.Int64,  # that count, over all labels
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "reason": pl.String,
    }
)

CONFOUNDS = pl.Schema(
    {
        "model": pl.String,
        "comparison": pl.String,  # of params; `bias` holds two of the others against each other
        "experiment_a": pl.String,
        "experiment_b": pl.String,
        "layer_a": pl.Int64,
        "layer_b": pl.Int64,
        "n_stimuli_a": pl.Int64,
        "n_stimuli_b": pl.Int64,
        "spearman": pl.Float64,  # of the post-centred RDMs over the emotions, all texts, as published; of `bias`: a's minus b's
        "reliability_a": pl.Float64,
        "reliability_se_a": pl.Float64,
        "reliability_b": pl.Float64,
        "reliability_se_b": pl.Float64,
        "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): at half of the texts
        "reason": pl.String,  # why a side is not to be read
    }
)

ATTRIBUTIONS = pl.Schema(
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
)

VARIANCE = pl.Schema(
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
)

_READ = ["model", "setting", "written", "precision", "context", "position", "layer_rule"]
TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "writings": (WRITINGS, _READ),
    "samples": (SAMPLES, [*_READ[:5], "n_samples"]),
    "confounds": (CONFOUNDS, ["model", "comparison"]),
    "attributions": (ATTRIBUTIONS, ["model", "experiment_a", "experiment_b", "factor"]),
    "variance": (VARIANCE, ["model", "factor"]),
}
"""Schema and keys of each table."""
