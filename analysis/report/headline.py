"""The figure of the first screen: how alike two trained models are, beside what words, untrained networks and meaningless
labels reach."""

from __future__ import annotations

import re
from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import TWO_LINEAGES, UNTRAINED, WORDS
from analysis.report.answer import published
from analysis.report.colours import ACCENT, INK, MUTED, WARM
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View

MEASURES = {
    "rho_same": "Same passages (rho_same)",
    "rho_cross": "Different passages (rho_cross)",
    "rho_dis": "The same, noise taken out (rho_dis)",
    "beyond_words": "What is left beyond words (d)",
}
MODELS, WORD, TWIN, FLOOR = "two trained models", "words and a model", "untrained and a model", "meaningless labels"
OF_KIND = {TWO_LINEAGES: MODELS, WORDS: WORD, UNTRAINED: TWIN}
COLOURS = {MODELS: ACCENT, WORD: WARM, TWIN: "#009e73", FLOOR: MUTED}
CAPTION = (
    "Each point is a pair of readers; its bar is the 95% interval over topics. Grey band: the range that the paper reports"
    " for mature families. A trained pair says something about emotions only where it lies beyond the words, the untrained"
    " networks and the shuffled labels beneath it. Meaningless labels: 95% quantile of rho_same with labels shuffled within"
    " topics, alike on both sides, for the same trained pairs."
)
SCHEMA = pl.Schema(dict.fromkeys(("row", "kind", "pair"), pl.String) | dict.fromkeys(("value", "low", "high"), pl.Float64))


def rows(view: View) -> pl.DataFrame:
    """One row a pair and measure: `row` is the place in the figure, `kind` what is compared."""
    made: list[dict[str, Any]] = []
    for n, measure in enumerate(MEASURES):
        for kind, name in OF_KIND.items():
            for pair in view.pairs(kind).iter_rows(named=True):
                own = {"row": f"{n}|{name}", "kind": name, "pair": f"{pair['reader_a']} x {pair['reader_b']}"}
                if pair[measure] is not None and (measure != "beyond_words" or kind == TWO_LINEAGES):
                    ends = {end: pair[f"{measure}_{end}"] for end in ("low", "high")}
                    made.append(own | {"value": pair[measure]} | ends)
                if measure == "rho_same" and kind == TWO_LINEAGES and pair["floor_95"] is not None:
                    floor = {"row": f"{n}|{FLOOR}", "kind": FLOOR, "value": pair["floor_95"], "low": None, "high": None}
                    made.append(own | floor)
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def _order(shown: pl.DataFrame) -> list[str]:
    """Rows from top to bottom, each measure under its heading."""
    present, order = set(shown["row"]), []
    for n, title in enumerate(MEASURES.values()):
        own = [f"{n}|{name}" for name in COLOURS if f"{n}|{name}" in present]
        order += [f"{n}|# {title}", *own] if own else []
    return order


def figure(view: View) -> Any:
    shown = rows(view)
    order = _order(shown)
    # headings stand inside the drawing, where a narrow page has room for them
    axis = alt.Axis(labelExpr="test(/# /, datum.value) ? '' : split(datum.value, '|')[1]", grid=False, ticks=False)
    y = alt.Y("row:N", sort=order, scale=alt.Scale(domain=order), title=None, axis=axis)
    few = alt.Axis(tickCount=10, labelOverlap=True)
    scale = alt.Scale(domain=_domain(shown), nice=False)
    x = alt.X("value:Q", title="rank correlation of two emotion geometries", scale=scale, axis=few)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=None)
    tips: list[Any] = ["pair:N", "kind:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high"))]
    base = alt.Chart(shown.with_columns(start=pl.coalesce("low", "value"))).encode(y=y)
    faint = 0.6 if shown.height < 40 else 0.25
    bars = base.mark_rule(strokeWidth=3, opacity=faint, clip=True).encode(x=x, x2="high:Q", color=colour).encode(x="low:Q")
    points = base.mark_point(filled=True, size=95, opacity=0.95).encode(x=x, color=colour, tooltip=tips)
    titles = pl.DataFrame({"row": [row for row in order if "|# " in row]}, schema={"row": pl.String})
    titles = titles.with_columns(pl.col("row").str.split("|# ").list.last().alias("title"), value=pl.lit(_domain(shown)[0]))
    heads = alt.Chart(titles).mark_text(align="left", dx=-90, fontSize=12, fontWeight="bold", color=INK)
    layers: list[Any] = [
        heads.encode(x=x, y=y, text="title:N"),
        *_band(view, [r for r in order if r.startswith("0|")], order),
        bars,
        points,
    ]
    if shown.filter(kind=MODELS).height <= len(MEASURES):  # one pair: its numbers stand beside its bars, on the side with room
        middle = sum(_domain(shown)) / 2
        for sign, align, end, where in ((-1, "right", "start", ">="), (1, "left", "high", "<")):
            own: Any = base.transform_filter(f"datum.kind == '{MODELS}' && datum.value {where} {middle}")
            text = own.mark_text(align=align, dx=7 * sign, fontSize=11, fontWeight="bold", color=INK)
            layers.append(text.encode(x=alt.X(f"{end}:Q"), text=alt.Text("value:Q", format=".2f")))
    chart: Any = alt.layer(*layers).properties(width="container", height=23 * max(len(order), 1))
    return chart


def _domain(shown: pl.DataFrame) -> list[float]:
    known = [v for c in ("value", "low") for v in shown[c].drop_nulls()]
    return [max(-1.0, min([0.0, *known])), 1.0]


def _band(view: View, own: list[str], order: list[str]) -> list[Any]:
    """The published range, behind the rows that it was published for."""
    ends = [float(v) for v in re.findall(r"-?\d+\.\d+", published(view))]
    if len(ends) != 2 or not own:
        return []
    data = pl.DataFrame({"row": own, "low": ends[0], "high": ends[1]})
    y = alt.Y("row:N", sort=order, scale=alt.Scale(domain=order))
    tip = alt.Tooltip("low:Q", title="published, lowest"), alt.Tooltip("high:Q", title="published, highest")
    return [alt.Chart(data).mark_bar(color=MUTED, opacity=0.22, size=23).encode(x="low:Q", x2="high:Q", y=y, tooltip=list(tip))]


def section(view: View) -> Section:
    columns: tuple[str, ...] = (
        "model_a",
        "setting_a",
        "seed_a",
        "model_b",
        "setting_b",
        "seed_b",
        "kind",
        "rho_same",
        "rho_same_low",
    )
    columns += ("rho_same_high", "floor_95", "rho_cross", "rho_cross_low", "rho_cross_high", "rho_dis", "rho_dis_low")
    columns += ("rho_dis_high", "beyond_words", "beyond_words_low", "beyond_words_high", "words", "reason")
    source = Source("pairs", {"is_reference": True, **view.at}, columns)
    return Section("headline", "How alike, beside what", [], CAPTION, [Panel("", figure(view))], [source])
