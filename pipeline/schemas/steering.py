"""Tables of the stage `steering`: steered texts, their regimes, dose and response."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.steered import CELL, MEASURED
from pipeline.schemas.table import Table

STEERING = Table(
    "steering",
    pl.Schema(
        {
            **CELL,
            **MEASURED,
            "unchanged": pl.Boolean,  # the tokens are those of the unsteered text
            "perplexity": pl.Float64,  # exp(surprisal)
            "perplexity_ratio": pl.Float64,  # over the perplexity of the unsteered text
            "n_words": pl.Int64,  # between blanks
            "distinct_1": pl.Float64,  # different words / words
            "distinct_2": pl.Float64,  # different pairs of neighbours / pairs
            "repeated_3": pl.Float64,  # share of 3-grams that stood before
            "most_3": pl.Int64,  # how often the most frequent 3-gram stands
            "regime": pl.String,  # the published criteria on one text: repetitive_collapse, explosive, surgical
            "effect": pl.String,  # ours: none, collapse, broken, toward, away
        }
    ),
    keys=[*CELL],
)

_SHARES = ("unchanged", "repetitive", "short", "toward", "away", "broken")

REGIMES = Table(
    "regimes",
    pl.Schema(
        {
            **{name: CELL[name] for name in ("model", "precision", "rule")},
            "directions": pl.String,  # emotions, random
            "strength": pl.Float64,  # null: all but 0, as the published label has it
            "n_texts": pl.Int64,
            "n_not_finite": pl.Int64,
            **{f"share_{name}": pl.Float64 for name in _SHARES},  # of the texts that are finite
            "median_perplexity_ratio": pl.Float64,
            "mean_target_score": pl.Float64,
            "regime": pl.String,  # repetitive_collapse, explosive, surgical
            "texts_to_another": pl.Int64,  # the fewest texts that, counted otherwise, give another label
            "reason": pl.String,
        }
    ),
    keys=["model", "precision", "rule", "directions", "strength"],
)

DOSES = Table(
    "doses",
    pl.Schema(
        {
            **{name: CELL[name] for name in ("model", "precision", "rule", "emotion")},
            "cells": pl.String,  # all, or fluent: without collapsed and broken texts
            "n_prompts": pl.Int64,
            "n_texts": pl.Int64,
            "slope": pl.Float64,  # of the target's score on strength, within a prompt; mean over prompts
            "slope_se": pl.Float64,
            "ci_low": pl.Float64,  # 95%, t over prompts
            "ci_high": pl.Float64,
            "spearman": pl.Float64,  # of strength and score within a prompt; mean over prompts
            "gain": pl.Float64,  # the score at the strongest, less the unsteered one's; mean over prompts
            "rank_unsteered": pl.Float64,  # mean rank of the target among emotions
            "rank_strongest": pl.Float64,
            "reason": pl.String,
        }
    ),
    keys=["model", "precision", "rule", "emotion", "cells"],
)
