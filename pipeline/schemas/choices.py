"""Tables of the stage `choices`: what the numbers owe to choices that could have been made otherwise."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import LAYERS_OF_BOTH, PAIR_HERE, REASON, RELIABILITIES, RHO_CROSS, RHO_DIS, RHO_SAME, interval
from pipeline.schemas.table import Column, Table

CHOICES = Table(
    "choices",
    title="One choice changed at a time",
    question="Would another position, layer, length or norm give another answer?",
    grain="One pair of readers (or one reader with itself) and one choice that is changed.",
    described={
        **PAIR_HERE,
        "choice": Column(pl.String, "What is changed: position:<name>, reading:<name>, unit_norm, last_layer, and so on."),
        "changed": Column(
            pl.String, "The side that it is changed on: a, b or both; a reader is held against itself with one side changed."
        ),
        **LAYERS_OF_BOTH,
        "rho_same": RHO_SAME,
        "rho_cross": RHO_CROSS,
        **RELIABILITIES,
        "rho_dis": RHO_DIS,
        "rho_dis_change": Column(
            pl.Float64, "rho_dis less that of the same pair with nothing changed; less 1 for a reader with itself."
        ),
        "rho_dis_change_se": Column(pl.Float64, "Delete-one-topic jackknife standard error of the change."),
        "p_equivalent": Column(
            pl.Float64, "Two one-sided tests; small: the change is shown to be within the margin of params."
        ),
        "reason": REASON,
    },
    keys=[*PAIR_HERE, "choice"],
)

LAYER_MAP = Table(
    "layer_map",
    title="Every layer against every layer",
    question="Does the similarity of two readers hang on which layers are compared?",
    grain="One pair of readers, one layer of each.",
    described={**PAIR_HERE, **LAYERS_OF_BOTH, "rho_same": RHO_SAME, "rho_cross": RHO_CROSS},
    keys=[*PAIR_HERE, "layer_a", "layer_b"],
)

SECOND = Table(
    "second",
    title="Our stories against another author's",
    question="Is the geometry the same when somebody else wrote the stories?",
    grain="A reader of our stories (a) and a reader of the second source's (b), at one position and variant.",
    described={
        **PAIR_HERE,
        **LAYERS_OF_BOTH,
        "n_emotions": Column(pl.Int64, "Labels that both sources have."),
        "n_units_a": Column(pl.Int64, "Units of our stories."),
        "n_units_b": Column(pl.Int64, "Units of the second source."),
        "unit_b": Column(pl.String, "What is resampled in the second source: topic, or story."),
        "rho_whole": Column(pl.Float64, "Spearman's rho of the two RDMs, each over all of its stories."),
        "rho_cross": Column(pl.Float64, "Mean Spearman's rho over halves of our stories and halves of theirs."),
        "reliability_a": Column(pl.Float64, "Split-half reliability of a's RDM over the labels in common."),
        "reliability_b": Column(pl.Float64, "Split-half reliability of b's RDM over the labels in common."),
        "rho_dis": RHO_DIS,
        "rho_dis_se": Column(pl.Float64, "Jackknife standard error over the units of both sources."),
        **interval("rho_dis", "the units of both sources"),
        "reason": REASON,
    },
    keys=[*PAIR_HERE],
)
