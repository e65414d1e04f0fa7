"""Tables of the stage `controls`: what else the agreement of two readers could be."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import LAYERS_OF_BOTH, PAIR_HERE, READER, READOUT, REASON, RHO_DIS, RHO_SAME, interval
from pipeline.schemas.table import Column, Table

CONTROLS = Table(
    "controls",
    title="What else the agreement could be",
    question="What is left of a pair's agreement beyond the passages, words, or an untrained network?",
    grain="One pair of readers at one position and variant, one control, at best_layer_cv.",
    described={
        **PAIR_HERE,
        "control": Column(pl.String, "stimulus_floor (labels shuffled within topics), words:<reader>, or untrained."),
        **LAYERS_OF_BOTH,
        "rho_same": RHO_SAME,
        "floor_mean": Column(
            pl.Float64, "stimulus_floor: mean rho_same with labels shuffled within topics, alike on both sides."
        ),
        "floor_95": Column(pl.Float64, "stimulus_floor: the 95% quantile of the same."),
        "rho_dis": RHO_DIS,
        "rho_dis_given": Column(
            pl.Float64, "Other controls: partial correlation of the disattenuated values, given the control."
        ),
        "rho_dis_given_se": Column(pl.Float64, "Its delete-one-topic jackknife standard error."),
        **interval("rho_dis_given", "topics"),
        "left": Column(
            pl.Float64,
            "Other controls: d = rho_dis less the product of both sides' rho_dis with the control: what it does not give. Null"
            " where the control has no geometry that could be told from noise.",
        ),
        "left_low": Column(pl.Float64, "Lower end of its 95% interval, over topics."),
        "left_high": Column(pl.Float64, "Upper end of the same."),
        "n_draws": Column(pl.Int64, "Shuffles drawn, or readers that stand for the control."),
        "reason": REASON,
    },
    keys=[*PAIR_HERE, "control"],
)

HUMAN = Table(
    "human",
    title="Beside human ratings",
    question="Is it the geometry that people have?",
    grain="One reader at one position, variant and layer, one norm.",
    described={
        **READER,
        **READOUT,
        "norm": Column(pl.String, "The human ratings of the emotion words: valence, arousal, dominance, or all three."),
        "layer": Column(pl.Int64, "The layer, counted from 0."),
        "depth": Column(pl.Float64, "layer / number of layers."),
        "n_emotions": Column(pl.Int64, "Emotions that have the norm."),
        "spearman": Column(pl.Float64, "Spearman's rho of the reader's RDM with the distances between the norms."),
        "se_topic": Column(pl.Float64, "Standard error over topics (bootstrap)."),
        "se_label": Column(pl.Float64, "Standard error over labels (jackknife)."),
        **interval("spearman", "topics"),
        "reason": REASON,
    },
    keys=[*READER, *READOUT, "norm", "layer"],
)
