"""What a model's own texts can carry: which of them name their label."""

import polars as pl
import pytest

from analysis.confounds.writings import with_label
from pipeline.params.corpus import Corpus


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("emotion,word,match\nsad,sorrow,stem\ncalm,quiet,word\n")
    return Corpus(label_words=path)


def test_a_text_names_its_label_by_the_label_or_by_a_word_listed_for_it_and_never_by_anothers(corpus):
    texts = {
        "a": ("sad", "She felt sadness."),
        "b": ("sad", "Their sorrows grew."),
        "c": ("sad", "All was quiet and calm."),
        "d": ("calm", "A quiet room."),
        "e": ("calm", "A quieter room."),
        "f": ("proud", "He stood there, proudly."),
    }
    frame = pl.DataFrame([(i, *t) for i, t in texts.items()], schema=["id", "emotion", "text"], orient="row")
    assert with_label(frame, corpus) == {"a", "b", "d", "f"}
