"""States that a precision could not hold, as a result: the first layer that is not finite, and the share of stories.

fp16 ends at 65,504; a residual stream that grows beyond it is inf, then NaN at every later block. Such states are never
averaged: rows at such layers are null wherever they would enter a number, and the table `geometry` counts their texts.
"""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import READER


def of_readers(geometry: pl.DataFrame) -> pl.DataFrame:
    """Of every reader in rows of `geometry`, over all their positions: `n_layers`; `n_bad_layers`, those at which some text is
    not finite, and the `first_bad_layer`; of the `n_stimuli` stories, how many are not finite at the layer that loses most
    (`n_bad_stimuli`, `share_bad_stimuli`) and at the first (`share_bad_at_first`); and the same in words as `reason`, null
    where every state is finite."""
    bad = (pl.col("n_not_finite") > 0) | (pl.col("n_neutral_not_finite") > 0)
    by_layer = geometry.group_by(*READER, "layer", maintain_order=True).agg(
        bad.any().alias("bad"), pl.col("n_stimuli").max(), pl.col("n_not_finite").max()
    )
    lost = pl.col("n_not_finite").filter("bad").sort_by(pl.col("layer").filter("bad")).first().fill_null(0)
    made = by_layer.group_by(*READER, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("n_layers"),
        pl.col("bad").sum().cast(pl.Int64).alias("n_bad_layers"),
        pl.col("layer").filter("bad").min().alias("first_bad_layer"),
        pl.col("n_stimuli").max(),
        pl.col("n_not_finite").max().alias("n_bad_stimuli"),
        (lost / pl.col("n_stimuli").max()).alias("share_bad_at_first"),
    )
    words = pl.format("not finite from layer {} on, in {} of {} stories", "first_bad_layer", "n_bad_stimuli", "n_stimuli")
    share = (pl.col("n_bad_stimuli") / pl.col("n_stimuli")).alias("share_bad_stimuli")
    return made.with_columns(share, pl.when(pl.col("n_bad_layers") > 0).then(words).alias("reason"))
