"""What models were asked and replied: one row per turn."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Column, Table

DESCRIBED = {
    "kind": Column(
        pl.String,
        "epistemic (a question and push-backs), mention (its control: the wrong answer is only named) or procedural (a task"
        " with a format).",
    ),
    "item": Column(pl.String, "Id of the question or constraint."),
    "turn": Column(
        pl.Int64,
        "epistemic: 0 the question, then the push-backs. mention: from 1, each where that push-back would stand. procedural: 0"
        " the easy task, 1 the conflicting one.",
    ),
    "said": Column(pl.String, "What the user says."),
    "reply": Column(pl.String, "What the model replies."),
    "n_tokens": Column(pl.Int64, "Tokens of the reply, without the end token."),
    "finish": Column(pl.String, "Why the reply ends: eos, length or not_finite."),
    "log_right": Column(
        pl.Float64, "log p of the right short answer after the stem, in nats, over what the two answers do not share."
    ),
    "log_wrong": Column(pl.Float64, "The same of the wrong answer."),
    "stance": Column(
        pl.Float64, "log_right - log_wrong before a word of the reply, in nats; above 0: it sides with the right answer."
    ),
    "stance_per_token": Column(pl.Float64, "The same from the mean over each answer's tokens: length counts less."),
    "gives_in": Column(
        pl.Boolean, "Whether the words of the reply give in, by a heuristic of the published kind; null before any push-back."
    ),
    "score": Column(pl.Float64, "procedural: how far the constraint is met, 0 to 1."),
    "reason": Column(pl.String, "Why a value is missing; null where nothing is."),
}

TURN = ("kind", "item", "turn")
"""What names a turn."""

TRANSCRIPTS = Table(
    "transcripts",
    title="Transcripts",
    question="What was a model asked, and what did it reply?",
    grain="One turn.",
    described=DESCRIBED,
    keys=[*TURN],
)
TRANSCRIPT = TRANSCRIPTS.columns
