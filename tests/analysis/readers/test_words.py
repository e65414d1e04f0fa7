import re
from collections import Counter
from math import log

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from analysis.readers import words
from tests.conftest import ROOT

STORIES = ["The boat, the sea and the boat.", "A boat came home late", "Nobody came to the sea"]


def by_hand(texts):
    """TF-IDF as scikit-learn documents it: (1 + ln tf)(1 + ln((1 + n) / (1 + df))), then unit length."""
    counts = [Counter(re.findall(r"\b\w\w+\b", t.lower())) for t in texts]
    vocabulary = sorted(set().union(*counts))
    df = {w: sum(w in c for c in counts) for w in vocabulary}
    rows = np.array(
        [[(1 + log(c[w])) * (1 + log((1 + len(texts)) / (1 + df[w]))) if c[w] else 0 for w in vocabulary] for c in counts]
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_tfidf_is_the_formula(rng):
    own, other = words.features("tfidf", STORIES, ["Unknown words entirely", "the late sea"])
    assert own.dtype == np.float32
    assert np.allclose(own, by_hand(STORIES), atol=1e-6)
    assert not other[0].any()
    assert np.isclose(np.linalg.norm(other[1]), 1)


@pytest.mark.parametrize("reader", list(words.READERS))
def test_features_have_unit_rows_and_do_not_depend_on_the_neutral_texts(reader):
    own, other = words.features(reader, STORIES, ["the sea"])
    again, _ = words.features(reader, STORIES, ["something else", "and more"])
    assert np.array_equal(own, again)
    assert own.shape[1] == other.shape[1]
    assert np.allclose(np.linalg.norm(own, axis=1), 1)


def test_character_ngrams_see_stems_that_whole_words_do_not():
    def closeness(reader):
        own, _ = words.features(reader, ["he walked", "she walks", "they ate"], ["it"])
        return own @ own.T

    assert closeness("tfidf")[0, 1] == 0
    assert closeness("char_ngrams")[0, 1] > closeness("char_ngrams")[0, 2]


def test_document_frequencies_of_both_halves_do_not_make_them_alike():
    """The frequencies are fitted on all stories. Fitted on each half apart, the halves agree as well (docs/method.md)."""
    stories = pl.read_csv(ROOT / "data/stimuli/stories.csv").filter(pl.col("emotion") != "neutral")
    texts, emotion, topic = (stories[c].to_numpy() for c in ("text", "emotion", "topic"))
    own, _ = words.features("tfidf", list(texts), ["x"])

    def rdm(x, of):
        vectors = np.stack([x[emotion[of] == e].mean(axis=0) for e in np.unique(emotion)])
        return pdist(vectors - vectors.mean(axis=0), "cosine")

    changes = []
    for first in ([*"abcdefghijkl"], [*"acegikmoqsuw"]):
        half = np.isin(topic, np.unique(topic)[[ord(c) - ord("a") for c in first]])
        together = spearmanr(rdm(own[half], half), rdm(own[~half], ~half))[0]
        apart = spearmanr(*(rdm(words.features("tfidf", list(texts[of]), ["x"])[0], of) for of in (half, ~half)))[0]
        assert together > 0.4
        changes.append(apart - together)
    assert max(map(abs, changes)) < 0.02
