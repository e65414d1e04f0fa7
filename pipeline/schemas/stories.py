"""Tables of what models do with the stories: each condition, and every pair."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import CONDITION, PAIR, READOUT

GEOMETRY = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "layer": pl.Int64,
        "depth": pl.Float64,
        "n_stimuli": pl.Int64,
        "unit": pl.String,  # of resampling: topic, or story where stories are not crossed with topics
        "n_units": pl.Int64,
        "n_emotions": pl.Int64,
        "anisotropy": pl.Float64,
        "n_neutral_components": pl.Int64,
        "rdm_mean": pl.Float64,
        "rdm_std": pl.Float64,
        "mean_cosine": pl.Float64,
        "mean_cosine_with_neutral": pl.Float64,
        "accuracy": pl.Float64,
        "accuracy_se": pl.Float64,
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "n_halvings": pl.Int64,
        "reason": pl.String,
    }
)

OVERFLOW = pl.Schema(
    {
        **CONDITION,  # setting: stories, or neutral
        "n_stimuli": pl.Int64,
        "n_layers": pl.Int64,
        "first_bad_layer": pl.Int64,  # the first at which some text's state is not finite; null: all are
        "n_bad_layers": pl.Int64,
        "n_bad_stimuli": pl.Int64,  # texts that are not finite at some layer
        "share_bad_stimuli": pl.Float64,
        "share_bad_at_first": pl.Float64,  # of texts that are not finite at the first bad layer already
        "reason": pl.String,  # in words
    }
)

LAYERS = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "layer_rule": pl.String,
        "halving": pl.Int64,  # null: chosen on all topics
        "half": pl.Int64,
        "layer": pl.Int64,
        "plateau_low": pl.Int64,
        "plateau_high": pl.Int64,
        "reason": pl.String,
    }
)

RSA = pl.Schema(
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
)

INTERVALS = pl.Schema(
    {
        **PAIR,
        "estimator": pl.String,  # rho_same, rho_cross, rho_dis
        "over": pl.String,  # topics, labels, topics_and_labels (conservative)
        "estimate": pl.Float64,
        "dof": pl.Int64,
        "ci_low": pl.Float64,  # 95%
        "ci_high": pl.Float64,
        "smallest_visible": pl.Float64,  # the smallest difference from it that this design finds, 5% level, 80% power
        "p_equivalent_to_one": pl.Float64,  # rho_dis: two one-sided tests with the margin of params; small: it is 1
    }
)

NOISE_CEILING = pl.Schema(
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
)

LINEAGES = pl.Schema(
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
)

DISTANCES = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "emotion_a": pl.String,
        "emotion_b": pl.String,
        "layer": pl.Int64,  # best_layer_cv
        "cosine_distance": pl.Float64,  # 1 - cosine: the entry of the RDM
        "cos_cv": pl.Float64,  # across halves of the topics: without what noise adds to lengths
        "cos_cv_se": pl.Float64,
        "euclid_cv": pl.Float64,  # squared, across halves: unbiased, in squared units of the activations
        "euclid_cv_se": pl.Float64,
        "reason": pl.String,
    }
)

N_COMPONENTS = 3

CORPUS = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "words": pl.String,  # the reader of words that stands beside
        "layer": pl.Int64,  # best_layer_cv
        "accuracy": pl.Float64,
        "accuracy_se": pl.Float64,
        "words_accuracy": pl.Float64,
        "over_words": pl.Float64,  # accuracy - words_accuracy
        "over_words_se": pl.Float64,
        "where_words_fail": pl.Float64,  # accuracy on the stories that the reader of words gets wrong
        "where_words_fail_se": pl.Float64,
        "n_where_words_fail": pl.Int64,
        # of each principal component of the label vectors: share of variance, |Pearson r| with human norms; null without norms
        **{f"pc{k + 1}_{x}": pl.Float64 for k in range(N_COMPONENTS) for x in ("share", "valence", "arousal")},
    }
)

CONFUSION = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "emotion": pl.String,
        "predicted": pl.String,
        "layer": pl.Int64,
        "n_stimuli": pl.Int64,
    }
)

GROWTH = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "pairs": pl.String,  # of labels: all, or within_sign (of valence)
        "n_units": pl.Int64,  # in each of the two sets
        "unit": pl.String,
        "layer": pl.Int64,
        "n_draws": pl.Int64,
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "reason": pl.String,
    }
)

TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "geometry": (GEOMETRY, [*CONDITION, *READOUT, "layer"]),
    "overflow": (OVERFLOW, [*CONDITION]),
    "layers": (LAYERS, [*CONDITION, *READOUT, "layer_rule", "halving", "half"]),
    "distances": (DISTANCES, [*CONDITION, *READOUT, "emotion_a", "emotion_b"]),
    "corpus": (CORPUS, [*CONDITION, *READOUT, "words"]),
    "confusion": (CONFUSION, [*CONDITION, *READOUT, "emotion", "predicted"]),
    "growth": (GROWTH, [*CONDITION, *READOUT, "pairs", "n_units"]),
    "rsa": (RSA, [*PAIR]),
    "intervals": (INTERVALS, [*PAIR, "estimator", "over"]),
    "noise_ceiling": (NOISE_CEILING, ["precision", *READOUT, "layer_rule"]),
    "lineages": (LINEAGES, ["precision", *READOUT, "layer_rule", "pairs", "estimator"]),
}
"""Schema and keys of each table."""
