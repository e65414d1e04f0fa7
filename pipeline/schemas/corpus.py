"""Tables of the stage `corpus`: what the stories can carry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import READER, READOUT
from pipeline.schemas.table import Column, Table

N_COMPONENTS = 3


def _component(k: int) -> dict[str, Column]:
    of = f"of principal component {k} of the emotion vectors"
    return {
        f"pc{k}_share": Column(pl.Float64, f"Share of variance {of}."),
        f"pc{k}_valence": Column(pl.Float64, f"Absolute Pearson's r {of} with human valence; null without norms."),
        f"pc{k}_arousal": Column(pl.Float64, f"Absolute Pearson's r {of} with human arousal; null without norms."),
    }


CORPUS = Table(
    "corpus",
    title="Emotions told apart in held-out stories",
    question="Can a reader name the emotion of a story, and better than words alone?",
    grain="One reader at one position and variant, beside one reader of words.",
    described={
        **READER,
        **READOUT,
        "words": Column(pl.String, "The reader of words that stands beside it: tfidf or char_ngrams."),
        "layer": Column(pl.Int64, "The layer, best_layer_cv."),
        "accuracy": Column(pl.Float64, "Share of held-out stories whose emotion is named."),
        "accuracy_se": Column(pl.Float64, "Its standard error over topics."),
        "words_accuracy": Column(pl.Float64, "The same of the reader of words."),
        "over_words": Column(pl.Float64, "accuracy - words_accuracy."),
        "over_words_se": Column(pl.Float64, "Its standard error over topics."),
        "where_words_fail": Column(pl.Float64, "Accuracy on the stories that the reader of words gets wrong."),
        "where_words_fail_se": Column(pl.Float64, "Its standard error over topics."),
        "n_where_words_fail": Column(pl.Int64, "Stories that the reader of words gets wrong."),
        **{name: column for k in range(N_COMPONENTS) for name, column in _component(k + 1).items()},
    },
    keys=[*READER, *READOUT, "words"],
)

CONFUSION = Table(
    "confusion",
    title="Which emotion is taken for which",
    question="Which emotions does a reader confuse?",
    grain="One reader at one position and variant, one true and one named emotion.",
    described={
        **READER,
        **READOUT,
        "emotion": Column(pl.String, "Label of the story."),
        "predicted": Column(pl.String, "Label that the nearest centroid gives it."),
        "layer": Column(pl.Int64, "The layer, best_layer_cv."),
        "n_stimuli": Column(pl.Int64, "Stories with this label that are given that one."),
    },
    keys=[*READER, *READOUT, "emotion", "predicted"],
)
