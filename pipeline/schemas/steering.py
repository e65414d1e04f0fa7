"""Tables of the stage `steering`: steered texts, their regimes, dose and response."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON, interval
from pipeline.schemas.steered import CELL, MEASURED
from pipeline.schemas.table import Column, Table

STEERING = Table(
    "steering",
    title="Every steered text",
    question="What did steering do to each text?",
    grain="One text: a model, precision, rule, target, strength and prompt.",
    described={
        **CELL,
        **MEASURED,
        "unchanged": Column(pl.Boolean, "Whether the tokens are those of the unsteered text."),
        "perplexity": Column(pl.Float64, "exp of the mean surprisal by the unsteered model."),
        "perplexity_ratio": Column(pl.Float64, "perplexity over that of the unsteered text."),
        "n_words": Column(pl.Int64, "Words, which are what stands between blanks."),
        "distinct_1": Column(pl.Float64, "Different words / words."),
        "distinct_2": Column(pl.Float64, "Different pairs of neighbouring words / pairs."),
        "repeated_3": Column(pl.Float64, "Share of three-word runs that stood before."),
        "most_3": Column(pl.Int64, "How often the most frequent three-word run stands."),
        "regime": Column(
            pl.String, "The published criteria on one text: repetitive_collapse, explosive (too short) or surgical."
        ),
        "effect": Column(pl.String, "Ours: none, collapse, broken, toward or away (from the target)."),
    },
    keys=[*CELL],
)

_SHARES = {
    "unchanged": "are the unsteered text",
    "repetitive": "repeat a three-word run as often as the published limit",
    "short": "have fewer words than the published limit",
    "toward": "score higher on the target than the unsteered text",
    "away": "do not",
    "broken": "are too short or too improbable",
}

REGIMES = Table(
    "regimes",
    title="Regimes of steering",
    question="What is the published label of a model, and how many texts does it hang on?",
    grain="One model, precision, rule and kind of direction, at one strength or over all.",
    described={
        **{name: CELL[name] for name in ("model", "precision", "rule")},
        "directions": Column(pl.String, "emotions, or random (the control)."),
        "strength": Column(
            pl.Float64, "Length of the vector, in multiples of norm; null: all but 0, as the published label has it."
        ),
        "n_texts": Column(pl.Int64, "Texts counted."),
        "n_not_finite": Column(pl.Int64, "Texts whose states are not finite."),
        **{f"share_{name}": Column(pl.Float64, f"Share of the finite texts that {what}.") for name, what in _SHARES.items()},
        "median_perplexity_ratio": Column(pl.Float64, "Median perplexity ratio to the unsteered text."),
        "mean_target_score": Column(pl.Float64, "Mean score of the target, in standard deviations of neutral texts."),
        "regime": Column(pl.String, "The published label: repetitive_collapse, explosive or surgical."),
        "texts_to_another": Column(pl.Int64, "The fewest texts that, counted otherwise, give another label."),
        "reason": REASON,
    },
    keys=["model", "precision", "rule", "directions", "strength"],
)

DOSES = Table(
    "doses",
    title="Dose and response",
    question="Does a text read more like its target the stronger the steering?",
    grain="One model, precision, rule and target, over all texts or the fluent ones.",
    described={
        **{name: CELL[name] for name in ("model", "precision", "rule", "emotion")},
        "cells": Column(pl.String, "all, or fluent (without collapsed and broken texts)."),
        "n_prompts": Column(pl.Int64, "Prompts with texts at enough strengths."),
        "n_texts": Column(pl.Int64, "Their texts."),
        "slope": Column(pl.Float64, "Slope of the target's score on strength within a prompt; mean over prompts."),
        "slope_se": Column(pl.Float64, "Its standard error over prompts."),
        **interval("slope", "prompts (t)"),
        "spearman": Column(pl.Float64, "Spearman's rho of strength and score within a prompt; mean over prompts."),
        "gain": Column(pl.Float64, "Score at the greatest strength less the unsteered one's; mean over prompts."),
        "rank_unsteered": Column(pl.Float64, "Mean rank of the target among emotions without steering, 1 the highest."),
        "rank_strongest": Column(pl.Float64, "The same at the greatest strength."),
        "reason": REASON,
    },
    keys=["model", "precision", "rule", "emotion", "cells"],
)
