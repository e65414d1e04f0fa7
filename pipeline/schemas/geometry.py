"""Tables of the stage `geometry`: each reader by itself."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import READER, READOUT, Table

GEOMETRY = Table(
    "geometry",
    pl.Schema(
        {
            **READER,
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
    ),
    keys=[*READER, *READOUT, "layer"],
)

OVERFLOW = Table(
    "overflow",
    pl.Schema(
        {
            **READER,  # setting: stories, or neutral
            "n_stimuli": pl.Int64,
            "n_layers": pl.Int64,
            "first_bad_layer": pl.Int64,  # the first at which some text's state is not finite; null: all are
            "n_bad_layers": pl.Int64,
            "n_bad_stimuli": pl.Int64,  # texts that are not finite at some layer
            "share_bad_stimuli": pl.Float64,
            "share_bad_at_first": pl.Float64,  # of texts that are not finite at the first bad layer already
            "reason": pl.String,  # in words
        }
    ),
    keys=[*READER],
)

LAYERS = Table(
    "layers",
    pl.Schema(
        {
            **READER,
            **READOUT,
            "layer_rule": pl.String,
            "halving": pl.Int64,  # null: chosen on all topics
            "half": pl.Int64,
            "layer": pl.Int64,
            "plateau_low": pl.Int64,
            "plateau_high": pl.Int64,
            "reason": pl.String,
        }
    ),
    keys=[*READER, *READOUT, "layer_rule", "halving", "half"],
)

DISTANCES = Table(
    "distances",
    pl.Schema(
        {
            **READER,
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
    ),
    keys=[*READER, *READOUT, "emotion_a", "emotion_b"],
)
