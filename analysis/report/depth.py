"""At which layer emotions can be told apart, how reliable the geometry is there, and what another position would give."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import MUTED, colours, legend, who
from analysis.report.figures import WIDE, curves, level, with_se
from analysis.report.numbers import NOT_ESTIMABLE, number, spread
from analysis.report.shown import OF_READER, Panel, Section, Source
from analysis.report.view import View
from analysis.rsa.names import CV, PAPER

X: dict[str, Any] = {"title": "depth (layer / number of layers)", "scale": alt.Scale(domain=[0, 1])}
COLUMNS: tuple[str, ...] = (
    *OF_READER,
    "position",
    "layer",
    "depth",
    "accuracy",
    "accuracy_se",
    "reliability",
)
COLUMNS += ("reliability_se", "anisotropy", "rdm_mean", "rdm_std", "pc1_share", "pc1_length", "reason")


def section(view: View) -> Section:
    rows = level(view.curves().filter(pl.col("is_reference")).with_columns(who()))
    by = ["who", "depth", "layer"]
    best = view.at_best_layer().filter("is_reference")
    words = []
    for model in view.trained:
        own = best.filter(model=model)
        if own.is_empty() or own["accuracy"][0] is None:
            reasons = view.curves().filter(pl.col("is_reference"), model=model)["reason"].drop_nulls()
            words.append(f"{model}: {NOT_ESTIMABLE} ({reasons[0] if len(reasons) else 'no reason recorded'}).")
            continue
        row = own.row(0, named=True)
        layers = {rule: view.chosen(rule).filter(pl.col("reader") == row["reader"])["layer"].to_list() for rule in (CV, PAPER)}
        published = layers[PAPER][0] if layers[PAPER] else None
        words.append(
            f"{model} names {row['accuracy']:.0%} of held-out stories at layer {row['layer']} (chance"
            f" {1 / row['n_emotions']:.0%}) with a reliability of {number(row['reliability'])}; the published rule takes"
            f" layer {'none' if published is None else published}."
        )
    for name, own in (("Untrained networks", best.filter("untrained")), ("Readers of words", best.filter("only_words"))):
        if own.height:
            words.append(f"{name}: {spread(own['accuracy'])} named, reliability {spread(own['reliability'])}.")
    accuracy = with_se(rows, "accuracy", by)
    caption = (
        "Left: share of held-out stories whose emotion the nearest centroid of the other topics names; dotted: chance. Right:"
        " reliability of the RDM, half of the topics against half, which bounds rho_cross and not rho_same. Bands: one standard"
        " error, or the range over untrained draws. Vertical lines: best_layer_cv (full) and the published rule (dashed)."
    )
    left = alt.layer(
        _chance(rows), curves(view, accuracy, alt.X("depth:Q", **X), "accuracy", [0, 1]), _rules(view)
    ).resolve_scale(strokeDash="independent")
    right = curves(view, with_se(rows, "reliability", by), alt.X("depth:Q", **X), "reliability")
    panels = [
        Panel("Emotions told apart in held-out stories", left.properties(height=300, **WIDE), 3),
        Panel("Reliability of the geometry", right.properties(height=300, **WIDE), 3),
    ]
    source = Source("geometry", view.readout, COLUMNS)
    rules = Source(
        "layers",
        view.readout,
        (*OF_READER, "layer_rule", "halving", "half", "layer", "plateau_low", "plateau_high"),
    )
    question = "At which depth, and how reliably?"
    return Section("depth", question, words or [f"{NOT_ESTIMABLE}."], caption, panels, [source, rules], legend(view, accuracy))


def _chance(rows: pl.DataFrame) -> Any:
    chance = pl.DataFrame({"chance": [1 / rows["n_emotions"][0]]})
    return (
        alt.Chart(chance)
        .mark_rule(stroke=MUTED, strokeDash=[2, 3])
        .encode(y=alt.Y("chance:Q", title="accuracy"), tooltip=["chance:Q"])
    )


def _rules(view: View) -> Any:
    """Where both rules choose, of the trained models."""
    read = view.curves().filter(pl.col("is_reference"), ~pl.col("untrained"), ~pl.col("only_words")).with_columns(who())
    chosen = pl.concat([view.chosen(CV), view.chosen(PAPER)]).filter("is_reference")
    marks = chosen.join(read.select("reader", "layer", "depth", "who"), on=["reader", "layer"])
    dash = alt.StrokeDash("layer_rule:N", scale=alt.Scale(domain=[CV, PAPER], range=[[1, 0], [4, 4]]), legend=None)
    base = alt.Chart(marks.select("depth", "layer_rule", "layer", "who")).mark_rule(strokeWidth=1.4, opacity=0.8)
    return base.encode(x="depth:Q", color=colours(view), strokeDash=dash, tooltip=["layer_rule:N", "layer:Q", "who:N"])


def positions(view: View) -> Section:
    rows = level(view.curves(all_positions=True).filter(pl.col("is_reference")).with_columns(who()))
    found = with_se(rows, "reliability", ["who", "position", "depth", "layer"])
    names = found["position"].unique(maintain_order=True).to_list()
    best = view.at_best_layer(all_positions=True).filter(pl.col("is_reference") & ~pl.col("untrained") & ~pl.col("only_words"))
    words = [
        f"{model}: " + ", ".join(f"{r['position']} {number(r['reliability'])}" for r in own.iter_rows(named=True)) + "."
        for (model,), own in best.drop_nulls("reliability").group_by("model", maintain_order=True)
    ]
    if words:
        words.append(_longest(best))
    caption = "Reliability of the RDM over depth at each position of geometry.positions, on one scale; bands as above."
    panels = []
    for name in names:
        chart = curves(view, found.filter(position=name), alt.X("depth:Q", **X), "reliability", [-0.2, 1])
        panels.append(Panel(f"{name}: {view.params.positions[name].in_words()}", chart.properties(height=190, **WIDE), 2))
    source = Source("geometry", {"variant": view.params.report.variant}, COLUMNS)
    question = "Which tokens should be read? (positions)"
    return Section("positions", question, words or [f"{NOT_ESTIMABLE}."], caption, panels, [source], legend(view, found))


def _longest(best: pl.DataFrame) -> str:
    """Where a story's length says most of its state: a mean that holds the first token holds 1 / length of its activation."""
    known = best.drop_nulls("pc1_length").sort("pc1_length", descending=True)
    if known.is_empty():
        return "Stories do not differ in length."
    top = known.row(0, named=True)
    return (
        f"Length: the stories' first principal component correlates most with 1 / length at {top['position']} of {top['model']}"
        f" ({number(top['pc1_length'])}, {top['pc1_share']:.0%} of the variance), each model at its best layer."
    )
