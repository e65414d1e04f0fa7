"""How alike every two readers are, and how much of it is the passages: grids at the best layers, curves over depth."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import ONE_LINEAGE, TWO_LINEAGES, TWO_UNTRAINED, UNTRAINED, WORDS
from analysis.report.colours import ACCENT, RHO, WARM, toggled
from analysis.report.figures import WIDE, band, matrix, reaching, tips
from analysis.report.numbers import counted, over_pairs, spread
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View
from analysis.rsa.names import ALL_PAIRS, DEPTH
from pipeline.schemas.choices import EVERY_READOUT

OF_KIND = {
    TWO_LINEAGES: "trained models of two lineages",
    ONE_LINEAGE: "trained models of one lineage",
    UNTRAINED: "a trained model and an untrained network",
    WORDS: "a trained model and a reader of words",
    TWO_UNTRAINED: "two untrained networks",
}
NUMBERED = 14
"""Readers up to which the cells of a grid have room for their number."""
COLUMNS: tuple[str, ...] = (
    "model_a",
    "setting_a",
    "seed_a",
    "precision_a",
    "model_b",
    "setting_b",
    "seed_b",
    "precision_b",
    "kind",
)
SIMILAR: tuple[str, ...] = (
    *COLUMNS,
    "layer_a",
    "layer_b",
    "rho_same",
    "rho_same_low",
    "rho_same_high",
    "rho_same_half",
    "floor_95",
)
SIMILAR += ("rho_cross", "rho_cross_low", "rho_cross_high", "reliability_a", "reliability_b", "rho_dis", "rho_dis_low")
SIMILAR += ("rho_dis_high", "reason")


def section(view: View) -> Section:
    between = view.pairs(TWO_LINEAGES)
    words = []
    if between.is_empty():
        words.append(
            f"Cannot be said of two models: only {', '.join(view.trained)} was read of trained models, or all are one lineage."
        )
    for kind, name in OF_KIND.items():
        if (rows := view.pairs(kind)).height:
            words.append(
                f"{name[0].upper() + name[1:]} ({counted(rows.height, 'pair')}): rho_same {over_pairs(rows, 'rho_same')},"
                f" rho_cross {over_pairs(rows, 'rho_cross')}, rho_dis {over_pairs(rows, 'rho_dis')}."
            )
    caption = (
        "Every two readers, each at its best_layer_cv; columns are numbered as the rows; hover for the intervals. Same"
        " stories: as published. Different stories: one side reads half of the topics, the other side the other half; on the"
        " diagonal stands each reader's reliability. Two readers should not agree more than the geometric mean of theirs."
    )
    panels = [
        Panel("Same stories (rho_same)", grid(view, "rho_same")),
        Panel("Different stories (rho_cross; diagonal: reliability)", grid(view, "rho_cross")),
    ]
    question = "How similar are any two readers? (representational similarity analysis)"
    return Section(
        "similar", question, words or ["No two readers were read."], caption, panels, [Source("pairs", view.at, SIMILAR)]
    )


def grid(view: View, value: str) -> alt.LayerChart:
    numbers = ["rho_same", "rho_cross", "rho_dis"]
    ends = [f"{n}_{end}" for n in numbers for end in ("low", "high")]
    columns = ["reader_a", "reader_b", *numbers, *ends]
    pairs = view.pairs().select(columns)
    mirrored = pairs.rename({"reader_a": "reader_b", "reader_b": "reader_a"}).select(columns)
    own = view.at_best_layer().select(
        pl.col("reader").alias("reader_a"),
        pl.col("reader").alias("reader_b"),
        pl.lit(1.0).alias("rho_same"),
        pl.col("reliability").alias("rho_cross"),
    )
    order = view.grid()
    shown = pl.col("reader_a").is_in(order) & pl.col("reader_b").is_in(order)
    rows = pl.concat([pairs, mirrored, own], how="diagonal").filter(shown)
    # columns have the rows' numbers for names: a grid of long names has no room on a narrow page
    place = f"indexof({json.dumps(order)}, datum.value) + 1"
    x = alt.X("reader_a:N", sort=order, title=None, axis=alt.Axis(labelExpr=place, labelAngle=0, grid=False, orient="top"))
    y = alt.Y("reader_b:N", sort=order, title=None, axis=alt.Axis(labelExpr=f"{place} + '  ' + datum.value", grid=False))
    tooltip = [alt.Tooltip("reader_a:N", title="a"), alt.Tooltip("reader_b:N", title="b"), *tips(*numbers, *ends)]
    text = ".2f" if len(order) <= NUMBERED else None
    return matrix(rows, x, y, value, RHO, tooltip, text).properties(height=28 * max(len(order), 1), **WIDE)  # type: ignore[no-any-return]


HALVES = {"rho_same_half": ("same half of the topics", WARM), "rho_cross": ("different halves", ACCENT)}


def passages(view: View) -> Section:
    kinds = [kind for kind in OF_KIND if view.pairs(kind).height]
    words = []
    for kind in kinds:
        rows = view.pairs(kind)
        words.append(
            f"{OF_KIND[kind][0].upper() + OF_KIND[kind][1:]}: {spread(rows['rho_same_half'])} on the same half of the topics,"
            f" {over_pairs(rows, 'rho_cross')} on different halves."
        )
    caption = (
        "Both lines rest on half of the topics, so that their difference is what reading the same passages adds. Line: median"
        " over pairs at matched depth; band: range over pairs. Untrained networks share only passages and tokenizer."
    )
    table = view.over_depth(*kinds) if kinds else view.choices.clear()
    panels = [Panel(OF_KIND[kind], _by_depth(table.filter(kind=kind) if kinds else table), 3) for kind in kinds]
    columns: tuple[str, ...] = (
        *COLUMNS[:-1],
        "depth",
        "layer_a",
        "layer_b",
        "rho_same_half",
        "rho_cross",
        "reliability_a",
        "reliability_b",
        "reason",
    )
    where = view.readout | {"choice": EVERY_READOUT, "layer_rule": DEPTH, "emotions": ALL_PAIRS}
    legend = list(HALVES.values())
    question = "How much of it is reading the same passages?"
    source = Source("choices", where, columns)
    return Section("passages", question, words or ["No pair to compare."], caption, panels, [source], legend)


def _by_depth(pairs: pl.DataFrame) -> Any:
    parts = [band(pairs, v, ["depth"]).with_columns(pl.lit(name).alias("who")) for v, (name, _) in HALVES.items()]
    names, colours = zip(*HALVES.values(), strict=True)
    rows = pl.concat(parts)
    base = alt.Chart(rows).encode(
        x=alt.X("depth:Q", title="matched depth (0 first, 1 last layer)", scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("who:N", scale=alt.Scale(domain=names, range=colours), legend=None),
    )
    area = base.mark_area(opacity=0.18).encode(y="low:Q", y2="high:Q")
    y = alt.Y("middle:Q", title="rank correlation", scale=reaching([-0.25, 1], rows["low"], rows["high"]))
    line = base.mark_line(strokeWidth=2, point=True).encode(
        y=y, tooltip=["who:N", "depth:Q", *tips("middle", "low", "high"), "n:Q"]
    )
    return toggled(area + line).properties(height=220, **WIDE)
