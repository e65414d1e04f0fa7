"""Tables of the stage `rsa`: every pair of readers."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import PAIR, READOUT, Table

RSA = Table(
    "rsa",
    pl.Schema(
        {
            **PAIR,
            "layer_a": pl.Int64,
            "layer_b": pl.Int64,
            "n_stimuli": pl.Int64,
            "unit": pl.String,
            "n_units": pl.Int64,
            "n_halvings": pl.Int64,
            "rho_same": pl.Float64,
            "rho_same_half": pl.Float64,  # on the same half: beside rho_cross, what reading the same passages adds
            "rho_cross": pl.Float64,
            "reliability_a": pl.Float64,
            "reliability_b": pl.Float64,
            "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): of rho_cross, never of rho_same
            "rho_dis": pl.Float64,
            "rho_same_without_label_low": pl.Float64,  # leave one label out: the lowest and highest value
            "rho_same_without_label_high": pl.Float64,
            "rho_dis_without_label_low": pl.Float64,
            "rho_dis_without_label_high": pl.Float64,
            "cka": pl.Float64,  # linear, over stories, of activations; best_layer_cv and all pairs of labels only
            "p_mantel_cross": pl.Float64,  # likewise
            "q_mantel_cross": pl.Float64,  # over the declared family
            "in_family": pl.Boolean,
            "reason": pl.String,
        }
    ),
    keys=[*PAIR],
)

INTERVALS = Table(
    "intervals",
    pl.Schema(
        {
            **PAIR,
            "estimator": pl.String,  # rho_same, rho_cross, rho_dis
            "over": pl.String,  # topics; labels: how much hangs on which labels these are
            "estimate": pl.Float64,
            "dof": pl.Int64,
            "ci_low": pl.Float64,  # 95%
            "ci_high": pl.Float64,
            "smallest_visible": pl.Float64,  # the smallest difference from it that this design finds, 5% level, 80% power
            "p_equivalent_to_one": pl.Float64,  # rho_dis: two one-sided tests with the margin of params; small: it is 1
        }
    ),
    keys=[*PAIR, "estimator", "over"],
)

NOISE_CEILING = Table(
    "noise_ceiling",
    pl.Schema(
        {
            "precision": pl.String,
            **READOUT,
            "layer_rule": pl.String,
            "n_lineages": pl.Int64,
            "lower": pl.Float64,
            "lower_se": pl.Float64,
            "upper": pl.Float64,
            "upper_se": pl.Float64,
            "same_story_lower": pl.Float64,  # over models, on the same stories, whose noise it counts as agreement
            "same_story_upper": pl.Float64,
            "reason": pl.String,
        }
    ),
    keys=["precision", *READOUT, "layer_rule"],
)

LINEAGES = Table(
    "lineages",
    pl.Schema(
        {
            "precision": pl.String,
            **READOUT,
            "layer_rule": pl.String,
            "pairs": pl.String,
            "estimator": pl.String,
            "n_lineages": pl.Int64,
            "n_pairs": pl.Int64,  # of trained models of different lineages
            "lowest": pl.Float64,
            "median": pl.Float64,
            "highest": pl.Float64,
            "median_without_lineage_low": pl.Float64,  # leave one lineage out: the lowest and highest median
            "median_without_lineage_high": pl.Float64,
            "lowest_without_lineage_high": pl.Float64,  # and the highest of the lowest values
            "reason": pl.String,
        }
    ),
    keys=["precision", *READOUT, "layer_rule", "pairs", "estimator"],
)
