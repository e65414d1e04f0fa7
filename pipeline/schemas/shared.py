"""Table of the stage `shared`: what one reader tells of another, story by story."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import PAIR_OF_READERS, REASON, ends
from pipeline.schemas.table import Column, Table

PREDICTION = Table(
    "prediction",
    title="What one reader tells of another",
    question="Do one model's emotions, turned into another's space, name its stories; and what does it predict beyond words?",
    grain="Reader a, which predicts, and model b, which is predicted: both directions of a pair are rows.",
    described={
        **PAIR_OF_READERS,
        "decoded": Column(
            pl.Float64,
            "Share of b's stories on held-out topics that a's emotion centroids name rightly, turned by an orthogonal map that"
            " was fitted on the other topics.",
        ),
        "decoded_chance": Column(
            pl.Float64,
            "The mean of the same with a's labels in random orders. It may be as high: centroids at equal distances turn onto"
            " one another in any order, which decoded_new does not share.",
        ),
        "decoded_new": Column(pl.Float64, "The same for emotions that the map was not fitted on, named among five at a time."),
        "decoded_new_chance": Column(pl.Float64, "The mean of that with a's labels in random orders."),
        "p_new": Column(pl.Float64, "One-sided p of decoded_new over these orders."),
        "where_words_fail": Column(pl.Float64, "decoded on the stories that a bag of words (tfidf) names wrongly."),
        "unique": Column(
            pl.Float64,
            "Share of the variance of b's RDM that a predicts and the controls (words, input embeddings, untrained twins, human"
            " valence and arousal) do not.",
        ),
        **ends("unique", "topics"),
        "common": Column(pl.Float64, "The share that both a and the controls predict."),
        "controls": Column(pl.Float64, "The share that the controls predict without a."),
        "controls_named": Column(pl.String, "The controls that have a geometry and took part."),
        "reason": REASON,
    },
    keys=[*PAIR_OF_READERS],
)
