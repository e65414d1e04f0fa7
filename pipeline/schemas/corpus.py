"""Tables of the stage `corpus`: what the stories can carry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import READER, READOUT, Table

N_COMPONENTS = 3

CORPUS = Table(
    "corpus",
    pl.Schema(
        {
            **READER,
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
            # of each principal component of the label vectors: share of variance, |Pearson r| with human norms (null without)
            **{f"pc{k + 1}_{x}": pl.Float64 for k in range(N_COMPONENTS) for x in ("share", "valence", "arousal")},
        }
    ),
    keys=[*READER, *READOUT, "words"],
)

CONFUSION = Table(
    "confusion",
    pl.Schema(
        {
            **READER,
            **READOUT,
            "emotion": pl.String,
            "predicted": pl.String,
            "layer": pl.Int64,
            "n_stimuli": pl.Int64,
        }
    ),
    keys=[*READER, *READOUT, "emotion", "predicted"],
)

GROWTH = Table(
    "growth",
    pl.Schema(
        {
            **READER,
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
    ),
    keys=[*READER, *READOUT, "pairs", "n_units"],
)
