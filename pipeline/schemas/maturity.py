"""Table of the stage `maturity`: which models have a geometry of emotions at all."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import REASON
from pipeline.schemas.table import Column, Table

MATURITY = Table(
    "maturity",
    title="Which models have a geometry of emotions",
    question="Does a model have a geometry of emotions at all, judged from that model alone?",
    grain="One trained model.",
    described={
        "model": Column(pl.String, "The model, by its file in data/models."),
        "family": Column(pl.String, "Its family."),
        "lineage": Column(pl.String, "Models of one ancestry share a lineage."),
        "tuning": Column(pl.String, "base or instruct."),
        "decides": Column(pl.Boolean, "Whether the family is judged by this model: a family is as mature as its base model."),
        "precision": Column(pl.String, "The precision that it is judged at: fp32 or bf16, which hold every state."),
        "n_layers": Column(pl.Int64, "Layers of the model."),
        "n_finite_layers": Column(pl.Int64, "Layers at which every text's state is finite."),
        "layer": Column(pl.Int64, "The layer, best_layer_cv."),
        "reliability": Column(pl.Float64, "Split-half reliability of its RDM at that layer."),
        "reliability_se": Column(pl.Float64, "Its jackknife standard error."),
        "n_untrained": Column(pl.Int64, "Draws of untrained networks that it is held against."),
        "highest_untrained": Column(pl.Float64, "The highest of their reliabilities at the same depth."),
        "mature": Column(pl.Boolean, "Whether it is mature by the rule of params; null where the rule cannot say."),
        "published": Column(pl.Boolean, "Whether the study called the family mature; null where it says nothing of it."),
        "reason": REASON,
    },
    keys=["model"],
)
