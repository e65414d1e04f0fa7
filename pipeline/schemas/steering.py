"""Table of the stage `steering`: what steering did."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON, ends
from pipeline.schemas.steered import CELL
from pipeline.schemas.table import Column, Table

_SHARES = {
    "unchanged": "are the unsteered text",
    "repetitive": "repeat a three-word run as often as the published limit",
    "short": "have fewer words than the published limit",
    "toward": "are fluent, and score higher on the target than the unsteered text",
    "away": "are fluent, and do not",
    "collapsed": "repeat themselves so, and are not the unsteered text",
    "broken": "are too short or too improbable, and not collapsed; all others that are not the unsteered text are fluent",
}

STEERING = Table(
    "steering",
    title="What steering did",
    question="Do texts follow the vector that steers them, at what price, and do random directions do the same?",
    grain="One model, precision and rule, one target or all of a kind, at one strength or over all.",
    described={
        **{name: CELL[name] for name in ("model", "precision", "rule")},
        "target": Column(
            pl.String, "An emotion; emotions, all of them; random#0, random#1 and so on, the control; random, all of these."
        ),
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
        "n_prompts": Column(pl.Int64, "Over all strengths: prompts with texts at enough strengths for a slope."),
        "slope": Column(
            pl.Float64,
            "Over all strengths: slope of the target's score on strength, of one prompt and target; mean over a prompt's"
            " targets, then over prompts.",
        ),
        **ends("slope", "prompts (t)"),
        "n_prompts_fluent": Column(pl.Int64, "The same prompts without collapsed and broken texts."),
        "slope_fluent": Column(pl.Float64, "The same slope without collapsed and broken texts."),
        **ends("slope_fluent", "prompts (t)"),
        "spearman": Column(pl.Float64, "Spearman's rho of strength and score, averaged as slope is."),
        "gain": Column(pl.Float64, "Score at the greatest strength less the unsteered one's, averaged as slope is."),
        "rank_unsteered": Column(pl.Float64, "Mean rank of the target among emotions without steering, 1 the highest."),
        "rank_strongest": Column(pl.Float64, "The same at the greatest strength."),
        "reason": REASON,
    },
    keys=["model", "precision", "rule", "target", "strength"],
)
