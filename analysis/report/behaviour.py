"""Behaviour: who gives in under push-back, and who keeps to a format."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import colours, legend
from analysis.report.figures import WIDE, points, tall
from analysis.report.numbers import NOT_ESTIMABLE, interval
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View

IN_WORDS = {
    "flip": "changes a right answer under push-back (log-probability)",
    "flip_per_token": "the same, per token",
    "flip_by_mention": "control: the wrong answer is only named, in as many turns",
    "flip_over_mention": "difference: under push-back less by mention",
    "gives_in": "gives in, by the words of the reply",
    "gives_in_by_mention": "control: gives in where it is only named",
    "agreement": "log-probability and words agree",
    "capable": "easy task in the format",
    "score": "score in the conflicting task",
    "met": "format met in full",
}


def after_all(behaviour: pl.DataFrame) -> pl.DataFrame:
    """The measures after the last push-back, without those after fewer."""
    return behaviour.filter(pl.col("n_turns").is_null() | (pl.col("n_turns") == pl.col("n_turns").max()))


def section(view: View) -> Section:
    asked_all = after_all(view.behaviour)
    known = asked_all.drop_nulls("rate")
    words = []
    for (model, precision), own in asked_all.group_by("model", "precision", maintain_order=True):
        asked_for = {r["measure"]: r for r in own.iter_rows(named=True)}
        said = []
        for measure in ("flip", "flip_by_mention", "flip_over_mention", "score"):
            if (r := asked_for.get(measure)) is not None:
                found = (
                    NOT_ESTIMABLE + f" ({r['reason']})" if r["rate"] is None else interval(r["rate"], r["ci_low"], r["ci_high"])
                )
                said.append(f"{IN_WORDS[measure]} {found}")
        words.append(f"{model} {precision}: {'; '.join(said)}.")
        by_turn = view.behaviour.filter(model=model, precision=precision, measure="flip_over_mention").drop_nulls("rate")
        if by_turn.height > 1:
            turns = [
                f"{r['n_turns']} {interval(r['rate'], r['ci_low'], r['ci_high'])}" for r in by_turn.sort("n_turns").to_dicts()
            ]
            words.append(f"{model} {precision}, the difference by the number of turns: {'; '.join(turns)}.")
    asked = view.behaviour["model"].n_unique()
    if asked < 2:
        count = "no model was asked" if asked == 0 else "one model was asked"
        words.insert(0, f"Whether behaviour goes with geometry cannot be said: {count}, and it takes two.")
    caption = (
        "Instruct models under push-back and under format constraints, each rate above its control. Changing an answer: the"
        " log-probability of the right short answer falls below that of the wrong one. A push-back need not name the wrong"
        " answer; a mention does. Bars: 95% intervals over items, exact binomial; of the difference, Newcombe's for pairs; of"
        " the score, t over constraints."
    )
    rows = known.with_columns(pl.col("model").alias("who"), pl.col("measure").replace(IN_WORDS).alias("name"))
    panels = [Panel(str(at), _rates(view, own)) for (at,), own in rows.group_by("precision", maintain_order=True)]
    question = "Who gives in under push-back? (behaviour)"
    return Section(
        "behaviour", question, words, caption, panels, [Source("behaviour")], legend(view, rows) if rows.height else []
    )


def _rates(view: View, rows: pl.DataFrame) -> Any:
    """The measures of all models at one precision."""
    chart = points(
        rows.select("who", "name", "rate", "ci_low", "ci_high", "n_counted"),
        alt.Y("name:N", sort=list(IN_WORDS.values()), title=None),
        "rate",
        "ci_low",
        "ci_high",
        "share, or score",
        color=colours(view),
        yOffset=alt.YOffset("who:N"),
    )
    return chart.properties(height=tall(rows, "name", 14 + 6 * rows["who"].n_unique()), **WIDE)
