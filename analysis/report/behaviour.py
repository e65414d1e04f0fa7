"""The report's section on behaviour: who gives in, who keeps to a format, and whether geometry goes with it."""

from __future__ import annotations

import altair as alt
import polars as pl

from analysis.report.figures import ACCENT, MUTED
from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "Left: instruct models under push-back (flips: the stance, log p of the right short answer minus that of the wrong one,"
    " turns negative, beside a control that names the wrong answer as often and objects to nothing; gives in: a"
    " heuristic on the reply's words) and under"
    " format constraints. Bars: 95% intervals, exact binomial, of the score t over constraints. Right: every two models, how"
    " differently they behave against how alike their geometries are."
)
IN_WORDS = {
    "flip": "flips (stance)",
    "flip_per_token": "flips (stance per token)",
    "flip_by_mention": "flips where the wrong answer is only named, as often",
    "flip_over_mention": "flips under push-back less flips by mention",
    "gives_in": "gives in (words of the reply)",
    "gives_in_by_mention": "gives in where it is only named",
    "agreement": "stance and words agree",
    "capable": "easy task kept to the format",
    "score": "score in the conflicting task",
    "met": "format met in full",
}


def after_all(compliance: pl.DataFrame) -> pl.DataFrame:
    """The measures after the last push-back, without those after fewer."""
    return compliance.filter(pl.col("n_turns").is_null() | (pl.col("n_turns") == pl.col("n_turns").max()))


def finding(view: View) -> Finding:
    question = "Does behaviour go with geometry?"
    words, shorts = [], []
    for row in after_all(view.compliance).sort("model", "precision", "kind", "measure").iter_rows(named=True):
        who = f"{row['model']} {row['precision']}, {IN_WORDS[row['measure']]}"
        if row["rate"] is None:
            words.append(f"{who}: not estimable ({row['reason']}).")
            continue
        ends = "" if row["ci_low"] is None else f" [{number(row['ci_low'])}, {number(row['ci_high'])}]"
        why = f" ({row['reason']})" if row["reason"] else ""
        turn = f", at push-back {row['mean_turn']:.1f} on average" if row["mean_turn"] is not None else ""
        words.append(f"{who}: {number(row['rate'])}{ends} of {row['n_counted']} (asked {row['n_items']}){turn}{why}.")
        if row["measure"] in ("flip", "flip_over_mention", "score"):
            shorts.append(f"{row['model']} {IN_WORDS[row['measure']]} {number(row['rate'])}{ends}")
    pairs = view.behaviour_geometry
    for row in pairs.iter_rows(named=True):
        words.append(
            f"{row['model_a']} and {row['model_b']}: flip rates differ by {number(row['flip_distance'])}, scores by"
            f" {number(row['score_distance'])}; rho_dis {number(row['rho_dis'])}."
        )
    if pairs.is_empty() and words:
        words.append("One instruct model was asked, so that no two can be held against their geometries.")
    return Finding("behaviour", question, "; ".join(shorts) or "no model was asked", words or ["No model was asked."])


def figure(view: View) -> alt.HConcatChart:
    rows = (
        after_all(view.compliance)
        .drop_nulls("rate")
        .with_columns(pl.col("measure").replace(IN_WORDS), (pl.col("model") + pl.lit(" ") + pl.col("precision")).alias("who"))
    )
    order = [IN_WORDS[m] for m in IN_WORDS]
    base = alt.Chart(rows).encode(
        y=alt.Y("measure:N", sort=order, title=None), yOffset=alt.YOffset("who:N"), color=alt.Color("who:N")
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x=alt.X("ci_low:Q", title="share, or score"), x2="ci_high:Q")
    tips = ["who:N", "measure:N", alt.Tooltip("rate:Q", format=".3f"), "n_counted:Q"]
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x="rate:Q", tooltip=tips)
    pairs = view.behaviour_geometry.with_columns((pl.col("model_a") + pl.lit(" x ") + pl.col("model_b")).alias("pair"))
    known = pairs.drop_nulls(["flip_distance", "rho_dis"])
    dots = (
        alt.Chart(known)
        .mark_point(filled=True, size=60, color=ACCENT, opacity=1)
        .encode(
            x=alt.X("rho_dis:Q", title="rho_dis"),
            y=alt.Y("flip_distance:Q", title="difference of flip rates"),
            tooltip=["pair:N", alt.Tooltip("rho_dis:Q", format=".3f"), alt.Tooltip("flip_distance:Q", format=".3f")],
        )
    )
    spans = alt.Chart(known).mark_rule(color=MUTED, opacity=0.5).encode(x="ci_low:Q", x2="ci_high:Q", y="flip_distance:Q")
    beside = (spans + dots).properties(width=260, height=220)
    height = 32 * max(rows["measure"].n_unique(), 1)
    chart: alt.HConcatChart = alt.hconcat((bars + points).properties(width=420, height=height), beside)
    return chart
