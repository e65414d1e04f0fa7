"""The report's section on one pair: from the published kind of similarity down to what no control explains."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.figures import ACCENT, INK, MUTED
from analysis.report.findings import Finding, number
from analysis.report.view import BETWEEN, PRECISIONS, TWINS, View
from analysis.rsa.names import ALL_PAIRS, CV, VALENCE_REMOVED, WITHIN_SIGN

CAPTION = (
    "One pair, from top to bottom: what the same stories show, what meaningless labels would show on them, what is left on"
    " different topics, freed of noise, within one sign of valence, with valence taken out, given words or untrained networks."
    " Bars: 95% intervals over topics."
)
FLOOR = "stimulus_floor"


def shown(view: View) -> dict[str, Any] | None:
    """The pair of two trained models that is first in the tables; else a trained model and an untrained draw; else two
    precisions."""
    for kind in (BETWEEN, TWINS, PRECISIONS):
        rows = view.pairs(kind)
        if not rows.is_empty():
            return rows.row(0, named=True)
    return None


def _steps(view: View, pair: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per step: its name, value, and the ends of its interval (null where there is none)."""
    ours = (pl.col("reader_a") == pair["reader_a"]) & (pl.col("reader_b") == pair["reader_b"])
    rsa = {row["pairs"]: row for row in view.here(view.rsa).filter(ours, layer_rule=CV).iter_rows(named=True)}
    found = view.here(view.intervals).filter(ours, layer_rule=CV, over="topics").iter_rows(named=True)
    ends = {(row["pairs"], row["estimator"]): (row["ci_low"], row["ci_high"]) for row in found}
    controls = view.controls.filter(ours, position=view.params.report.position).iter_rows(named=True)
    by_control = {row["control"]: row for row in controls}

    def step(
        name: str, value: float | None, interval: tuple[float, float] | None = None, kind: str = "estimate"
    ) -> dict[str, Any]:
        low, high = interval or (None, None)
        return {"step": name, "value": value, "low": low, "high": high, "kind": kind}

    def of(pairs: str, estimator: str, name: str) -> dict[str, Any]:
        return step(name, rsa.get(pairs, {}).get(estimator), ends.get((pairs, estimator)))

    floor = by_control.get(FLOOR, {})
    made = [
        of(ALL_PAIRS, "rho_same", "the same stories (rho_same)"),
        step("... with meaningless labels (95% of shuffles below)", floor.get("floor_95"), kind="bound"),
        of(ALL_PAIRS, "rho_cross", "different topics (rho_cross)"),
        step("... its ceiling, sqrt(rel_a rel_b)", pair["ceiling"], kind="bound"),
        of(ALL_PAIRS, "rho_dis", "freed of noise (rho_dis)"),
        of(WITHIN_SIGN, "rho_dis", "... within one sign of valence"),
        of(VALENCE_REMOVED, "rho_dis", "... with valence taken out"),
    ]
    for name, row in by_control.items():
        if name != FLOOR:
            interval = None if row["ci_low"] is None else (row["ci_low"], row["ci_high"])
            made.append(step(f"... given {name.replace(':', ': ')}", row["rho_dis_given"], interval))
    return made


def finding(view: View) -> Finding:
    question = "For one pair: what is left when each other explanation is taken away?"
    pair = shown(view)
    if pair is None:
        return Finding("pair", question, "no pair to look at", ["One reader was read."])
    steps = {s["step"]: s for s in _steps(view, pair)}
    name = f"{pair['reader_a']} and {pair['reader_b']}"
    floor = next(s for s in steps.values() if s["step"].startswith("... with meaningless"))["value"]
    p = pair["p_mantel_cross"]
    words = [
        f"{name}, each at its best layer ({pair['layer_a']} and {pair['layer_b']}). On the same stories their RDMs correlate at"
        f" {_estimate(steps, 'the same stories (rho_same)')}. Labels shuffled within topics, alike on both sides, mean nothing,"
        f" and still reach {number(floor)} in one of twenty shuffles: so much the passages give.",
        f"On different topics {_estimate(steps, 'different topics (rho_cross)')} is left, under a ceiling of"
        f" {number(pair['ceiling'])}; freed of noise, {_estimate(steps, 'freed of noise (rho_dis)')}."
        + (f" Emotions permuted on one side reach as much with p = {p:.4f}." if p is not None else ""),
    ]
    left = [
        f"{s['step'].removeprefix('... ')} {_estimate(steps, key)}"
        for key, s in steps.items()
        if key.startswith(("... within", "... with valence", "... given"))
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
