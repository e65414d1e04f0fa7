"""Tables of the stage `corpus`: what the stories can carry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import READER, READOUT, REASON
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

EMOTION_PAIRS = Table(
    "emotion_pairs",
    title="Every pair of emotions",
    question="Which emotions lie close together in a reader, and which does it take for one another?",
    grain="One reader at one position, two emotions, at best_layer_cv.",
    described={
        **READER,
        **READOUT,
        "emotion_a": Column(pl.String, "One emotion."),
        "emotion_b": Column(pl.String, "The other emotion, later in the alphabet."),
        "layer": Column(pl.Int64, "The layer, best_layer_cv."),
        "cosine_distance": Column(pl.Float64, "1 - cosine of the two vectors: the entry of the RDM."),
        "cos_cv": Column(pl.Float64, "The same across halves of the topics: without what noise adds to the vectors' lengths."),
        "cos_cv_se": Column(pl.Float64, "Its jackknife standard error over topics."),
        "euclid_cv": Column(
            pl.Float64, "Squared Euclidean distance across halves: unbiased, in squared units of the activations."
        ),
        "euclid_cv_se": Column(pl.Float64, "Its jackknife standard error over topics."),
        "n_stimuli_a": Column(pl.Int64, "Held-out stories of a that were named."),
        "n_stimuli_b": Column(pl.Int64, "Held-out stories of b that were named."),
        "n_a_as_b": Column(pl.Int64, "Stories of a that are named b: its centroid, from the other topics, is the nearest."),
        "n_b_as_a": Column(pl.Int64, "Stories of b that are named a."),
        "reason": REASON,
    },
    keys=[*READER, *READOUT, "emotion_a", "emotion_b"],
)
