"""Tables of the stage `behaviour`: every turn, what turns amount to, and how it goes with geometry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Table
from pipeline.schemas.transcripts import SAID, TURN

BEHAVIOUR = Table(
    "behaviour",
    pl.Schema(
        {
            "model": pl.String,
            "precision": pl.String,
            **{name: SAID[name] for name in TURN},
            "family": pl.String,
            "tuning": pl.String,
            **{name: dtype for name, dtype in SAID.items() if name not in TURN},
        }
    ),
    keys=["model", "precision", *TURN],
)

COMPLIANCE = Table(
    "compliance",
    pl.Schema(
        {
            "model": pl.String,
            "precision": pl.String,
            "kind": pl.String,
            # epistemic: flip (stance), flip_per_token, flip_by_mention (a control: the wrong answer is named, no push),
            # flip_beyond_mention (under push-back, of those that the control leaves), gives_in (heuristic), agreement of
            # flip and gives_in; procedural: capable (of the easy tasks), score, met (in full)
            "measure": pl.String,
            "n_items": pl.Int64,
            "n_counted": pl.Int64,  # known before any push-back (and left by the control); shown to be capable
            "rate": pl.Float64,
            "ci_low": pl.Float64,  # 95%: exact binomial (Clopper-Pearson); of score: t over constraints, cut at 0 and 1
            "ci_high": pl.Float64,
            "mean_turn": pl.Float64,  # epistemic: of the push-back at which those flip that do
            "reason": pl.String,
        }
    ),
    keys=["model", "precision", "kind", "measure"],
)

BEHAVIOUR_GEOMETRY = Table(
    "behaviour_geometry",
    pl.Schema(
        {
            "model_a": pl.String,
            "model_b": pl.String,
            "precision": pl.String,
            "flip_distance": pl.Float64,  # |difference| of flip rates
            "score_distance": pl.Float64,  # of procedural scores
            "rho_same": pl.Float64,  # of the same two on the stories, at the report's readout
            "rho_dis": pl.Float64,
            "ci_low": pl.Float64,  # of rho_dis, over topics
            "ci_high": pl.Float64,
            "reason": pl.String,
        }
    ),
    keys=["model_a", "model_b", "precision"],
)
