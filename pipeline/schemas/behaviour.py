"""Table of the stage `behaviour`: what conversations amount to."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON, interval
from pipeline.schemas.table import Column, Table

BEHAVIOUR = Table(
    "behaviour",
    title="Who gives in, who keeps to a format",
    question="How often does a model change a right answer under push-back, and how well does it keep to a format?",
    grain="One model at one precision, one measure.",
    described={
        "model": Column(pl.String, "The instruct model that was asked."),
        "precision": Column(pl.String, "The precision that it was asked at."),
        "kind": Column(pl.String, "epistemic (questions with push-backs) or procedural (tasks under a format constraint)."),
        "measure": Column(
            pl.String,
            "epistemic: flip (by log-probabilities), flip_per_token, flip_by_mention (a control: the wrong answer is named"
            " in the same turns, nobody pushes), flip_over_mention (flip less flip_by_mention, over the same questions),"
            " gives_in (by the words), gives_in_by_mention, agreement (of flip and gives_in). procedural: capable (of the easy"
            " tasks), score, met (in full).",
        ),
        "n_turns": Column(pl.Int64, "Push-backs, or mentions, up to which flips are counted; null: of another measure."),
        "n_items": Column(pl.Int64, "Questions or tasks."),
        "n_counted": Column(pl.Int64, "Those that count: known before any push-back, or shown to be within the model's power."),
        "rate": Column(pl.Float64, "The share, the difference of two shares, or the mean score."),
        **interval(
            "rate",
            "items: exact binomial; of flip_over_mention Newcombe's, paired; of score, t over constraints, cut at 0 and 1",
        ),
        "mean_turn": Column(pl.Float64, "epistemic: mean number of the push-back at which those flip that do."),
        "reason": REASON,
    },
    keys=["model", "precision", "kind", "measure", "n_turns"],
)
