"""Where no distance can be shared out, what is known of it is said all the same."""

import polars as pl
import pytest

from analysis.report import confounds
from pipeline.schemas.confounds import TOTAL
from tests.analysis.report.views import with_tables


@pytest.mark.parametrize(
    ("spearman", "permuted", "said"),
    [
        (0.389, 0.131, "they correlate at 0.39, unrelated ones by chance at up to 0.13; no shares (b: too few texts)."),
        (None, None, ": no shares (b: too few texts)."),
    ],
)
def test_two_geometries_without_shares_are_said_to_correlate_where_that_is_known(view, spearman, permuted, said):
    total = pl.col("factor") == TOTAL
    told = {"spearman": spearman, "permuted_95": permuted, "share": None}
    rows = view.raw["confounds"].with_columns(
        *(pl.when(total).then(pl.lit(v, pl.Float64)).otherwise(pl.col(c)).alias(c) for c, v in told.items()),
        pl.when(total).then(pl.lit("b: too few texts")).otherwise(pl.col("reason")).alias("reason"),
    )
    words = confounds.shares(with_tables(view, confounds=rows)).words
    assert len(words) == rows.filter(total).height > 0
    assert all(sentence.endswith(said) for sentence in words)


def test_without_the_papers_comparisons_reading_is_set_against_writing_by_our_settings(view):
    """A run that names no published comparison, as profile `lineages`, has read what its models wrote all the same."""
    rows = view.raw["confounds"].filter(pl.col("comparison").is_null())
    told = confounds.compared(with_tables(view, confounds=rows)).words
    sources = {name: way.source for name, way in view.params.confounds.experiments.items()}
    totals = rows.filter(factor=TOTAL).select("model", "experiment_a", "experiment_b").rows()
    expected = [f"{model}, {a} to {b}: " for model, a, b in totals if (sources[a] == "stories") != (sources[b] == "stories")]
    assert 0 < len(expected) < len(totals)
    assert [words[: len(start)] for words, start in zip(told[1:], expected, strict=True)] == expected


def test_a_run_that_read_no_writing_says_so(view):
    none = with_tables(view, confounds=view.raw["confounds"].clear(), writings=view.raw["writings"].clear())
    assert confounds.compared(none).words == ["Cannot be said: no model's own texts were read."]
