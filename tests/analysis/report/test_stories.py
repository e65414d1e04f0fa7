"""What readers of words alone leave to a model, in words."""

import polars as pl
import pytest

from analysis.report import stories
from tests.analysis.report.views import with_tables


@pytest.mark.parametrize(("n", "said"), [(0, "which gets no story wrong."), (3, "of the 3 stories that tfidf gets wrong")])
def test_where_words_name_every_story_nothing_is_said_of_the_others(view, n, said):
    rows = view.raw["corpus"].with_columns(
        pl.lit(n, pl.Int64).alias("n_where_words_fail"), pl.lit("tfidf").alias("words"), pl.lit(0.5).alias("words_accuracy")
    )
    found = stories.section(with_tables(view, corpus=rows))
    assert found.words
    assert all(said in words for words in found.words)
