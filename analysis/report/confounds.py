"""The report's section on method and precision: the published bars beside ours, shares that sum, and what samples buy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from analysis.report.figures import ACCENT, INK, MUTED, WARM
from analysis.report.findings import Finding, number
from analysis.report.view import View

REFERENCE = Path("data/reference/paper_confounds.csv")
CAPTION = (
    "Left: the published comparisons, their figures and ours under their own definitions; diamond: the ceiling of ours,"
    " where both sides have one. Right: reliability of the geometry read from a model's own texts, by samples of every"
    " prompt. Below: from one experiment to another, each factor's share of their distance 1 - rho_dis; shares add up to the"
    " total. Bars: 95% intervals over topics and prompts."
)
TOTAL = "total"


def finding(view: View) -> Finding:
    question = "Does writing give another geometry than reading, and is it the method?"
    published = {(r["layer"], r["model"]): r["spearman"] for r in pl.read_csv(REFERENCE).iter_rows(named=True)}
    words, shorts = [], []
    for row in view.confounds.iter_rows(named=True):
        theirs = [f"{rho:.2f} ({model})" for (layer, model), rho in published.items() if layer == row["comparison"]]
        against = f"; published {', '.join(theirs)}" if theirs else ""
        label = row["comparison"].replace("_", " ")
        if row["spearman"] is None:
            words.append(f"{row['model']}, {label}: not estimable ({row['reason']}){against}.")
            continue
        sides = f"reliabilities {number(row['reliability_a'])} and {number(row['reliability_b'])}"
        low = f" It says little about the method: {row['reason']}." if row["reason"] else ""
        words.append(f"{row['model']}, {label}: {row['spearman']:.2f}, {sides}{against}.{low}")
    for row in view.attributions.filter(factor=TOTAL).iter_rows(named=True):
        name = f"{row['experiment_a']} to {row['experiment_b']}"
        if row["share"] is None:
            words.append(f"{row['model']}, {name}: no shares ({row['reason']}).")
            continue
        parts = view.attributions.filter(
            pl.col("factor") != TOTAL,
            model=row["model"],
            experiment_a=row["experiment_a"],
            experiment_b=row["experiment_b"],
        )
        shares = "; ".join(f"{p['factor']} {_with_interval(p)}" for p in parts.iter_rows(named=True))
        words.append(f"{row['model']}, {name}: distance {_with_interval(row)}, of which {shares}.")
        shorts.append(f"{name} {number(row['share'])}")
    spread = view.variance.drop_nulls("share").sort("share", descending=True)
    if not spread.is_empty():
        listed = "; ".join(
            f"{r['factor']} {r['share']:.0%} (p {r['p']:.3f})" if r["p"] is not None else f"{r['factor']} {r['share']:.0%}"
            for r in spread.iter_rows(named=True)
        )
        words.append(f"Of the spread of the comprehension's RDMs over its readouts: {listed}.")
    short = "distance 1 - rho_dis: " + "; ".join(shorts) if shorts else "no two experiments whose geometries are both reliable"
    return Finding("confounds", question, short, words or ["No model was asked to write."])


def _with_interval(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return "not estimable"
    ends = "" if row["ci_low"] is None else f" [{number(row['ci_low'])}, {number(row['ci_high'])}]"
    return number(row["share"]) + ends


def figure(view: View) -> alt.VConcatChart:
    top = alt.hconcat(_published(view), _samples(view)).resolve_scale(color="independent")
    chart: alt.VConcatChart = alt.vconcat(top, _waterfalls(view)).resolve_scale(color="independent")
    return chart


def _published(view: View) -> alt.LayerChart:
    theirs = pl.read_csv(REFERENCE).select(
        pl.col("layer").alias("comparison"), (pl.col("model") + ", published").alias("who"), "spearman"
    )
    ours = view.confounds.select("comparison", pl.col("model").alias("who"), "spearman", "ceiling")
    order = view.confounds["comparison"].unique(maintain_order=True).to_list()
    rows = pl.concat([theirs, ours.drop("ceiling")]).filter(pl.col("comparison").is_in(order)).drop_nulls()
    names = rows["who"].unique(maintain_order=True).to_list()
    mine = set(ours["who"])
    colour = alt.Color("who:N", scale=alt.Scale(domain=names, range=[ACCENT if n in mine else MUTED for n in names]))
    y = alt.Y("comparison:N", sort=order, title=None)
    bars = (
        alt.Chart(rows)
        .mark_bar(size=8)
        .encode(
            y=y,
            yOffset=alt.YOffset("who:N", sort=names),
            x=alt.X("spearman:Q", title="Spearman's rho"),
            color=colour,
            tooltip=["comparison:N", "who:N", alt.Tooltip("spearman:Q", format=".3f")],
        )
    )
    ceilings = alt.Chart(ours.drop_nulls("ceiling")).mark_point(shape="diamond", filled=True, size=70, color=WARM, opacity=1)
    marks = ceilings.encode(y=y, x="ceiling:Q", tooltip=[alt.Tooltip("ceiling:Q", format=".3f")])
    chart: alt.LayerChart = (bars + marks).properties(width=420, height=alt.Step(14))
    return chart


def _samples(view: View) -> alt.Chart:
    who = pl.col("setting") + pl.lit(", ") + pl.col("written") + pl.lit(" read by ") + pl.col("precision")
    rows = view.samples.drop_nulls("reliability").with_columns((who + pl.lit(", ") + pl.col("context")).alias("who"))
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("n_samples:O", title="samples of every prompt"),
            y=alt.Y("reliability:Q", title="reliability over prompts"),
            color=alt.Color("who:N", legend=alt.Legend(orient="bottom", columns=1, labelLimit=400)),
            tooltip=["who:N", "n_samples:O", "n_texts:Q", alt.Tooltip("reliability:Q", format=".3f")],
        )
        .properties(width=260, height=260)
    )
    return chart


def steps(view: View) -> pl.DataFrame:
    """The bars of the waterfalls: of every attribution each share from where the last one ended, then the total from 0."""
    made: list[dict[str, Any]] = []
    keys = ["model", "experiment_a", "experiment_b"]
    for key, rows in view.attributions.drop_nulls("share").group_by(keys, maintain_order=True):
        parts = [r for r in rows.iter_rows(named=True) if r["factor"] != TOTAL]
        (total,) = (r for r in rows.iter_rows(named=True) if r["factor"] == TOTAL)
        if not parts:
            continue
        end = 0.0
        for row in [*parts, total]:
            start = 0.0 if row["factor"] == TOTAL else end
            end = start + row["share"]
            name = f"{key[1]} to {key[2]}"
            own = {"pair": name, "model": key[0], "factor": row["factor"], "share": row["share"], "start": start, "end": end}
            # the interval of a share, from where its bar begins
            ends = {f"to_{n}": None if row[f"ci_{n}"] is None else start + row[f"ci_{n}"] for n in ("low", "high")}
            made.append(own | ends)
    names, numbers = ("pair", "model", "factor"), ("share", "start", "end", "to_low", "to_high")
    schema = pl.Schema([*((n, pl.String) for n in names), *((n, pl.Float64) for n in numbers)])
    return pl.DataFrame(made, schema=schema, orient="row")


def _waterfalls(view: View) -> alt.FacetChart:
    rows = steps(view)
    order = [f for f in rows["factor"].unique(maintain_order=True).to_list() if f != TOTAL] + [TOTAL]
    base = alt.Chart().encode(y=alt.Y("factor:N", sort=order, title=None))
    tips: list[Any] = ["model:N", "pair:N", "factor:N", alt.Tooltip("share:Q", format=".3f")]
    bars = base.mark_bar(size=12).encode(
        x=alt.X("start:Q", title="distance, 1 - rho_dis"),
        x2="end:Q",
        color=alt.condition(f"datum.factor == '{TOTAL}'", alt.value(INK), alt.value(ACCENT)),
        tooltip=tips,
    )
    whiskers = base.mark_rule(color=WARM, strokeWidth=1.5).encode(x="to_low:Q", x2="to_high:Q")
    zero = alt.Chart().mark_rule(stroke=MUTED).encode(x=alt.datum(0))
    chart = alt.layer(zero, bars, whiskers, data=rows).properties(width=250, height=alt.Step(20))
    return chart.facet(facet=alt.Facet("pair:N", title=None), columns=3)
