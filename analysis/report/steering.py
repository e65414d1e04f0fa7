"""Steering: does a target's score follow the strength, at what price, and what do random directions do?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import ACCENT, FAINT, INK, MUTED, WARM
from analysis.report.figures import WIDE, tips
from analysis.report.numbers import NOT_ESTIMABLE, number
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View

RULES = {"paper": "the published rule", "ours": "our rule"}
EMOTIONS, RANDOM = "emotions", "random directions"
KINDS = ("emotions", "random")
WHOSE = alt.Scale(domain=[EMOTIONS, RANDOM], range=[ACCENT, MUTED])
EFFECTS = {
    "share_unchanged": ("unchanged", FAINT),
    "share_toward": ("towards the target", ACCENT),
    "share_away": ("elsewhere", "#9cc3dd"),
    "share_collapsed": ("repeats itself", WARM),
    "share_broken": ("broken", INK),
    "share_not_measured": ("not measured", MUTED),
}
AT = ("model", "precision", "rule", "target", "strength")
COUNTS: tuple[str, ...] = (*AT, "n_texts", "n_not_finite", "share_unchanged", "share_toward", "share_away", "share_collapsed")
COUNTS += ("share_broken", "median_perplexity_ratio", "mean_target_score", "regime", "texts_to_another", "reason")
DOSES: tuple[str, ...] = (*AT, "n_prompts", "slope", "slope_low", "slope_high", "n_prompts_fluent", "slope_fluent")
DOSES += ("slope_fluent_low", "slope_fluent_high", "spearman", "gain", "rank_unsteered", "rank_strongest")


def _whose() -> pl.Expr:
    random = pl.col("target").str.contains("^random(#|$)")
    return pl.when(random).then(pl.lit(RANDOM)).otherwise(pl.lit(EMOTIONS)).alias("whose")


def _each(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of single targets."""
    return rows.filter(~pl.col("target").is_in(KINDS))


def _steered(view: View) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of every model at a precision under a rule, and what they are called: precisions write other texts."""
    for rule, title in RULES.items():
        for (model, precision), own in view.steering.filter(rule=rule).group_by("model", "precision", maintain_order=True):
            yield f"{model} {precision}, {title}", own


def section(view: View) -> Section:
    caption = (
        "Score of the target when the text is read alone, in standard deviations from neutral texts; thin: one target each,"
        " thick: their mean; grey: random directions, the control. Published rule: after every block, strength times the mean"
        " norm of the pass; ours: after best_layer_cv alone, strength times the mean norm of neutral texts."
    )
    panels = [Panel(name, _scores(own), 3) for name, own in _steered(view)]
    sources = [Source("steering", {}, DOSES)]
    question = "Can a vector steer what is written? (dose and response)"
    return Section(
        "steering",
        question,
        _words(view) or ["Cannot be said: no model was steered."],
        caption,
        panels,
        sources,
        [(EMOTIONS, ACCENT), (RANDOM, MUTED)] if panels else [],
    )


def _words(view: View) -> list[str]:
    made = []
    whole = view.steering.filter(pl.col("strength").is_null())
    for row in whole.filter(target="emotions").iter_rows(named=True):
        at = {key: row[key] for key in ("model", "precision", "rule")}
        who = f"{row['model']} {row['precision']}, {RULES[row['rule']]}"
        if row["share_toward"] is None:
            made.append(f"{who}: {NOT_ESTIMABLE} ({row['reason']}).")
            continue
        judged = sum(row[name] or 0 for name in EFFECTS if name in row)
        open_ = f", {1 - judged:.0%} could not be judged" if judged < 1 - 1e-9 else ""
        random = whole.filter(target="random", **at)["share_toward"].to_list()
        beside = (
            f"; under random directions {random[0]:.0%}"
            if random and random[0] is not None
            else "; no random direction was measured"
        )
        doses = _each(whole.filter(**at)).with_columns(_whose()).drop_nulls("slope_low")
        up = {name: doses.filter(pl.col("slope_low") > 0, whose=name).height for name in (EMOTIONS, RANDOM)}
        n = {name: doses.filter(whose=name).height for name in (EMOTIONS, RANDOM)}
        slopes = (
            f" The score rises with the strength (95% interval above 0) for {up[EMOTIONS]} of {n[EMOTIONS]} emotions and"
            f" {up[RANDOM]} of {n[RANDOM]} random directions."
            if doses.height
            else ""
        )
        label = f" Published label: {(row['regime'] or 'none').replace('_', ' ')}"
        control = whole.filter(target="random", **at)["regime"].to_list()
        label += f"; of random directions: {(control[0] or 'none').replace('_', ' ')}." if control else "."
        made.append(
            f"{who}: {row['share_toward']:.0%} of the texts are fluent and towards the target{open_}{beside}.{slopes}{label}"
        )
    return made


def _scores(own: pl.DataFrame) -> Any:
    rows = _each(own).drop_nulls(["strength", "mean_target_score"]).with_columns(_whose())
    rows = rows.select("whose", "target", "strength", "n_texts", target_score="mean_target_score")
    mean = rows.group_by("whose", "strength", maintain_order=True).agg(pl.col("target_score").mean())
    colour = alt.Color("whose:N", scale=WHOSE, legend=None)
    x, y = alt.X("strength:Q"), alt.Y("target_score:Q", title="score of the target (z)")
    tooltip: list[Any] = ["target:N", "strength:Q", "n_texts:Q", *tips("target_score", digits=2)]
    thin = alt.Chart(rows).mark_line(opacity=0.35, strokeWidth=1).encode(x=x, y=y, color=colour, detail="target:N")
    dots = alt.Chart(rows).mark_circle(size=20, opacity=0.5).encode(x=x, y=y, color=colour, tooltip=tooltip)
    thick = alt.Chart(mean).mark_line(strokeWidth=3.5).encode(x=x, y=y, color=colour)
    return (thin + dots + thick).properties(height=240, **WIDE)


def price(view: View) -> Section:
    caption = (
        "Left of each pair: median perplexity of the steered text over that of the unsteered one (dashed: beyond it a text"
        " counts as broken), for emotions and for random directions. Right: what became of the texts of the emotions'"
        " directions, by strength."
    )
    panels = []
    limit = view.params.steering.thresholds.perplexity_ratio
    for name, own in _steered(view):
        panels.append(Panel(f"{name}: price", _ratios(own, limit), 3))
        panels.append(Panel("what became of the texts", _effects(own), 3))
    question = "At what price, and what becomes of the texts? (regimes)"
    words = []
    for row in (
        view.steering.filter(pl.col("strength").is_null(), target="emotions").drop_nulls("share_broken").iter_rows(named=True)
    ):
        flips = (
            f" The published label would be another if {row['texts_to_another']} of {row['n_texts']} texts were counted"
            " otherwise."
            if row["texts_to_another"] is not None
            else ""
        )
        words.append(
            f"{row['model']} {row['precision']}, {RULES[row['rule']]}: median perplexity ratio"
            f" {number(row['median_perplexity_ratio'])}; {row['share_broken']:.0%} broken, {row['share_repetitive']:.0%}"
            f" repeat themselves.{flips}"
        )
    legend = list(EFFECTS.values()) if panels else []
    return Section(
        "price",
        question,
        words or ["Cannot be said: no model was steered."],
        caption,
        panels,
        [Source("steering", {}, COUNTS)],
        legend,
    )


def _ratios(own: pl.DataFrame, limit: float) -> Any:
    rows = own.filter(pl.col("target").is_in(KINDS)).drop_nulls(["strength", "median_perplexity_ratio"]).with_columns(_whose())
    y = alt.Y("median_perplexity_ratio:Q", title="perplexity ratio (median)", scale=alt.Scale(type="log"))
    base = alt.Chart(rows.select("whose", "strength", "n_texts", "median_perplexity_ratio")).mark_line(point=True)
    lines = base.encode(
        x="strength:Q",
        y=y,
        color=alt.Color("whose:N", scale=WHOSE, legend=None),
        tooltip=["whose:N", "strength:Q", "n_texts:Q", *tips("median_perplexity_ratio", digits=2)],
    )
    at = alt.Chart(pl.DataFrame({"median_perplexity_ratio": [limit]})).mark_rule(stroke=WARM, strokeDash=[3, 3]).encode(y=y)
    return (at + lines).properties(height=220, **WIDE)


def _effects(own: pl.DataFrame) -> Any:
    rows = own.filter(target="emotions").drop_nulls("strength")
    finite = 1 - pl.col("n_not_finite") / pl.col("n_texts")  # shares are of finite texts; here of all
    known = [pl.col(name).fill_null(0) * finite for name in EFFECTS if name in rows.columns]
    names, colours = zip(*EFFECTS.values(), strict=True)
    shares = rows.select("strength", *(share.alias(name) for share, name in zip(known, names, strict=False)))
    shares = shares.with_columns((1 - pl.sum_horizontal(names[:-1])).clip(0).alias(names[-1]))
    shares = shares.unpivot(index="strength", variable_name="what")
    order = {name: n for n, name in enumerate(names)}
    shares = shares.with_columns(pl.col("what").replace_strict(order, return_dtype=pl.Int64).alias("order"))
    x = alt.X("strength:O", axis=alt.Axis(labelAngle=0, format="~g"))
    y = alt.Y("value:Q", stack="normalize", title="share of texts", axis=alt.Axis(format="%"))
    colour = alt.Color("what:N", scale=alt.Scale(domain=names, range=colours), legend=None)
    tooltip: list[Any] = ["strength:O", "what:N", *tips("value", digits=2)]
    bars = alt.Chart(shares).mark_bar().encode(x=x, y=y, color=colour, order="order:Q", tooltip=tooltip)
    return bars.properties(height=220, **WIDE)
