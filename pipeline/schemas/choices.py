"""Tables of the stage `choices`: what the numbers owe to choices that could have been made otherwise."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import PAIR_HERE, Table

CHOICES = Table(
    "choices",
    pl.Schema(
        {
            **PAIR_HERE,
            "choice": pl.String,  # what was changed: position:<name>, reading:<name>, unit_norm, last_layer, ...
            "changed": pl.String,  # a, b, both; a = b: a reader against itself with the choice made otherwise
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
    ),
    keys=[*PAIR_HERE, "choice"],
)

LAYER_MAP = Table(
    "layer_map",
    pl.Schema({**PAIR_HERE, "layer_a": pl.Int64, "layer_b": pl.Int64, "rho_same": pl.Float64, "rho_cross": pl.Float64}),
    keys=[*PAIR_HERE, "layer_a", "layer_b"],
)

SECOND = Table(
    "second",
    pl.Schema(
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
    ),
    keys=[*PAIR_HERE],
)
