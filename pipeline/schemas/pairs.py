"""Tables of the stage `pairs`: every pair of readers."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import (
    LAYER_RULE,
    LAYERS_OF_BOTH,
    PAIR,
    READOUT,
    REASON,
    RELIABILITIES,
    RHO_CROSS,
    RHO_DIS,
    RHO_SAME,
    UNIT,
    interval,
)
from pipeline.schemas.table import Column, Table

RSA = Table(
    "rsa",
    title="Every pair of readers",
    question="How alike are the emotion geometries of two readers, and how much of it is the same passages?",
    grain="Two readers at one position and variant, one rule for the layer, one set of pairs of emotions.",
    described={
        **PAIR,
        **LAYERS_OF_BOTH,
        "n_stimuli": Column(pl.Int64, "Stories behind the row, those of the neutral label not counted."),
        "unit": UNIT,
        "n_units": Column(pl.Int64, "How many units there are."),
        "n_halvings": Column(pl.Int64, "Halvings of the units that rho_cross and the reliabilities are means over."),
        "rho_same": RHO_SAME,
        "rho_same_half": Column(
            pl.Float64, "The same on one half of the topics: less rho_cross, what reading the same passages adds."
        ),
        "rho_cross": RHO_CROSS,
        **RELIABILITIES,
        "ceiling": Column(pl.Float64, "sqrt(reliability_a reliability_b): the ceiling of rho_cross, never of rho_same."),
        "rho_dis": RHO_DIS,
        "rho_same_without_label_low": Column(pl.Float64, "The lowest rho_same with one emotion left out."),
        "rho_same_without_label_high": Column(pl.Float64, "The highest rho_same with one emotion left out."),
        "rho_dis_without_label_low": Column(pl.Float64, "The lowest rho_dis with one emotion left out."),
        "rho_dis_without_label_high": Column(pl.Float64, "The highest rho_dis with one emotion left out."),
        "cka": Column(
            pl.Float64, "Linear CKA of the activations over stories; at best_layer_cv and all pairs of emotions only."
        ),
        "p_mantel_cross": Column(pl.Float64, "One-sided p of rho_cross under permutations of one side's labels; where cka is."),
        "q_mantel_cross": Column(pl.Float64, "The same adjusted for the declared family of pairs (Benjamini and Hochberg)."),
        "in_family": Column(
            pl.Boolean, "Whether the pair is of that family: two trained models of two lineages at one precision."
        ),
        "reason": REASON,
    },
    keys=[*PAIR],
)

INTERVALS = Table(
    "intervals",
    title="Intervals of every pair",
    question="How sure is the similarity of a pair, over other topics and other emotions?",
    grain="One pair as in rsa, one of its numbers, and what the interval is over.",
    described={
        **PAIR,
        "estimator": Column(pl.String, "rho_same, rho_cross or rho_dis."),
        "over": Column(
            pl.String, "What is resampled: topics, the interval to quote; or labels: how much hangs on which labels these are."
        ),
        "estimate": Column(pl.Float64, "The number itself."),
        "dof": Column(pl.Int64, "Degrees of freedom of the t quantile."),
        **interval("the estimate", "what `over` says"),
        "smallest_visible": Column(
            pl.Float64, "The smallest difference that the design finds, at the 5% level with 80% power."
        ),
        "p_equivalent_to_one": Column(pl.Float64, "rho_dis: two one-sided tests against the margin of params; small: it is 1."),
    },
    keys=[*PAIR, "estimator", "over"],
)

NOISE_CEILING = Table(
    "noise_ceiling",
    title="The noise ceiling over lineages",
    question="How well could any model predict the geometry that the lineages have in common?",
    grain="The trained models at one precision, position, variant and rule for the layer.",
    described={
        "precision": Column(pl.String, "The precision that all are read at."),
        **READOUT,
        "layer_rule": LAYER_RULE,
        "n_lineages": Column(pl.Int64, "Lineages of trained models; fewer than three have no ceiling."),
        "lower": Column(pl.Float64, "Mean rho of a lineage with the mean of the others, on other topics."),
        "lower_se": Column(pl.Float64, "Its jackknife standard error over lineages."),
        "upper": Column(pl.Float64, "The same with the lineage itself in the mean."),
        "upper_se": Column(pl.Float64, "Its jackknife standard error over lineages."),
        "same_story_lower": Column(
            pl.Float64, "The lower bound over models on the same stories, whose noise counts as agreement."
        ),
        "same_story_upper": Column(pl.Float64, "The upper bound over models on the same stories."),
        "reason": REASON,
    },
    keys=["precision", *READOUT, "layer_rule"],
)

LINEAGES = Table(
    "lineages",
    title="Pairs across lineages",
    question="How alike are models that do not descend from one another, and does one lineage carry the answer?",
    grain="Pairs across lineages at one precision, position, variant, rule and set of pairs of emotions; one of their numbers.",
    described={
        "precision": Column(pl.String, "The precision that both are read at."),
        **READOUT,
        "layer_rule": LAYER_RULE,
        "pairs": PAIR["pairs"],
        "estimator": Column(pl.String, "rho_same, rho_cross or rho_dis."),
        "n_lineages": Column(pl.Int64, "Lineages with such a pair."),
        "n_pairs": Column(pl.Int64, "Pairs of trained models of two lineages that have the number."),
        "lowest": Column(pl.Float64, "The lowest value over the pairs."),
        "median": Column(pl.Float64, "The median over the pairs."),
        "highest": Column(pl.Float64, "The highest value over the pairs."),
        "median_without_lineage_low": Column(pl.Float64, "The lowest median with one lineage left out."),
        "median_without_lineage_high": Column(pl.Float64, "The highest median with one lineage left out."),
        "lowest_without_lineage_high": Column(pl.Float64, "The highest of the lowest values with one lineage left out."),
        "reason": REASON,
    },
    keys=["precision", *READOUT, "layer_rule", "pairs", "estimator"],
)
