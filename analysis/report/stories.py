"""Whether the stories can carry it: which labels are told apart, beside words alone, and how reliability grows with topics."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import RHO, colours, legend, names, toggled, who
from analysis.report.figures import WIDE, band, curves, matrix, tips
from analysis.report.numbers import NOT_ESTIMABLE, number
from analysis.report.shown import OF_READER, Panel, Section, Source
from analysis.report.view import View
from analysis.rsa.names import ALL_PAIRS, WITHIN_SIGN
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.schemas.choices import FEWER_TOPICS

PAIRS = {ALL_PAIRS: "all pairs of emotions", WITHIN_SIGN: "pairs of one sign of valence"}
MATRICES = 4
"""Confusion matrices that are drawn; the table has all."""


def _about(value: float | None, se: float | None) -> str:
    return number(value) if value is None or se is None else f"{number(value)}, standard error {number(se)}"


def section(view: View) -> Section:
    corpus = view.here(view.corpus).filter(pl.col("is_reference"), ~pl.col("untrained"), ~pl.col("only_words"))
    words = []
    for r in corpus.iter_rows(named=True):
        words.append(
            f"{r['model']} names {r['accuracy']:.0%} of held-out stories, {r['words']} {r['words_accuracy']:.0%} (difference"
            f" {_about(r['over_words'], r['over_words_se'])})"
            + (
                f"; of the {r['n_where_words_fail']} stories that {r['words']} gets wrong it names"
                f" {_about(r['where_words_fail'], r['where_words_fail_se'])}."
                if r["n_where_words_fail"]
                else ", which gets no story wrong."
            )
        )
    named = _named_rightly(view)
    caption = (
        "Points: share of each label's held-out stories that are named rightly, by every reader. Matrices: which label (rows)"
        " each held-out story is named (columns) at best_layer_cv."
    )
    y = alt.Y("emotion:N", sort=view.labels, title=None, axis=alt.Axis(grid=True))
    x = alt.X("share:Q", title="named rightly", scale=alt.Scale(domain=[0, 1]))
    dots = alt.Chart(named).mark_point(filled=True, size=65, opacity=0.9)
    shares = dots.encode(x=x, y=y, color=colours(view), tooltip=["who:N", "emotion:N", *tips("share", digits=2)])
    panels = [Panel("Named rightly, by label", toggled(shares).properties(height=17 * max(len(view.labels), 1), **WIDE))]
    rank = {name: place for place, name in enumerate(names(view))}
    known = named.filter(~pl.col("untrained")).unique("reader", maintain_order=True).to_dicts()
    readers = [r["reader"] for r in sorted(known, key=lambda r: rank[r["who"]])][:MATRICES]
    panels += [Panel(reader, _confusion(view, reader), 3) for reader in readers]
    where = view.readout
    columns: tuple[str, ...] = (
        *OF_READER,
        "emotion_a",
        "emotion_b",
        "layer",
        "n_stimuli_a",
        "n_stimuli_b",
        "n_a_as_b",
        "n_b_as_a",
    )
    corpus_columns: tuple[str, ...] = (
        "model",
        "precision",
        "setting",
        "words",
        "layer",
        "accuracy",
        "accuracy_se",
        "words_accuracy",
        "over_words",
    )
    corpus_columns += ("over_words_se", "where_words_fail", "where_words_fail_se", "n_where_words_fail")
    sources = [Source("corpus", where, corpus_columns), Source("emotion_pairs", where, columns)]
    question = "Can the stories be told apart, and better than by words alone?"
    return Section(
        "corpus",
        question,
        words or [f"{NOT_ESTIMABLE.capitalize()}: no trained model has a best layer, or no reader of words."],
        caption,
        panels if named.height else [],
        sources,
        legend(view, named),
    )


def _named_rightly(view: View) -> pl.DataFrame:
    """Share of each label's stories that is named rightly, by reader; the first draw stands for an untrained network."""
    right = (pl.col("n_stimuli") * (pl.col("emotion") == pl.col("predicted"))).sum().alias("right")
    own = view.here(view.confusion).filter("is_reference").with_columns(who())
    own = own.filter(pl.col("setting") != INPUT_EMBEDDINGS)  # of a model's colour, and in the table
    own = own.filter(pl.col("seed").is_null() | (pl.col("seed") == pl.col("seed").min().over("model")))
    grouped = own.group_by("reader", "who", "untrained", "emotion", maintain_order=True)
    return grouped.agg(right, pl.col("n_stimuli").sum()).with_columns((pl.col("right") / pl.col("n_stimuli")).alias("share"))


def _confusion(view: View, reader: str) -> Any:
    order = view.labels
    counts = view.here(view.confusion).filter("is_reference", reader=reader).select("emotion", "predicted", "n_stimuli")
    scale = alt.Scale(domain=order)
    x = alt.X(
        "predicted:N", sort=order, title="named", scale=scale, axis=alt.Axis(labelAngle=-60, grid=False, labelOverlap=False)
    )
    y = alt.Y("emotion:N", sort=order, title=None, scale=scale, axis=alt.Axis(grid=False))
    colour = alt.Scale(domain=[0, max([1, *counts["n_stimuli"]])], range=RHO.range)
    chart = matrix(
        counts.filter(pl.col("n_stimuli") > 0), x, y, "n_stimuli", colour, ["emotion:N", "predicted:N", "n_stimuli:Q"], "d"
    )
    return chart.properties(height=18 * max(len(order), 1), **WIDE)


def growth(view: View) -> Section:
    rows = view.of_one(FEWER_TOPICS).filter("is_reference").with_columns(who())
    by = ["who", "emotions", "n_units"]
    trained = rows.filter(~pl.col("untrained")).drop_nulls("rho_cross")
    own = trained.select(*by, middle="rho_cross", low="rho_cross_low", high="rho_cross_high")
    found = pl.concat([own, band(rows.filter("untrained"), "rho_cross", by).select(own.columns)])
    words = []
    told = trained.filter(~pl.col("only_words"), emotions=ALL_PAIRS)
    for (model,), own in told.sort("n_units").group_by("model", maintain_order=True):
        sizes = ", ".join(f"{r['n_units']} topics {number(r['rho_cross'])}" for r in own.iter_rows(named=True))
        words.append(f"{model}: {sizes}.")
    caption = (
        "Reliability of the RDM from two disjoint sets of topics, by their number. Bands: 95% intervals over topics, or the"
        " range over untrained draws. Where a curve still rises, more topics would help."
    )
    x = alt.X("n_units:Q", title="topics on each side")
    panels = [
        Panel(title, curves(view, found.filter(emotions=name), x, "reliability").properties(height=240, **WIDE), 3)
        for name, title in PAIRS.items()
        if found.filter(emotions=name).height
    ]
    columns: tuple[str, ...] = (
        *(f"{column}_a" for column in OF_READER),
        "emotions",
        "n_units",
        "layer_a",
        "rho_cross",
        "rho_cross_low",
        "rho_cross_high",
        "reason",
    )
    source = Source("choices", {"choice": FEWER_TOPICS, **view.readout}, columns)
    question = "How many topics does a reliable geometry need?"
    return Section(
        "growth", question, words or [f"{NOT_ESTIMABLE.capitalize()}."], caption, panels, [source], legend(view, found)
    )
