"""Readers that know words and nothing else. What a model shares with them is vocabulary, not what the words mean together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.params.geometry import WordReader

READERS: dict[WordReader, dict[str, Any]] = {
    "tfidf": {},  # whole words of two letters and more
    "char_ngrams": {"analyzer": "char_wb", "ngram_range": (2, 4)},  # pieces of words: also stems and endings
}
"""Options of scikit-learn's TfidfVectorizer for each reader; all count by 1 + log(tf) and scale texts to unit length."""


def features(
    word_reader: WordReader, stories: list[str], neutral: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """TF-IDF features of the stories (S, V) and of the neutral texts (N, V), float32, unit rows.

    Vocabulary and document frequencies are the stories', without their labels; a neutral text with no word of theirs is a
    zero row.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # here: half a second, which not every stage need spend

    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **READERS[word_reader])
    own = vectorizer.fit_transform(stories).toarray()
    return own, vectorizer.transform(neutral).toarray()
