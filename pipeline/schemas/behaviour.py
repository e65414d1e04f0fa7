"""Behaviour: every transcript, what it amounts to, and how it goes with geometry."""

from __future__ import annotations

from typing import Any

import polars as pl

_SAID: dict[str, Any] = {
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
TRANSCRIPT = pl.Schema(_SAID)
_WHERE = ("kind", "item", "turn")
BEHAVIOUR = pl.Schema(
    {
        "model": pl.String,
        "precision": pl.String,
        **{name: _SAID[name] for name in _WHERE},
        "family": pl.String,
        "tuning": pl.String,
        **{name: dtype for name, dtype in _SAID.items() if name not in _WHERE},
    }
)

COMPLIANCE = pl.Schema(
    {
        "model": pl.String,
        "precision": pl.String,
        "kind": pl.String,
        # epistemic: flip (stance), flip_per_token, flip_by_mention (a control: the wrong answer is named, no push),
        # flip_beyond_mention (under push-back, of those that the control leaves), gives_in (heuristic), agreement of flip and
        # gives_in; procedural: capable (of the easy tasks), score, met (in full)
        "measure": pl.String,
        "n_items": pl.Int64,
        "n_counted": pl.Int64,  # known before any push-back (and left by the control); shown to be capable
        "rate": pl.Float64,
        "ci_low": pl.Float64,  # 95%: exact binomial (Clopper-Pearson); of score: t over constraints, cut at 0 and 1
        "ci_high": pl.Float64,
        "mean_turn": pl.Float64,  # epistemic: of the push-back at which those flip that do
        "reason": pl.String,
    }
)

BEHAVIOUR_GEOMETRY = pl.Schema(
    {
        "model_a": pl.String,
        "model_b": pl.String,
        "precision": pl.String,
        "flip_distance": pl.Float64,  # |difference| of flip rates
        "score_distance": pl.Float64,  # of procedural scores
        "rho_same": pl.Float64,  # of the same two on the stories, at the report's readout
        "rho_dis": pl.Float64,
        "ci_low": pl.Float64,  # of rho_dis, over topics and labels
        "ci_high": pl.Float64,
        "reason": pl.String,
    }
)

TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "behaviour": (BEHAVIOUR, ["model", "precision", *_WHERE]),
    "compliance": (COMPLIANCE, ["model", "precision", "kind", "measure"]),
    "behaviour_geometry": (BEHAVIOUR_GEOMETRY, ["model_a", "model_b", "precision"]),
}
"""Schema and keys of each table."""
