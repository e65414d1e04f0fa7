"""Tables of the stage `shared`: what two models share, emotion by emotion and story by story."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import PAIR_OF_READERS, REASON, RELIABILITIES, ends
from pipeline.schemas.table import Column, Table

PAIR_EMOTIONS = Table(
    "pair_emotions",
    title="Which emotions carry a pair's agreement",
    question="Which emotions do two readers place alike among the others, and which do they not?",
    grain="One pair of the table pairs and one emotion.",
    described={
        **PAIR_OF_READERS,
        "emotion": Column(pl.String, "The emotion whose distances from all others are compared."),
        "rho_cross": Column(pl.Float64, "Spearman's rho of its row in a's RDM on one half of the topics with b's on another."),
        **ends("rho_cross", "topics"),
        **RELIABILITIES,
        "reason": REASON,
    },
    keys=[*PAIR_OF_READERS, "emotion"],
)

LABEL_SUBSETS = Table(
    "label_subsets",
    title="Other sets of emotions",
    question="Would fewer or other emotions have given another answer?",
    grain="One pair of the table pairs and one number of emotions, over random subsets of them.",
    described={
        **PAIR_OF_READERS,
        "n_labels": Column(pl.Int64, "Emotions of each subset."),
        "n_subsets": Column(pl.Int64, "Subsets drawn."),
        "n_unknown": Column(pl.Int64, "Those in which a reader's geometry cannot be told from noise."),
        "rho_dis": Column(pl.Float64, "The median rho_dis over the others."),
        "rho_dis_5": Column(pl.Float64, "The 5% quantile: so low may it be by the choice of emotions."),
        "rho_dis_95": Column(pl.Float64, "The 95% quantile."),
    },
    keys=[*PAIR_OF_READERS, "n_labels"],
)

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
