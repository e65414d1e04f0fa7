"""Tables of controls: what else the agreement of two conditions could be."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import CONDITION, PAIR_HERE, READOUT

CONTROLS = pl.Schema(
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
)

HUMAN = pl.Schema(
    {
        **CONDITION,
        **READOUT,
        "norm": pl.String,  # valence, arousal, dominance, or all three
        "layer": pl.Int64,
        "depth": pl.Float64,
        "n_emotions": pl.Int64,  # those with norms
        "spearman": pl.Float64,  # of the model's RDM with the distances between norms
        "se_topic": pl.Float64,
        "se_label": pl.Float64,
        "ci_low": pl.Float64,  # 95%, over topics and labels
        "ci_high": pl.Float64,
        "reason": pl.String,
    }
)

CHOICES = pl.Schema(
    {
        **PAIR_HERE,
        "choice": pl.String,  # what was changed: position:<name>, reading:<name>, unit_norm, last_layer, ...
        "changed": pl.String,  # a, b, both; a = b: a condition against itself with the choice made otherwise
        "layer_a": pl.Int64,
        "layer_b": pl.Int64,
        "rho_same": pl.Float64,
        "rho_cross": pl.Float64,
        "reliability_a": pl.Float64,
        "reliability_b": pl.Float64,
        "rho_dis": pl.Float64,
        "rho_dis_change": pl.Float64,  # from the same pair with nothing changed; from 1 where a = b
        "rho_dis_change_se": pl.Float64,  # delete-one-topic jackknife of the change
        "p_equivalent": pl.Float64,  # two one-sided tests: the change is within the margin of params
        "reason": pl.String,
    }
)

LAYER_MAP = pl.Schema({**PAIR_HERE, "layer_a": pl.Int64, "layer_b": pl.Int64, "rho_same": pl.Float64, "rho_cross": pl.Float64})

SECOND = pl.Schema(
    {
        **PAIR_HERE,  # a read our stories, b those of the second source, which is b's setting
        "layer_a": pl.Int64,
        "layer_b": pl.Int64,
        "n_emotions": pl.Int64,  # labels in common
        "n_units_a": pl.Int64,
        "n_units_b": pl.Int64,
        "unit_b": pl.String,
        "rho_whole": pl.Float64,  # all stories of each
        "rho_cross": pl.Float64,  # mean over halves of ours and halves of theirs
        "reliability_a": pl.Float64,  # over the labels in common
        "reliability_b": pl.Float64,
        "rho_dis": pl.Float64,
        "rho_dis_se": pl.Float64,  # jackknife over both sources' units
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "reason": pl.String,
    }
)

TABLES: dict[str, tuple[pl.Schema, list[str]]] = {
    "controls": (CONTROLS, [*PAIR_HERE, "control"]),
    "human": (HUMAN, [*CONDITION, *READOUT, "norm", "layer"]),
    "choices": (CHOICES, [*PAIR_HERE, "choice"]),
    "layer_map": (LAYER_MAP, [*PAIR_HERE, "layer_a", "layer_b"]),
    "second": (SECOND, [*PAIR_HERE]),
}
"""Schema and keys of each table."""
