"""What number formats change: identical tokens at two precisions, and the layers at which a format cannot hold the states."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import ONE_MODEL
from analysis.report.colours import MUTED, WARM, colours, legend
from analysis.report.figures import WIDE, tall, tips
from analysis.report.numbers import counted
from analysis.report.shown import OF_READER, Panel, Section, Source
from analysis.report.similar import SIMILAR
from analysis.report.view import View
from pipeline.params.reading import STORIES


def section(view: View) -> Section:
    at = view.over_depth(ONE_MODEL).filter(pl.col("precision_a") != pl.col("precision_b"))
    formats = pl.col("precision_a") + pl.lit(" x ") + pl.col("precision_b")
    rows = at.with_columns(pl.col("model_a").alias("who"), formats.alias("formats"), (1 - pl.col("rho_same")).alias("lost"))
    lost = view.overflow.filter(pl.col("n_bad_layers") > 0, setting=STORIES)
    words = [
        f"{r['reader']}: {r['reason']}. This format destroys the model's states: numbers of these layers are null, and a pair"
        f" with it compares the {r['n_layers'] - r['n_bad_layers']} layers that are left."
        for r in lost.iter_rows(named=True)
    ]
    for (model,), mine in rows.group_by("who", maintain_order=True):
        said = []
        for (pair,), own in mine.group_by("formats", maintain_order=True):
            known = own["lost"].drop_nulls()
            if len(known):
                said.append(f"{pair} {max(known):.4f} ({len(known)} of {counted(own.height, 'depth')})")
        if said:
            words.append(
                f"{model}, the largest 1 - rho_same on identical tokens, over depths at which both formats are finite:"
                f" {'; '.join(said)}."
            )
    caption = (
        "Left: what two formats of one model disagree about on identical tokens, layer by layer. Right: at how many layers"
        " every text's states are finite (bar) and at how many not (orange). Table pairs compares the two best layers,"
        " which need not be the same layer."
    )
    panels = []
    if rows.drop_nulls("lost").height:
        y = alt.Y(
            "lost:Q",
            title="1 - rho_same",
            axis=alt.Axis(labelOverlap=True, tickCount=5),
            scale=alt.Scale(type="symlog", constant=1e-4),
        )
        shown = rows.drop_nulls("lost").select("who", "formats", "depth", "lost", "rho_same", "rho_cross", "ceiling")
        base = alt.Chart(shown).mark_line(point=True)
        dash = alt.StrokeDash("formats:N", legend=alt.Legend(title="formats", orient="bottom"))
        x = alt.X("depth:Q", title="matched depth", scale=alt.Scale(domain=[0, 1]))
        tooltip: list[Any] = ["who:N", "formats:N", "depth:Q", *tips("rho_same", "rho_cross", "ceiling", digits=5)]
        lines = base.encode(x=x, y=y, color=colours(view), strokeDash=dash, tooltip=tooltip)
        panels.append(Panel("Lost on identical tokens", lines.properties(height=260, **WIDE), 3))
    panels.append(Panel("Layers with finite states", _overflow(view), 3))
    columns = (*OF_READER, "layer", "n_stimuli", "n_not_finite", "n_neutral_not_finite", "reason")
    sources = [
        Source("geometry", {"setting": STORIES, **view.readout}, columns),
        Source("pairs", {"kind": ONE_MODEL, **view.at}, SIMILAR),
    ]
    question = "What does the number format change? (precision and overflow)"
    return Section(
        "precision",
        question,
        words or ["One precision was read: nothing to compare."],
        caption,
        panels,
        sources,
        legend(view, rows),
    )


def _overflow(view: View) -> Any:
    own = view.overflow.filter(~pl.col("untrained"), ~pl.col("only_words"), setting=STORIES)
    good = own.select(
        "reader",
        pl.lit("finite").alias("what"),
        (pl.col("n_layers") - pl.col("n_bad_layers")).alias("layers"),
        pl.lit(0).alias("order"),
    )
    bad = own.select(
        "reader", pl.lit("not finite").alias("what"), pl.col("n_bad_layers").alias("layers"), pl.lit(1).alias("order")
    )
    colour = alt.Color(
        "what:N",
        scale=alt.Scale(domain=["finite", "not finite"], range=[MUTED, WARM]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    bars = alt.Chart(pl.concat([good, bad])).mark_bar(size=12)
    y = alt.Y("reader:N", title=None, sort=own["reader"].to_list())
    chart = bars.encode(
        x=alt.X("layers:Q", title="layers"), y=y, color=colour, order="order:Q", tooltip=["reader:N", "what:N", "layers:Q"]
    )
    return chart.properties(height=tall(own, "reader", 22), **WIDE)
