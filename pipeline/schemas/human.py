"""Table of the stage `human`: each geometry beside that of human ratings."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import READER, READOUT, REASON, interval
from pipeline.schemas.table import Column, Table

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
