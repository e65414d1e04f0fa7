"""The report's section on choices: what moves when position, layer, scaling or BOS are chosen otherwise, and nothing else."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
from scipy import stats

from analysis.controls.robustness import IN_WORDS
from analysis.report.figures import INK, MUTED, RHO
from analysis.report.findings import Finding, number
from analysis.report.pair import shown
from analysis.report.view import View

CAPTION = (
    "Each choice made otherwise, and nothing else changed. Left: a reader against itself, rho_dis; 1 is the same geometry."
    " Middle: what the rho_dis of the pair above gains or loses. Bars: 95% intervals over topics; grey band: the margin of"
    " equivalence. Below: every layer against every layer, on different topics (rho_cross)."
)
ITSELF, PAIR = "against itself (rho_dis - 1)", "change of the pair's rho_dis"


def _name(choice: str) -> str:
    kind, _, rest = choice.partition(":")
    return IN_WORDS.get(choice, f"{kind} {rest}" if rest else kind)


def _rows(view: View) -> pl.DataFrame:
    """Changes with intervals: of every reference reader of a trained model against itself, and of the pair shown."""
    here = view.here(view.choices)
    same = pl.col("reader_a") == pl.col("reader_b")
    reads = ~pl.col("untrained_a") & ~pl.col("only_words_a")
    itself = here.filter(same & reads).with_columns(pl.lit(ITSELF).alias("panel"), pl.col("reader_a").alias("of"))
    parts = [itself]
    if (pair := shown(view)) is not None:
        both = (pl.col("reader_a") == pair["reader_a"]) & (pl.col("reader_b") == pair["reader_b"])
        name = f"{pair['reader_a']} x {pair['reader_b']}"
        parts.append(here.filter(both).with_columns(pl.lit(PAIR).alias("panel"), pl.lit(name).alias("of")))
    units = [n for n in view.pairs()["n_units"].to_list() if n is not None]
    half = float(stats.t.ppf(0.975, max(units) - 1)) if units else 0.0
    return pl.concat(parts).with_columns(
        pl.col("choice").map_elements(_name, return_dtype=pl.String).alias("name"),
        (pl.col("rho_dis_change") - half * pl.col("rho_dis_change_se")).alias("low"),
        (pl.col("rho_dis_change") + half * pl.col("rho_dis_change_se")).alias("high"),
    )


def finding(view: View) -> Finding:
    question = "What if another position, layer or scaling had been chosen?"
    rows = _rows(view)
    known = rows.drop_nulls("rho_dis_change")
    if known.is_empty():
        reasons = rows["reason"].drop_nulls().unique().sort().to_list() or ["no reader has a best layer"]
        return Finding("choices", question, "not estimable", [f"Not estimable: {reasons[0]}."])
    margin = view.params.rsa.equivalence
    words = []
    for panel, start in ((ITSELF, "A reader against itself"), (PAIR, "The pair above")):
        own = known.filter(panel=panel).sort(pl.col("rho_dis_change").abs(), descending=True)
        if own.is_empty():
            continue
        equal = own.filter(pl.col("p_equivalent") < 0.05).height
        listed = "; ".join(
            f"{r['name']} ({r['of']}) {r['rho_dis_change']:+.3f} [{r['low']:+.3f}, {r['high']:+.3f}]"
            for r in own.head(3).iter_rows(named=True)
        )
        words.append(
            f"{start}: {equal} of {own.height} choices are shown to move rho_dis by less than {margin}. The largest: {listed}."
        )
    crossed = known.filter(choice="topic")["rho_dis_change"].abs().max()
    if crossed is not None and float(crossed) < 1e-9:  # type: ignore[arg-type]
        words.append("Topics are crossed with emotions, so taking them out changes nothing at all.")
    for row in view.here(view.second).filter(~pl.col("only_words_a") & ~pl.col("only_words_b")).iter_rows(named=True):
        who = f"{row['reader_a']} on our stories, {row['reader_b']} on those of {row['setting_b']}"
        if row["rho_dis"] is None:
            words.append(f"{who} ({row['n_emotions']} labels in common): not estimable ({row['reason']}).")
            continue
        words.append(
            f"{who}, {row['n_emotions']} labels in common: rho_dis {number(row['rho_dis'])} [{number(row['ci_low'])},"
            f" {number(row['ci_high'])}], rho_cross {number(row['rho_cross'])} under a ceiling of"
            f" {number((row['reliability_a'] * row['reliability_b']) ** 0.5)}."
        )
    largest = known.filter(panel=ITSELF).sort(pl.col("rho_dis_change").abs(), descending=True)
    short = "no reader can be compared with itself"
    if not largest.is_empty():
        row = largest.row(0, named=True)
        short = f"largest change of one reader: {row['name']}, rho_dis {number(row['rho_dis'])} with itself"
    return Finding("choices", question, short, words)


def figure(view: View) -> alt.VConcatChart:
    rows = _rows(view).select("panel", "of", "name", "rho_dis", "rho_dis_change", "low", "high", "p_equivalent")
    margin = view.params.rsa.equivalence
    order = sorted(rows["name"].unique().to_list())

    def panel(title: str, labels: bool) -> alt.LayerChart:
        own = rows.filter(panel=title)
        y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=280) if labels else alt.Axis(labels=False))
        tips: list[Any] = ["of:N", "name:N", *(alt.Tooltip(f"{c}:Q", format=".4f") for c in ("rho_dis", "rho_dis_change"))]
        base = alt.Chart(own, title=alt.Title(title, anchor="start", fontSize=13)).encode(
            y=y, yOffset=alt.YOffset("of:N"), tooltip=tips, color=alt.Color("of:N")
        )
        band = alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]})).mark_rect(color=MUTED, opacity=0.14)
        zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(stroke=INK, strokeDash=[2, 3]).encode(x="zero:Q")
        bars = base.mark_rule(strokeWidth=3, opacity=0.45).encode(x=alt.X("low:Q", title="change of rho_dis"), x2="high:Q")
        points = base.mark_point(filled=True, size=60, opacity=1).encode(x="rho_dis_change:Q")
        chart: alt.LayerChart = (band.encode(x="low:Q", x2="high:Q") + zero + bars + points).properties(width=300, height=340)
        return chart

    panels = alt.hconcat(panel(ITSELF, True), panel(PAIR, False))
    chart: alt.VConcatChart = alt.vconcat(panels, _maps(view)).resolve_scale(color="independent")
    return chart


def _maps(view: View) -> alt.HConcatChart:
    """Layer x layer: the first trained model with itself, and the pair shown where both are on the map."""
    here = view.here(view.layer_map)
    pair = shown(view)
    wanted = [(here["reader_a"][0],) * 2] if here.height else []
    if pair is not None:
        wanted.append((pair["reader_a"], pair["reader_b"]))
    charts = []
    for a, b in dict.fromkeys(wanted):
        own = here.filter(reader_a=a, reader_b=b).select("layer_a", "layer_b", "rho_same", "rho_cross")
        tips = ["layer_a:O", "layer_b:O", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("rho_same", "rho_cross"))]
        charts.append(
            alt.Chart(own, title=alt.Title(f"{a} x {b}" if a != b else f"{a} with itself", anchor="start", fontSize=13))
            .mark_rect()
            .encode(
                x=alt.X("layer_a:O", title=f"layer of {a}", axis=alt.Axis(labelOverlap=True, grid=False)),
                y=alt.Y("layer_b:O", title=f"layer of {b}", sort="descending", axis=alt.Axis(labelOverlap=True, grid=False)),
                color=alt.Color("rho_cross:Q", scale=RHO, title="rho_cross"),
                tooltip=tips,
            )
            .properties(width=360, height=320)
        )
    return alt.hconcat(*charts)
