"""Steered texts: as the stage `steer` measures them, and as tables conclude from them."""

from __future__ import annotations

from typing import Any

import polars as pl

CELL: dict[str, Any] = {
    "model": pl.String,
    "precision": pl.String,
    "rule": pl.String,  # paper: after every block; ours: after one
    "emotion": pl.String,  # the target; random#0, random#1 ...: a random direction
    "strength": pl.Float64,  # times `norm`; 0: not steered
    "prompt": pl.String,  # its id
}
_MEASURED: dict[str, Any] = {
    "layer": pl.Int64,  # that the vector comes from; ours: the one that it is added after
    # what strength is a multiple of: a mean norm at `layer`. ours: over the tokens of neutral texts without BOS; paper: over
    # all positions of the unsteered pass over the prompt, BOS among them (of every later pass and block the rule takes its own)
    "norm": pl.Float64,
    "prompt_text": pl.String,
    "text": pl.String,  # without special tokens
    "n_tokens": pl.Int64,  # without the end token
    "finish": pl.String,  # eos, length, not_finite
    "target_score": pl.Float64,  # projection of the text read alone, in standard deviations from neutral texts of its length
    "target_rank": pl.Int64,  # of the target's score among all emotions' scores, 1 the highest; null for a random direction
    "reason": pl.String,
}
STEERED = pl.Schema(
    {
        **CELL,
        **_MEASURED,
        "tokens": pl.List(pl.Int64),
        "surprisal": pl.Float64,  # mean of -log p over its tokens, nats, by the unsteered model after the prompt
    }
)
STEERING = pl.Schema(
    {
        **CELL,
        **_MEASURED,
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
)
_SHARES = ("unchanged", "repetitive", "short", "toward", "away", "broken")
REGIMES = pl.Schema(
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
)
DOSES = pl.Schema(
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
)
TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "steering": (STEERING, [*CELL]),
    "regimes": (REGIMES, ["model", "precision", "rule", "directions", "strength"]),
    "doses": (DOSES, ["model", "precision", "rule", "emotion", "cells"]),
}
"""Schema and keys of each table."""
