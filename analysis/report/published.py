"""The report's section on the published protocol: what three passages of a label measure, and what labels that mean nothing
would show on them."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.figures import ACCENT, MUTED
from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "The published protocol (last token, each reader at the layer of its own rule, all labels) on three stories of each"
    " label, as published, and on all of them. Points: Spearman's rho of two RDMs; bars: from the mean to the 95% quantile of"
    " the same with labels that mean nothing, shuffled alike on both sides. A point inside its bar, or left of it, says nothing"
    " about emotions."
)


def _texts(n: int) -> str:
    return f"{n} texts of a label"


def finding(view: View) -> Finding:
    question = "What does the published protocol measure?"
    rows = view.paper.filter(pl.col("is_reference") & ~pl.col("untrained")).sort("reader", "setting", "n_units")
    words, shorts = [], []
    for row in rows.iter_rows(named=True):
        who = f"{row['reader']}, {row['setting'].replace('_', ' ')}, {_texts(row['n_units'])}"
        if row["layer"] is None:
            words.append(f"{who}: no layer ({row['reason']}).")
            continue
        again = {"one text against another": "reliability_one", "three against three": "reliability_three"}
        again |= {"half of them against half": "reliability"}
        listed = ", ".join(f"{name} {number(row[column])}" for name, column in again.items() if row[column] is not None)
        words.append(
            f"{who}: layer {row['layer']} ({row['n_finite_layers']} of {row['n_layers']} could be chosen), RDM sd"
            f" {row['rdm_std']:.3f}, anisotropy {row['anisotropy']:.3f}. Its RDM again from other texts: {listed or 'unknown'}."
        )
        if row["reliability_three"] is not None:
            shorts.append(
                f"{row['reader']}: three texts of each label agree with three others at {number(row['reliability_three'])}"
            )
    pairs = view.paper_pairs.drop_nulls(["spearman", "floor_95"])
    for n, own in pairs.group_by("n_units", maintain_order=True):
        above = own.filter(pl.col("spearman") > pl.col("floor_95")).height
        words.append(f"On {_texts(int(n[0]))}, {above} of {own.height} pairs lie above the 95% quantile of meaningless labels.")
    return Finding("published", question, "; ".join(dict.fromkeys(shorts)) or "not estimable", words or ["Nothing was read."])


def figure(view: View) -> alt.FacetChart:
    pair = pl.col("reader_a") + pl.lit(" x ") + pl.col("reader_b")
    first_draws = pl.all_horizontal(pl.col(f"seed_{s}").is_null() | (pl.col(f"seed_{s}") == _first(view)) for s in "ab")
    rows = (
        view.paper_pairs.drop_nulls("spearman")
        .filter(first_draws)
        .with_columns(
            pair.alias("pair"),
            (pl.col("setting_a") + pl.lit(", ") + pl.col("n_units").cast(pl.String) + pl.lit(" texts of a label")).alias(
                "read"
            ),
        )
    )
    columns = ("pair", "read", "n_units", "spearman", "floor_mean", "floor_95", "layer_a", "layer_b")
    base = alt.Chart().encode(y=alt.Y("pair:N", title=None, sort=None, axis=alt.Axis(labelLimit=420)))
    tips: list[Any] = ["pair:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("spearman", "floor_mean", "floor_95"))]
    tips += ["layer_a:O", "layer_b:O"]
    floors = base.mark_bar(color=MUTED, opacity=0.35, size=10).encode(
        x=alt.X("floor_mean:Q", title="Spearman's rho"), x2="floor_95:Q"
    )
    points = base.mark_point(filled=True, size=60, opacity=1, color=ACCENT).encode(x="spearman:Q", tooltip=tips)
    order = rows.sort("setting_a", "n_units")["read"].unique(maintain_order=True).to_list()
    chart = alt.layer(floors, points, data=rows.select(columns)).properties(width=250, height=alt.Step(18))
    return chart.facet(column=alt.Column("read:N", title=None, sort=order))


def _first(view: View) -> int:
    """The draw that stands for the others in a figure."""
    return min((s for entry in view.entries.values() for s in entry.seeds or []), default=0)
