"""The published protocol run again: what three passages of a label measure, beside labels that mean nothing."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import ACCENT, MUTED
from analysis.report.figures import WIDE, tall, tips
from analysis.report.numbers import NOT_ESTIMABLE, counted, number
from analysis.report.shown import OF_PAIR, OF_READER, Panel, Section, Source
from analysis.report.view import View

FIGURES: tuple[str, ...] = (
    *OF_READER,
    "n_units",
    "n_stimuli",
    "n_layers",
    "n_finite_layers",
    "layer",
    "mean_cosine",
)
FIGURES += ("rdm_std", "anisotropy", "reliability", "reliability_three", "reliability_three_se", "reliability_one", "reason")
PAIRS: tuple[str, ...] = (
    *OF_PAIR,
    "n_units",
    "layer_a",
)
PAIRS += ("layer_b", "spearman", "floor_mean", "floor_95", "across", "own_a", "own_b", "p_across", "reason")


def section(view: View) -> Section:
    pairs = view.paper_pairs.filter("is_reference_a", "is_reference_b").drop_nulls(["spearman", "floor_95"])
    trained = pairs.filter(~pl.col("untrained_a"), ~pl.col("untrained_b"), pl.col("model_a") != pl.col("model_b"))
    words = []
    for (n,), own in trained.sort("n_units").group_by("n_units", maintain_order=True):
        above = own.filter(pl.col("spearman") > pl.col("floor_95")).height
        words.append(
            f"With {counted(n, 'text')} of a label, {above} of {own.height} pairs of trained models lie above the 95% quantile"
            " of meaningless labels."
        )
    for r in trained.drop_nulls("across").iter_rows(named=True):
        p = "" if r["p_across"] is None else f" (p {r['p_across']:.3f})"
        words.append(
            f"{r['model_a']} x {r['model_b']}: one text of each label in one model agrees with the two others in the other"
            f" model at {number(r['across'])}{p}; no passage is shared."
        )
    rows = view.paper.filter(pl.col("is_reference") & ~pl.col("untrained")).sort("reader", "setting", "n_units")
    for r in rows.drop_nulls("reliability_three").unique(["reader", "setting"], maintain_order=True).iter_rows(named=True):
        words.append(
            f"{r['reader']}, {r['setting']}: three texts of each label agree with three others at"
            f" {number(r['reliability_three'])} (split-half reliability)."
        )
    caption = (
        "The published protocol (last token, each reader at the layer of its own rule, all labels) on three stories of each"
        " label and on all of them; readers at their reference precision. Points: rank correlation of two RDMs. Bars: from"
        " the mean to the 95% quantile of the same with labels shuffled alike on both sides. A point inside its bar, or left"
        " of it, says nothing about emotions."
    )
    first = [pl.col(f"seed_{s}").is_null() | (pl.col(f"seed_{s}") == pl.col(f"seed_{s}").min()) for s in "ab"]
    name = pl.col("model_a") + pl.lit(" x ") + pl.col("model_b")
    shown = pairs.filter(*first).with_columns(name.alias("pair"))
    ends = [min([0.0, *shown["spearman"], *shown["floor_mean"]]), 1.0]
    panels = [
        Panel(f"{setting.replace('_', ' ')}, {counted(n, 'text')} of a label", _floors(own, ends))
        for (setting, n), own in shown.sort("setting_a", "n_units").group_by("setting_a", "n_units", maintain_order=True)
    ]
    sources = [Source("paper", {}, FIGURES), Source("paper_pairs", {}, PAIRS)]
    question = "What does the published protocol measure? (replication as published)"
    return Section(
        "published",
        question,
        words or [f"{NOT_ESTIMABLE.capitalize()}: no two trained models were read."],
        caption,
        panels,
        sources,
    )


def _floors(rows: pl.DataFrame, ends: list[float]) -> Any:
    base = alt.Chart(rows.select("pair", "spearman", "floor_mean", "floor_95", "layer_a", "layer_b"))
    base = base.encode(y=alt.Y("pair:N", title=None, sort=None, axis=alt.Axis(grid=False)))
    tooltip: list[Any] = ["pair:N", *tips("spearman", "floor_mean", "floor_95"), "layer_a:O", "layer_b:O"]
    x = alt.X("floor_mean:Q", title="rank correlation", scale=alt.Scale(domain=ends))
    floors = base.mark_bar(color=MUTED, opacity=0.4, size=11).encode(x=x, x2="floor_95:Q")
    dots = base.mark_point(filled=True, size=65, opacity=1, color=ACCENT).encode(x="spearman:Q", tooltip=tooltip)
    return (floors + dots).properties(height=tall(rows, "pair", 20), **WIDE)
