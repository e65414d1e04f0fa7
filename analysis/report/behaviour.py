"""The report's section on behaviour: who gives in, who keeps to a format."""

from __future__ import annotations

import altair as alt
import polars as pl

from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "Instruct models under push-back (flips: the stance, log p of the right short answer minus that of the wrong one,"
    " turns negative, beside a control that names the wrong answer as often and objects to nothing; gives in: a"
    " heuristic on the reply's words) and under format constraints. Bars: 95% intervals, exact binomial, of the score t over"
    " constraints."
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
    question = "Who gives in, and who keeps to a format?"
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
    return Finding("behaviour", question, "; ".join(shorts) or "no model was asked", words or ["No model was asked."])


def figure(view: View) -> alt.LayerChart:
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
    height = 32 * max(rows["measure"].n_unique(), 1)
    chart: alt.LayerChart = (bars + points).properties(width=420, height=height)
    return chart
