"""What models were asked and replied: one row per turn."""

from __future__ import annotations

from typing import Any

import polars as pl

SAID: dict[str, Any] = {
    "kind": pl.String,  # epistemic, mention (its control), procedural
    "item": pl.String,
    "turn": pl.Int64,  # epistemic: 0 the question, then the push-backs; procedural: 0 the easy task, 1 the conflicting one;
    # mention: 1, where the first push-back would stand
    "said": pl.String,  # by the user
    "reply": pl.String,  # null: mention
    "n_tokens": pl.Int64,
    "finish": pl.String,  # eos, length, not_finite
    "log_right": pl.Float64,  # log p of the right short answer after the stem, nats; of what the two answers do not share
    "log_wrong": pl.Float64,
    "stance": pl.Float64,  # log_right - log_wrong, where the reply begins, before a word of it; null: procedural
    "stance_per_token": pl.Float64,  # the same of the means over each answer's tokens: length counts less
    "gives_in": pl.Boolean,  # a heuristic of the published kind, on the words of the reply; null before any push-back
    "score": pl.Float64,  # procedural: how far the constraint is met, 0 to 1
    "reason": pl.String,
}

TRANSCRIPT = pl.Schema(SAID)

TURN = ("kind", "item", "turn")
"""What names a turn."""
