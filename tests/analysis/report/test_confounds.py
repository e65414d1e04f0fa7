"""Where no distance can be shared out, what is known of it is said all the same."""

import polars as pl
import pytest

from analysis.report import confounds
from analysis.report.view import View
from pipeline.schemas.confounds import TOTAL


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
    words = confounds.shares(View.of(view.params, view.entries, view.raw | {"confounds": rows})).words
    assert len(words) == rows.filter(total).height > 0
    assert all(sentence.endswith(said) for sentence in words)
