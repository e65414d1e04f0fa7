"""Tables of the stage `controls`: what else the agreement of two readers could be."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import PAIR_HERE, READER, READOUT, Table

CONTROLS = Table(
    "controls",
    pl.Schema(
        {
            **PAIR_HERE,
            "control": pl.String,  # stimulus_floor; words:<reader>; untrained
            "layer_a": pl.Int64,  # best_layer_cv
            "layer_b": pl.Int64,
            "rho_same": pl.Float64,
            "floor_mean": pl.Float64,  # stimulus_floor: rho_same with labels shuffled within topics, alike on both sides
            "floor_95": pl.Float64,
            "rho_dis": pl.Float64,
            "rho_dis_given": pl.Float64,  # others: partial correlation of the disattenuated values, given the control
            "rho_dis_given_se": pl.Float64,  # delete-one-topic jackknife
            "ci_low": pl.Float64,  # 95%, over topics
            "ci_high": pl.Float64,
            "n_draws": pl.Int64,
            "reason": pl.String,
        }
    ),
    keys=[*PAIR_HERE, "control"],
)

HUMAN = Table(
    "human",
    pl.Schema(
        {
            **READER,
            **READOUT,
            "norm": pl.String,  # valence, arousal, dominance, or all three
            "layer": pl.Int64,
            "depth": pl.Float64,
            "n_emotions": pl.Int64,  # those with norms
            "spearman": pl.Float64,  # of the model's RDM with the distances between norms
            "se_topic": pl.Float64,
            "se_label": pl.Float64,
            "ci_low": pl.Float64,  # 95%, over topics
            "ci_high": pl.Float64,
            "reason": pl.String,
        }
    ),
    keys=[*READER, *READOUT, "norm", "layer"],
)
