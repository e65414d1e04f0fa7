"""The report's section on steering: does a target's score follow the strength, at what price, and what does the label hide?"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.figures import ACCENT, INK, MUTED, WARM
from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "Above: the published rule, after every block, strength times the pass's own mean norm with BOS; below: ours, after"
    " best_layer_cv alone, strength times the mean norm of neutral texts. Left: the target's score when the text is read alone,"
    " in standard deviations from neutral texts; thin: one target each, thick: their mean. Middle: perplexity over that of the"
    " unsteered text, median; dashed: beyond it a text counts as broken. Right: what became of the texts."
)
RULES = {"paper": "the published rule", "ours": "our rule"}
EMOTIONS, RANDOM = "emotions", "random directions"
EFFECTS = {
    "none": ("unchanged", "#c8ccd6"),
    "toward": ("towards the target", ACCENT),
    "away": ("elsewhere", "#9db7dd"),
    "collapse": ("repeats itself", WARM),
    "broken": ("broken", INK),
    "not measured": ("not measured", MUTED),
}


def _whose(column: str = "emotion") -> pl.Expr:
    return pl.when(pl.col(column).str.starts_with("random#")).then(pl.lit(RANDOM)).otherwise(pl.lit(EMOTIONS)).alias("whose")


def finding(view: View) -> Finding:
    question = "Can a vector steer what is written, and what does the published label say of it?"
    words, shorts = [], []
    for row in view.regimes.filter(pl.col("strength").is_null(), directions="emotions").iter_rows(named=True):
        who, rule = f"{row['model']} {row['precision']}", RULES[row["rule"]]
        if row["share_repetitive"] is None:
            words.append(f"{who}, {rule}: not estimable ({row['reason']}).")
            continue
        named = f"no label ({row['reason']})" if row["regime"] is None else f"labelled {_plain(row['regime'])}"
        if row["texts_to_another"] is not None:
            named += f" ({row['texts_to_another']} of {row['n_texts']} texts counted otherwise would give another label)"
        shares = ", ".join(
            f"{row[f'share_{key}']:.0%} {said}"
            for key, said in (
                ("unchanged", "unchanged"),
                ("toward", "fluent and towards the target"),
                ("away", "fluent and elsewhere"),
                ("repetitive", "repeating themselves"),
                ("broken", "broken"),
            )
        )
        ratio = number(row["median_perplexity_ratio"])
        words.append(f"{who}, {rule}: {named}; of its steered texts {shares}; median perplexity ratio {ratio}.")
        shorts.append(f"{rule}: {_plain(row['regime'] or 'no label')}, {row['share_toward']:.0%} fluent and towards the target")
        words += _doses(view, row)
    short = "; ".join(shorts) or "no model was steered"
    return Finding("steering", question, short, words or ["No model was steered."])


def _plain(regime: str) -> str:
    return regime.replace("_", " ")


def _doses(view: View, at: dict[str, Any]) -> list[str]:
    """The dose-response of one model, precision and rule in a sentence or two; the norms that strengths are multiples of."""
    here = {key: at[key] for key in ("model", "precision", "rule")}
    doses = view.doses.filter(cells="all", **here).with_columns(_whose())
    made = []
    for whose, own in ((EMOTIONS, doses.filter(whose=EMOTIONS)), (RANDOM, doses.filter(whose=RANDOM))):
        known = own.drop_nulls("ci_low")
        if known.is_empty():
            continue
        above = known.filter(pl.col("ci_low") > 0).height
        listed = "; ".join(
            f"{r['emotion']} {number(r['slope'])} [{number(r['ci_low'])}, {number(r['ci_high'])}]"
            for r in known.sort("slope", descending=True).iter_rows(named=True)
        )
        made.append(
            f"{above} of {known.height} {whose} have a slope of score on strength whose 95% interval over prompts lies above 0"
            f" ({listed}); mean rank correlation {number(known['spearman'].mean())}."  # type: ignore[arg-type]
        )
    single = doses.filter(pl.col("reason") == "one prompt: no interval")
    if not single.is_empty():
        listed = "; ".join(f"{r['emotion']} {number(r['spearman'])}" for r in single.iter_rows(named=True))
        made.append(f"One prompt a target, so no interval; rank correlation of score and strength: {listed}.")
    norms = view.steering.filter(**here)["norm"].drop_nulls()
    if not norms.is_empty():
        said = " to ".join(dict.fromkeys(f"{norm:.0f}" for norm in (min(norms), max(norms))))
        made.append(f"Its strengths are multiples of a norm of {said}.")
    return made


def figure(view: View) -> alt.VConcatChart | alt.HConcatChart:
    rules = [rule for rule in RULES if rule in set(view.steering["rule"])]
    rows = [
        alt.hconcat(_scores(view, rule), _ratios(view, rule), _effects(view, rule)).resolve_scale(color="independent")
        for rule in rules
    ]
    chart: alt.VConcatChart = alt.vconcat(*rows).resolve_scale(color="independent")
    return chart


def _title(view: View, rule: str) -> alt.Title:
    labels = view.regimes.filter(pl.col("strength").is_null(), directions="emotions", rule=rule)
    said = [f"{r['model']} {r['precision']}: {_plain(r['regime'] or 'no label')}" for r in labels.iter_rows(named=True)]
    return alt.Title(RULES[rule], subtitle=said, anchor="start", fontSize=13, subtitleColor=MUTED)


def _scores(view: View, rule: str) -> alt.LayerChart:
    who = (pl.col("model") + pl.lit(" ") + pl.col("precision")).alias("who")
    rows = (
        view.steering.filter(rule=rule)
        .drop_nulls("target_score")
        .with_columns(_whose(), who)
        .group_by("who", "whose", "emotion", "strength", maintain_order=True)
        .agg(pl.col("target_score").mean(), pl.len().alias("n_texts"))
    )
    mean = rows.group_by("who", "whose", "strength", maintain_order=True).agg(pl.col("target_score").mean())
    colour = alt.Color(
        "whose:N", scale=alt.Scale(domain=[EMOTIONS, RANDOM], range=[ACCENT, MUTED]), legend=alt.Legend(orient="bottom")
    )
    x, y = alt.X("strength:Q"), alt.Y("target_score:Q", title="score of the target (z)")
    tips: list[Any] = ["who:N", "emotion:N", "strength:Q", "n_texts:Q", alt.Tooltip("target_score:Q", format=".2f")]
    thin = alt.Chart(rows).mark_line(opacity=0.35, strokeWidth=1).encode(x=x, y=y, color=colour, detail=["who:N", "emotion:N"])
    dots = alt.Chart(rows).mark_circle(size=18, opacity=0.5).encode(x=x, y=y, color=colour, tooltip=tips)
    dash = alt.StrokeDash("who:N", legend=None)
    thick = alt.Chart(mean).mark_line(strokeWidth=3.5).encode(x=x, y=y, color=colour, strokeDash=dash)
    chart: alt.LayerChart = (thin + dots + thick).properties(width=270, height=220, title=_title(view, rule))
    return chart


def _ratios(view: View, rule: str) -> alt.LayerChart:
    who = (pl.col("model") + pl.lit(" ") + pl.col("precision")).alias("who")
    rows = view.regimes.drop_nulls(["strength", "median_perplexity_ratio"]).filter(rule=rule).with_columns(who)
    limit = pl.DataFrame({"limit": [view.params.steering.thresholds.perplexity_ratio]})
    y = alt.Y("median_perplexity_ratio:Q", title="perplexity ratio (median)", scale=alt.Scale(type="log"))
    names = alt.Scale(domain=["emotions", "random"], range=[ACCENT, MUTED])
    tips: list[Any] = ["who:N", "directions:N", "strength:Q", alt.Tooltip("median_perplexity_ratio:Q", format=".2f")]
    lines = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("strength:Q"),
            y=y,
            color=alt.Color("directions:N", scale=names, legend=None),
            strokeDash=alt.StrokeDash("who:N", legend=None),
            tooltip=tips,
        )
    )
    rule_at = alt.Chart(limit).mark_rule(stroke=WARM, strokeDash=[3, 3]).encode(y="limit:Q")
    chart: alt.LayerChart = (rule_at + lines).properties(width=200, height=220)
    return chart


def _effects(view: View, rule: str) -> alt.Chart:
    known = pl.col("effect").fill_null("not measured").replace_strict({k: name for k, (name, _) in EFFECTS.items()})
    emotions = ~pl.col("emotion").str.starts_with("random#")
    rows = view.steering.filter(emotions, rule=rule).with_columns(known.alias("what"))
    counts = rows.group_by("strength", "what", maintain_order=True).len("n_texts")
    order = {name: n for n, (name, _) in enumerate(EFFECTS.values())}
    counts = counts.with_columns(pl.col("what").replace_strict(order, return_dtype=pl.Int64).alias("order"))
    names, colours = zip(*EFFECTS.values(), strict=True)
    scale, legend = alt.Scale(domain=names, range=colours), alt.Legend(orient="right", columns=1)
    chart: alt.Chart = (
        alt.Chart(counts)
        .mark_bar()
        .encode(
            x=alt.X("strength:O", axis=alt.Axis(labelAngle=0, format="~g")),
            y=alt.Y("n_texts:Q", stack="normalize", title="share of texts", axis=alt.Axis(format="%")),
            color=alt.Color("what:N", scale=scale, legend=legend),
            order="order:Q",
            tooltip=["strength:O", "what:N", "n_texts:Q"],
        )
        .properties(width=240, height=220)
    )
    return chart
