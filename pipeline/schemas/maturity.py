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
        "decides": Column(
            pl.Boolean, "Whether the family is judged by this model: a base model; of a family without one, what was read."
        ),
        "precision": Column(pl.String, "The precision that it is judged at: fp32 or bf16, which hold every state."),
        "n_layers": Column(pl.Int64, "Layers of the model."),
        "n_finite_layers": Column(pl.Int64, "Layers at which every text's state is finite."),
        "reliability": Column(
            pl.Float64,
            "Split-half reliability of its RDM at best_layer_cv: one layer for both halves, as of its bars.",
        ),
        "reliability_low": Column(pl.Float64, "Lower end of its 95% interval, over topics."),
        "n_untrained": Column(pl.Int64, "Draws of an untrained twin of its family, which has its tokenizer."),
        "highest_untrained": Column(pl.Float64, "The highest reliability of all their layers."),
        "embeddings": Column(pl.Float64, "Reliability of the RDM of the model's own input embeddings, over the whole text."),
        "mature": Column(
            pl.Boolean, "Whether the interval lies above both, and every layer is finite; null where the rule cannot say."
        ),
        "published": Column(pl.Boolean, "Whether the study called the family mature; null where it says nothing of it."),
        "rebuttal": Column(
            pl.Boolean, "The authors' later rule: instruct, with more than 1e9 parameters. Stands beside, and decides nothing."
        ),
        "reason": REASON,
    },
    keys=["model"],
)
