"""Steered texts, as the stage `steer` measures them."""

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

MEASURED: dict[str, Any] = {
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
        **MEASURED,
        "tokens": pl.List(pl.Int64),
        "surprisal": pl.Float64,  # mean of -log p over its tokens, nats, by the unsteered model after the prompt
    }
)
