"""The report's section on one pair: from the published kind of similarity down to what no control explains."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, UNTRAINED
from analysis.report.figures import ACCENT, INK, MUTED
from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "One pair, from top to bottom: what the same stories show, what meaningless labels would show on them, what is left on"
    " different topics, freed of noise, within one sign of valence, with valence taken out, and what words or untrained"
    " networks do not give. Bars: 95% intervals over topics."
)


def shown(view: View) -> dict[str, Any] | None:
    """The pair of two trained models that is first in the tables; else a trained model and an untrained draw; else two
    precisions."""
    for kind in (TWO_LINEAGES, UNTRAINED, ONE_MODEL):
        rows = view.pairs(kind)
        if not rows.is_empty():
            return rows.row(0, named=True)
    return None


def _steps(view: View, pair: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per step: its name, value, and the ends of its interval (null where there is none)."""
    ours = (pl.col("reader_a") == pair["reader_a"]) & (pl.col("reader_b") == pair["reader_b"])

    def step(name: str, row: dict[str, Any], number: str, kind: str = "estimate") -> dict[str, Any]:
        ends = {end: row.get(f"{number}_{end}") for end in ("low", "high")}
        return {"step": name, "value": row[number], "kind": kind, **ends}

    made = [
        step("the same stories (rho_same)", pair, "rho_same"),
        step("... with meaningless labels (95% of shuffles below)", pair, "floor_95", "bound"),
        step("different topics (rho_cross)", pair, "rho_cross"),
        step("freed of noise (rho_dis)", pair, "rho_dis"),
        step("... within one sign of valence", pair, "within_sign"),
        step("... with valence taken out", pair, "valence_removed"),
    ]
    for row in view.beyond.filter(ours).iter_rows(named=True):
        made.append(step(f"... left beyond {row['control'].replace(':', ': ')}", row, "left"))
    return made


def finding(view: View) -> Finding:
    question = "For one pair: what is left when each other explanation is taken away?"
    pair = shown(view)
    if pair is None:
        return Finding("pair", question, "no pair to look at", ["One reader was read."])
    steps = {s["step"]: s for s in _steps(view, pair)}
    name = f"{pair['reader_a']} and {pair['reader_b']}"
    floor = next(s for s in steps.values() if s["step"].startswith("... with meaningless"))["value"]
    p = pair["p_cross"]
    words = [
        f"{name}, each at its best layer ({pair['layer_a']} and {pair['layer_b']}). On the same stories their RDMs correlate at"
        f" {_estimate(steps, 'the same stories (rho_same)')}. Labels shuffled within topics, alike on both sides, mean nothing,"
        f" and still reach {number(floor)} in one of twenty shuffles: so much the passages give.",
        f"On different topics {_estimate(steps, 'different topics (rho_cross)')} is left; freed of noise,"
        f" {_estimate(steps, 'freed of noise (rho_dis)')}."
        + (f" Permuted labels reach as much with p = {p:.4f}." if p is not None else ""),
    ]
    left = [
        f"{s['step'].removeprefix('... ')} {_estimate(steps, key)}"
        for key, s in steps.items()
        if key.startswith(("... within", "... with valence", "... left"))
    ]
    words.append("Of this: " + "; ".join(left) + ".")
    short = (
        f"{name}: {number(pair['rho_same'])} on the same stories (floor {number(floor)}), {number(pair['rho_cross'])} on others"
    )
    return Finding("pair", question, short, words)


def _estimate(steps: dict[str, dict[str, Any]], key: str) -> str:
    step = steps[key]
    if step["value"] is None:
        return "not estimable"
    if step["low"] is None:
        return number(step["value"])
    return f"{number(step['value'])} [{number(step['low'])}, {number(step['high'])}]"


def figure(view: View) -> alt.LayerChart:
    pair = shown(view)
    rows = [] if pair is None else _steps(view, pair)
    schema = {"step": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "kind": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    tips: list[Any] = ["step:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high"))]
    y = alt.Y("step:N", sort=frame["step"].to_list(), title=None, axis=alt.Axis(labelLimit=330, grid=False))
    base = alt.Chart(frame).encode(y=y, tooltip=tips)
    bars = base.mark_rule(strokeWidth=3, opacity=0.45, color=ACCENT).encode(
        x=alt.X("low:Q", title="Spearman's rho", scale=alt.Scale(zero=True)), x2="high:Q"
    )
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["estimate", "bound"], range=[INK, MUTED]), legend=None)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=["estimate", "bound"], range=["circle", "diamond"]), legend=None)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x="value:Q", color=colour, shape=shape)
    text = base.mark_text(dx=0, dy=-11, fontSize=11).encode(x="value:Q", text=alt.Text("value:Q", format=".2f"), color=colour)
    chart: alt.LayerChart = (bars + points + text).properties(width=560, height=alt.Step(34))
    return chart
