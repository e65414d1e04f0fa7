"""Table of the stage `imported`: vectors of others beside ours."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON
from pipeline.schemas.table import Column, Table

IMPORTED = Table(
    "imported",
    title="Vectors of others",
    question="How alike are another group's published vectors and ours, or another of theirs?",
    grain="A model of ours or a bank (a), a bank (b), one layer of b.",
    described={
        "reader_a": Column(pl.String, "A trained model of ours, or a bank of data/banks."),
        "reader_b": Column(pl.String, "The bank, by its file in data/banks."),
        "layer_b": Column(pl.Int64, "The layer of b, counted from 0."),
        "imported_a": Column(pl.Boolean, "Whether a is a bank, too."),
        "precision_a": Column(pl.String, "Precision that a was read at; null: its makers do not say."),
        "model_b": Column(pl.String, "The model that its makers read with."),
        "depth": Column(pl.Float64, "layer_b / number of layers of b."),
        "layer_a": Column(pl.Int64, "The layer of a that is nearest in depth; of a bank, of those that it has."),
        "same_stories": Column(pl.Boolean, "Whether both read the same stories."),
        "n_emotions": Column(pl.Int64, "Labels in common."),
        "rho_same": Column(pl.Float64, "Spearman's rho of the two RDMs over the labels in common, centred over them anew."),
        "reason": REASON,
    },
    keys=["reader_a", "reader_b", "layer_b"],
)
NO_RHO_CROSS = "rho_cross: of a bank there are means alone, no stories, so no halves"
