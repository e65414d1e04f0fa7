"""Steered texts, as the stage `steer` measures them."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON
from pipeline.schemas.table import Column, Table

CELL = {
    "model": Column(pl.String, "The model that is steered."),
    "precision": Column(pl.String, "The precision that it writes at."),
    "rule": Column(pl.String, "Where the vector is added: paper (after every block) or ours (after one)."),
    "emotion": Column(pl.String, "The target; random#0, random#1 and so on are random directions, the control."),
    "strength": Column(pl.Float64, "Length of the vector, in multiples of norm; 0: not steered."),
    "prompt": Column(pl.String, "Id of the prompt."),
}

MEASURED = {
    "layer": Column(pl.Int64, "The layer that the vector comes from; of ours, also the one that it is added after."),
    "norm": Column(
        pl.Float64,
        "What strength is a multiple of: a mean norm at layer. ours: over the tokens of neutral texts without BOS. paper: over"
        " all positions of the unsteered pass over the prompt, BOS among them (every later pass and block takes its own).",
    ),
    "prompt_text": Column(pl.String, "The prompt."),
    "text": Column(pl.String, "What the model wrote, without special tokens."),
    "n_tokens": Column(pl.Int64, "Tokens written, without the end token."),
    "finish": Column(pl.String, "Why the text ends: eos, length or not_finite."),
    "target_score": Column(
        pl.Float64,
        "Projection of the text, read alone, on the target's direction from the half of the topics that made no vector of ours;"
        " in standard deviations of neutral texts of its length. The vector of paper is of all topics, as published, and shares"
        " that half.",
    ),
    "target_rank": Column(
        pl.Int64, "Rank of that score among all emotions' scores, 1 the highest; null for a random direction."
    ),
    "reason": REASON,
}

STEERED_TEXTS = Table(
    "steered",
    title="Steered texts",
    question="What did a model write under steering?",
    grain="One text: a model, precision, rule, target, strength and prompt.",
    described={
        **CELL,
        **MEASURED,
        "tokens": Column(pl.List(pl.Int64), "Ids of the tokens written."),
        "surprisal": Column(pl.Float64, "Mean of -log p over its tokens by the unsteered model after the prompt, in nats."),
    },
    keys=[*CELL],
)
STEERED = STEERED_TEXTS.columns
