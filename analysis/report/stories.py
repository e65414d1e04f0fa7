"""The report's section on the corpus: which labels the stories tell apart, and how much of that is words."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import WORDS
from analysis.report.figures import MUTED, RHO, colours, who
from analysis.report.findings import Finding, number, units
from analysis.report.view import View
from analysis.rsa.names import ALL_PAIRS, WITHIN_SIGN
from pipeline.schemas.corpus import N_COMPONENTS

CAPTION = (
    "Left: which label each story is given on a topic that was held out, at best_layer_cv; rows add up to the topics. Right:"
    " share of each label's stories named rightly, and by a bag of words. Below: reliability of the RDM from as many topics on"
    " each side; band: one standard error, or the range over untrained draws."
)


def _with_interval(value: float | None, se: float | None) -> str:
    return number(value) if value is None or se is None else f"{number(value)} (standard error {number(se)})"


def _largest(view: View, model: str) -> dict[str, dict[str, Any]]:
    """The rows of `growth` at the largest size, by kind of pairs."""
    rows = view.here(view.growth).filter(pl.col("is_reference"), model=model).drop_nulls("reliability").sort("n_units")
    return {row["pairs"]: row for row in rows.iter_rows(named=True)}


def finding(view: View) -> Finding:
    lines: list[str] = []
    named: dict[str, list[str]] = {}
    corpus = view.here(view.corpus).filter(pl.col("is_reference") & ~pl.col("untrained") & ~pl.col("only_words"))
    for row in corpus.iter_rows(named=True):
        model, words = row["model"], row["words"]
        lines.append(
            f"{model} names {row['accuracy']:.0%} of the stories on topics that it has no centroid from; a bag of words"
            f" ({words}) {row['words_accuracy']:.0%}. The difference over topics is"
            f" {_with_interval(row['over_words'], row['over_words_se'])}. Of the {row['n_where_words_fail']}"
            f" stories that the bag of words gets wrong, the model names"
            f" {_with_interval(row['where_words_fail'], row['where_words_fail_se'])}."
        )
        with_words = view.pairs(WORDS).filter(
            (pl.col("reader_a") == row["reader"]) & ((pl.col("model_b") == words) | (pl.col("model_a") == words))
        )
        for pair in with_words.iter_rows(named=True):
            beside = f"rho_dis {number(pair['rho_dis'])}" if pair["rho_dis"] is not None else f"no rho_dis ({pair['reason']})"
            lines.append(
                f"Its geometry and that of {words}: rho_same {number(pair['rho_same'])}, on disjoint topics"
                f" {number(pair['rho_cross'])}, {beside}."
            )
        largest = _largest(view, model)
        for name, what in ((ALL_PAIRS, "over all pairs of labels"), (WITHIN_SIGN, "within pairs of the same sign of valence")):
            if name in largest:
                grown = largest[name]
                lines.append(
                    f"Reliability of its RDM, {units(grown)} against as many, {what}:"
                    f" {_with_interval(grown['reliability'], grown['reliability_se'])}."
                )
        axes = [
            f"PC{k} ({row[f'pc{k}_share']:.0%} of variance) {number(row[f'pc{k}_valence'])} and {number(row[f'pc{k}_arousal'])}"
            for k in range(1, N_COMPONENTS + 1)
            if row[f"pc{k}_share"] is not None
        ]
        lines.append(
            f"Principal components of its label vectors, |r| with human valence and arousal: {'; '.join(axes)}. The axes that"
            " studies name valence and arousal need not be the first and second."
        )
        lines += _hardest(view, row)
        named.setdefault(f"{model}: {row['accuracy']:.0%} named", []).append(f"{row['words_accuracy']:.0%} ({words})")
    shorts = [f"{model}, words alone {', '.join(alone)}" for model, alone in named.items()]
    question = "Can the stories carry it, and is it more than words?"
    if not shorts:
        return Finding("corpus", question, "not estimable", ["No trained model has a best layer, or no reader of words."])
    return Finding("corpus", question, "; ".join(shorts), list(dict.fromkeys(lines)))


def _named_rightly(view: View) -> pl.DataFrame:
    """Share of each label's stories that is named rightly, by reader."""
    right = (pl.col("n_stimuli") * (pl.col("emotion") == pl.col("predicted"))).sum().alias("right")
    grouped = (
        view.here(view.confusion)
        .filter("is_reference")
        .group_by("reader", "model", "untrained", "emotion", maintain_order=True)
    )
    return grouped.agg(right, pl.col("n_stimuli").sum()).with_columns((pl.col("right") / pl.col("n_stimuli")).alias("share"))


def _hardest(view: View, row: dict[str, Any]) -> list[str]:
    share = _named_rightly(view).filter(reader=row["reader"]).sort("share", "emotion")
    if share.is_empty():
        return []
    hard = ", ".join(f"{r['emotion']} {r['right']} of {r['n_stimuli']}" for r in share.head(3).iter_rows(named=True))
    easy = ", ".join(f"{r['emotion']} {r['right']}" for r in share.tail(3).reverse().iter_rows(named=True))
    wrong = view.here(view.confusion).filter(pl.col("emotion") != pl.col("predicted"), reader=row["reader"])
    most = wrong.sort("n_stimuli", "emotion", "predicted", descending=[True, False, False]).head(3)
    taken = ", ".join(f"{r['emotion']} as {r['predicted']} ({r['n_stimuli']})" for r in most.iter_rows(named=True))
    return [f"Hardest for {row['model']}: {hard}. Easiest: {easy}. Most often taken for another: {taken or 'none'}."]


def figure(view: View) -> alt.VConcatChart:
    """Confusion of the first trained model, accuracy by label beside words, and reliability over the number of topics."""
    order = view.labels
    trained = view.here(view.confusion).filter(pl.col("is_reference") & ~pl.col("untrained") & ~pl.col("only_words"))
    first = trained["reader"].unique(maintain_order=True).to_list()[:1]
    counts = trained.filter(pl.col("reader").is_in(first)).select("emotion", "predicted", "n_stimuli")
    base = alt.Chart(counts, title=alt.Title(first[0] if first else "", anchor="start", fontSize=13)).encode(
        x=alt.X(
            "predicted:N", sort=order, title="given", axis=alt.Axis(labelAngle=-60, grid=False), scale=alt.Scale(domain=order)
        ),
        y=alt.Y("emotion:N", sort=order, title="label", axis=alt.Axis(grid=False), scale=alt.Scale(domain=order)),
        tooltip=["emotion:N", "predicted:N", "n_stimuli:Q"],
    )
    top = max([1, *counts["n_stimuli"]])
    cells = base.mark_rect().encode(
        color=alt.Color("n_stimuli:Q", scale=alt.Scale(domain=[0, top], range=RHO.range), legend=None)
    )
    text = base.mark_text(fontSize=9).encode(
        text="n_stimuli:Q", color=alt.condition(f"datum.n_stimuli > {top / 2}", alt.value("white"), alt.value(MUTED))
    )
    share = _named_rightly(view).filter(~pl.col("untrained")).select("emotion", "share", pl.col("model").alias("who"))
    bars = alt.Chart(share).mark_point(filled=True, size=60, opacity=0.9)
    by_label = bars.encode(
        x=alt.X("share:Q", title="named rightly", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("emotion:N", sort=order, title=None, scale=alt.Scale(domain=order)),
        color=alt.Color("who:N", scale=colours(view)),
        tooltip=["who:N", "emotion:N", alt.Tooltip("share:Q", format=".2f")],
    )
    upper = alt.hconcat((cells + text).properties(width=430, height=430), by_label.properties(width=260, height=430))
    return alt.vconcat(upper, _growth(view))


def _growth(view: View) -> alt.FacetChart:
    grown = view.here(view.growth).filter("is_reference").with_columns(who()).drop_nulls("reliability")
    c, se = pl.col("reliability"), pl.col("reliability_se")
    one = ~pl.col("untrained")
    rows = grown.group_by("who", "pairs", "n_units", maintain_order=True).agg(
        c.median().alias("middle"),
        pl.when(one.all()).then((c - se).min()).otherwise(c.min()).alias("low"),
        pl.when(one.all()).then((c + se).max()).otherwise(c.max()).alias("high"),
    )
    base = alt.Chart().encode(
        x=alt.X("n_units:Q", title="topics on each side"), color=alt.Color("who:N", scale=colours(view), legend=None)
    )
    tips: list[Any] = ["who:N", "n_units:Q", *(alt.Tooltip(f"{v}:Q", format=".3f") for v in ("middle", "low", "high"))]
    area = base.mark_area(opacity=0.18).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=True).encode(y=alt.Y("middle:Q", title="reliability of the RDM"), tooltip=tips)
    chart = alt.layer(area, line, data=rows).properties(width=360, height=220)
    return chart.facet(column=alt.Column("pairs:N", sort=[ALL_PAIRS, WITHIN_SIGN]))
