"""What is left of a pair's similarity when valence, words or an untrained network are taken out; which emotions carry it; and
what one model tells of another."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import TWO_LINEAGES
from analysis.report.colours import ACCENT, RHO
from analysis.report.figures import WIDE, matrix, points, tall, tips
from analysis.report.numbers import NOT_ESTIMABLE, controls_in_words, number, over_pairs, spread
from analysis.report.shown import Panel, Section, Source
from analysis.report.similar import COLUMNS
from analysis.report.view import View
from pipeline.schemas.choices import ONE_EMOTION, WITH

STEPS = {
    "rho_dis": "nothing taken out (rho_dis)",
    "within_sign": "only emotions of one sign of valence",
    "valence_removed": "human valence taken out",
}
SCHEMA = pl.Schema(dict.fromkeys(("measure", "pair"), pl.String) | dict.fromkeys(("value", "low", "high"), pl.Float64))
WHICH = {"kind": TWO_LINEAGES, "is_reference": True}
FEW = 4
"""Pairs up to which each has a panel of its own."""


def unsaid(view: View) -> str:
    """Why nothing can be said of two trained models of two lineages: there are none, or theirs has this reason."""
    pairs = view.pairs(TWO_LINEAGES)
    if pairs.is_empty():
        return "Cannot be said: no two trained models of two lineages were read."
    return f"Cannot be said: {(pairs['reason'].drop_nulls().to_list() or ['no number of a pair is known'])[0]}."


def _names(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns((pl.col("model_a") + pl.lit(" x ") + pl.col("model_b")).alias("pair"))


def _ours(view: View, table: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table that belong to the pairs of trained models of two lineages."""
    keys = [f"{c}_{s}" for s in "ab" for c in ("model", "seed", "precision", "method", "setting")]
    pairs = view.raw["pairs"].filter(**WHICH, **view.at).select(keys)
    return _names(table.join(pairs, on=keys, how="semi", nulls_equal=True))


def _either_way(view: View, table: pl.DataFrame) -> pl.DataFrame:
    """The same of a table that has each pair in both orders."""
    turned = {f"{c}_{s}": f"{c}_{t}" for s, t in ("ab", "ba") for c in ("model", "seed", "precision", "method", "setting")}
    pairs = view.raw["pairs"].filter(**WHICH, **view.at).select(*turned)
    both = pl.concat([pairs, pairs.rename(turned).select(*turned)])
    return _names(table.join(both, on=list(turned), how="semi", nulls_equal=True))


def left(view: View) -> Section:
    pairs = _names(view.raw["pairs"].filter(**WHICH, **view.at))
    beyond = _ours(view, view.raw["beyond"].filter(**view.at))
    made: list[dict[str, Any]] = []
    for measure, name in STEPS.items():
        for r in pairs.drop_nulls(measure).iter_rows(named=True):
            ends = {end: r[f"{measure}_{end}"] for end in ("low", "high")}
            made.append({"measure": name, "pair": r["pair"], "value": r[measure]} | ends)
    for r in beyond.drop_nulls("left").iter_rows(named=True):
        name = "beyond " + controls_in_words(r["control"]).replace("_", " ")
        made.append({"measure": name, "pair": r["pair"], "value": r["left"], "low": r["left_low"], "high": r["left_high"]})
    rows = pl.DataFrame(made, schema=SCHEMA, orient="row")
    words = [unsaid(view)]
    if pairs.height:
        words = [
            f"rho_dis is {over_pairs(pairs, 'rho_dis')}; within one sign of valence {over_pairs(pairs, 'within_sign')}; with"
            f" human valence taken out {over_pairs(pairs, 'valence_removed')}; beyond the words that explain most"
            f" {over_pairs(pairs, 'beyond_words')} (margin {view.params.rsa.equivalence})."
        ]
        words += [
            f"At position {position}, each model at its own best layer there: rho_dis {over_pairs(own, 'rho_dis')}, beyond the"
            f" words that explain most {over_pairs(own, 'beyond_words')}."
            for position, own in view.elsewhere().items()
        ]
        lost = beyond.filter(pl.col("left").is_null())["reason"].drop_nulls().unique().sort().to_list()
        words += [f"Not estimable for some controls: {'; '.join(lost)}."] if lost else []
    caption = (
        "Each point a pair of trained models of two lineages, with its 95% interval over topics. Beyond a control: d ="
        " rho_dis less the product of both models' rho_dis with the control, what a path through the control alone would not"
        " give; of all words at once, less the fit of a regression on them. 0: the control explains all."
    )
    order = rows["measure"].unique(maintain_order=True).to_list()
    y = alt.Y("measure:N", sort=order, title=None)
    chart = points(rows, y, "value", "low", "high", "rho_dis, or what is left of it", color=alt.value(ACCENT))
    panel = Panel("", chart.properties(height=tall(rows, "measure", 30), **WIDE))
    columns: tuple[str, ...] = (
        *COLUMNS,
        *(f"{s}{end}" for s in (*STEPS, "beyond_words") for end in ("", "_low", "_high")),
        "words",
        "reason",
    )
    controls: tuple[str, ...] = (*COLUMNS[:-1], "control", "n_readers", "left", "left_low", "left_high", "reason")
    question = "What is left when valence, words or an untrained network are taken out?"
    sources = [Source("pairs", WHICH | view.at, columns), Source("beyond", view.at, controls)]
    return Section("left", question, words, caption, [panel] if rows.height else [], sources)


def emotions(view: View) -> Section:
    rows = _ours(view, view.raw["choices"].filter(choice=ONE_EMOTION)).drop_nulls("rho_cross")
    emotion = pl.col("emotions").str.strip_prefix(WITH).alias("emotion")
    rows = rows.select("pair", emotion, "rho_cross", "rho_cross_low", "rho_cross_high")
    question = "Which emotions carry the agreement?"
    caption = (
        "For each emotion, the rank correlation of its distances to all others in one model, from half of the topics, with"
        " those in the other model from the other half; 95% intervals over topics. An emotion low here is placed differently,"
        " or is noise in one model: its reliabilities are in the table."
    )
    sources = [
        Source(
            "choices",
            {"choice": ONE_EMOTION},
            (
                *COLUMNS[:-1],
                "emotions",
                "rho_cross",
                "rho_cross_low",
                "rho_cross_high",
                "reliability_a",
                "reliability_b",
                "reason",
            ),
        )
    ]
    if rows.is_empty():
        return Section("emotions", question, [unsaid(view)], caption, [], sources)
    mean = rows.group_by("emotion").agg(pl.col("rho_cross").median()).sort("rho_cross", "emotion")
    order = mean["emotion"].to_list()[::-1]
    low, high = (
        ", ".join(f"{r['emotion']} {number(r['rho_cross'])}" for r in part.iter_rows(named=True))
        for part in (mean.head(3), mean.tail(3).reverse())
    )
    n = rows["pair"].n_unique()
    words = [f"Most alike: {high}; least: {low}{f' (median over {n} pairs)' if n > 1 else ''}."]
    pairs = rows["pair"].unique(maintain_order=True).to_list()
    y = alt.Y("emotion:N", sort=order, title=None, axis=alt.Axis(grid=False))
    if len(pairs) <= FEW:
        panels = [
            Panel(
                p,
                points(
                    rows.filter(pair=p), y, "rho_cross", "rho_cross_low", "rho_cross_high", "rho_cross", color=alt.value(ACCENT)
                ).properties(height=tall(rows, "emotion", 17), **WIDE),
                3 if len(pairs) > 1 else 6,
            )
            for p in pairs
        ]
    else:
        x = alt.X("pair:N", sort=pairs, title=None, axis=alt.Axis(labelAngle=-50, labelOverlap=True))
        chart = matrix(
            rows, x, y, "rho_cross", RHO, ["pair:N", "emotion:N", *tips("rho_cross", "rho_cross_low", "rho_cross_high")], None
        )
        panels = [Panel("", chart.properties(height=tall(rows, "emotion", 17), **WIDE))]
    return Section("emotions", question, words, caption, panels, sources)


def decoding(view: View) -> Section:
    every = view.raw["prediction"]
    rows = _either_way(view, every)
    question = "Do one model's emotion vectors name the other model's stories? (decoding across models)"
    caption = (
        "A rotation fitted on part of the topics turns one model's space into the other's. Filled: stories of the other topics"
        " named rightly; open: the mean over the same with labels in random orders, the control. New emotions are ones that the"
        " rotation was not fitted on."
    )
    columns: tuple[str, ...] = (
        "model_a",
        "precision_a",
        "setting_a",
        "model_b",
        "precision_b",
        "setting_b",
        "decoded",
        "decoded_chance",
        "decoded_new",
    )
    columns += ("decoded_new_chance", "p_new", "where_words_fail", "unique", "unique_low", "unique_high", "common", "controls")
    columns += ("controls_named", "reason")
    sources = [Source("prediction", {}, columns)]
    known = rows.drop_nulls("decoded")
    if known.is_empty():
        return Section(
            "decoding",
            question,
            [unsaid(view) if rows.is_empty() else f"Not estimable: {rows['reason'].drop_nulls()[0]}."],
            caption,
            [],
            sources,
        )
    words = [
        f"Named rightly: {spread(known['decoded'])} (labels in random orders {spread(known['decoded_chance'])}); emotions"
        f" that the rotation never saw {spread(known['decoded_new'])} (random orders {spread(known['decoded_new_chance'])})."
    ]
    controls = {
        "a reader of words": every.filter(pl.col("model_a").is_in(view.params.words)),
        "an untrained network": every.filter(pl.col("seed_a").is_not_null(), pl.col("seed_b").is_null()),
    }
    if said := [
        f"{name} at most {number(own['decoded'].max())} and {number(own['decoded_new'].max())}"  # type: ignore[arg-type]
        for name, own in ((name, own.drop_nulls(["decoded", "decoded_new"])) for name, own in controls.items())
        if own.height
    ]:
        words.append(f"The same with something else in the place of the first model: {'; '.join(said)}.")
    if spread(known["unique"]) != NOT_ESTIMABLE:
        no_ends = "" if known["unique_low"].drop_nulls().len() else ", without an interval; the table has the reason"
        words.append(
            "Of the other model's distances, what one model predicts and no control does:"
            f" {over_pairs(known, 'unique')}{no_ends}."
        )
    parts = []
    for measure, chance, name in (
        ("decoded", "decoded_chance", "emotions that it was fitted on"),
        ("decoded_new", "decoded_new_chance", "new emotions"),
    ):
        own = known.drop_nulls(measure).select(
            "model_a", "model_b", pl.lit(name).alias("measure"), pl.col(measure).alias("value"), pl.col(chance).alias("chance")
        )
        parts.append(own.with_columns((pl.col("model_a") + pl.lit(" to ") + pl.col("model_b")).alias("pair")))
    panels = []
    for part in parts:
        base = alt.Chart(part).encode(y=alt.Y("pair:N", title=None, sort=None), tooltip=["pair:N", *tips("value", "chance")])
        x = alt.X("value:Q", title="share of stories named", scale=alt.Scale(domain=[0, 1]))
        line = base.mark_rule(color=ACCENT, opacity=0.4, strokeWidth=3).encode(x=alt.X("chance:Q"), x2="value:Q")
        dots = base.mark_point(filled=True, size=80, color=ACCENT, opacity=1).encode(x=x)
        open_ = base.mark_point(size=80, color=ACCENT).encode(x="chance:Q")
        title = part["measure"][0] if part.height else ""
        panels.append(Panel(title, (line + dots + open_).properties(height=tall(part, "pair", 26), **WIDE), 3))
    return Section("decoding", question, words, caption, panels, sources)
