"""What one published comparison says more than another: the difference of two rows of the table `confounds`."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.confounds import TOTAL


def biases(confounds: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    """Of every model: `spearman`, the rho of comparison `one` less that of `other` with its sign, null where either is; and
    `reason`, what is wrong with either side."""
    rows = confounds.filter(factor=TOTAL).select("model", "comparison", "spearman", "reason")
    both = rows.filter(comparison=one).join(rows.filter(comparison=other), on="model", suffix="_other")
    why = [pl.format(f"{name}: {{}}", column) for name, column in ((one, "reason"), (other, "reason_other"))]
    return both.select(
        "model",
        (pl.col("spearman") - pl.col("spearman_other")).alias("spearman"),
        pl.concat_str(why, separator="; ", ignore_nulls=True).replace("", None).alias("reason"),
    )
