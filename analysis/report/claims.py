"""The top of the report: every published claim, what this run found, and the verdict."""

from __future__ import annotations

from collections import Counter

import altair as alt
import polars as pl

from analysis.claims.protocols import OTHER, PAPER, SAME
from analysis.claims.rules import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from analysis.report.figures import ACCENT, INK, MUTED, WARM
from analysis.report.findings import Finding, number
from analysis.report.view import View

CAPTION = (
    "Claims of which this run has a number. Grey: the values at which a claim would be true as published; points: the pair or"
    " model that decides it, with its 95% interval, as published (three passages, last token), on the same stories, and on"
    " stories that the two sides do not share."
)
COLUMNS = ["claim", "published", "protocol", "found", "verdict", "why"]
PROTOCOLS = [PAPER, SAME, OTHER]
ENDS = (-1.1, 1.1)
"""Of the figure: numbers beyond (layers, say) stand at its edge."""


def finding(view: View) -> Finding:
    question = "Which published claims hold?"
    claims = view.claims
    verdicts = Counter("explained away" if v.startswith(EXPLAINED) else v for v in claims["verdict"])
    listed = ", ".join(f"{n} {v}" for v, n in sorted(verdicts.items(), key=lambda item: -item[1]))
    words = [
        f"{claims['claim'].n_unique()} published claims under up to three protocols: {listed}. The rules stood in params.yaml"
        f" before any model was run (digest {claims['rules'][0]})."
        if claims.height
        else "No claim was asked for."
    ]
    for row in claims.filter(pl.col("verdict") != NOT_TESTABLE).sort("order", "protocol").iter_rows(named=True):
        words.append(f"{row['text']} ({row['protocol']}): {row['verdict']}, {found(row)}. {row['about'] or ''}")
    mature = view.maturity
    if mature.height:
        said = "; ".join(f"{r['model']} {_mature(r)}" for r in mature.iter_rows(named=True))
        words.append(f"Maturity, by a rule that looks at no comparison: {said}.")
    return Finding("claims", question, listed or "no claim", words)


def _mature(row: dict[str, object]) -> str:
    if row["mature"] is None:
        return f"cannot be judged ({row['reason']})"
    measured = f"reliability {number(row['reliability'])}, untrained at most {number(row['highest_untrained'])}"  # type: ignore[arg-type]
    return f"{'is mature' if row['mature'] else 'is not mature'} ({row['reason'] or measured})"


def found(row: dict[str, object]) -> str:
    """`0.81 [0.74, 0.88]`, or - where there is no number."""
    ends = "" if row["ci_low"] is None else f" [{number(row['ci_low'])}, {number(row['ci_high'])}]"  # type: ignore[arg-type]
    return number(row["estimate"]) + ends  # type: ignore[arg-type]


def table(view: View) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table of claims, in the reference's order; protocols that have no number for the same reason
    stand in one row."""
    rows: list[list[str]] = []
    for row in view.claims.sort("order").iter_rows(named=True):
        protocol = row["protocol"]
        cells = [row["text"], row["published"], protocol, found(row), row["verdict"], row["why"] or ""]
        if rows and row["estimate"] is None and [*cells[:2], *cells[3:]] == [*rows[-1][:2], *rows[-1][3:]]:
            rows[-1][2] += f", {protocol}"
        else:
            rows.append(cells)
    return COLUMNS, rows


def figure(view: View) -> alt.LayerChart:
    known = view.claims.drop_nulls("estimate").sort("order", "protocol")
    verdict = pl.when(pl.col("verdict").str.starts_with(EXPLAINED)).then(pl.lit("explained away")).otherwise("verdict")
    rows = known.with_columns(
        *(pl.col(c).clip(*ENDS) for c in ("estimate", "ci_low", "ci_high")),
        pl.col("at_least").fill_null(ENDS[0]).clip(*ENDS),
        pl.col("at_most").fill_null(ENDS[1]).clip(*ENDS),
        verdict.alias("kind"),
        pl.col("claim").str.replace_all("_", " "),
    )
    order = rows["claim"].unique(maintain_order=True).to_list()
    y = alt.Y("claim:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    side = (
        alt.Chart(rows.unique("claim", maintain_order=True))
        .mark_bar(color=MUTED, opacity=0.16)
        .encode(y=y, x=alt.X("at_least:Q", title="estimate", scale=alt.Scale(domain=ENDS)), x2="at_most:Q")
    )
    kinds = [HOLDS, FAILS, UNDECIDED, "explained away", NOT_TESTABLE]
    colour = alt.Color("kind:N", title="verdict", scale=alt.Scale(domain=kinds, range=[ACCENT, WARM, INK, "#8a5fb0", MUTED]))
    offset = alt.YOffset("protocol:N", sort=PROTOCOLS)
    base = alt.Chart(rows).encode(y=y, yOffset=offset, color=colour)
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x="ci_low:Q", x2="ci_high:Q")
    tips = ["text:N", "published:N", "protocol:N", alt.Tooltip("estimate:Q", format=".3f"), "verdict:N", "why:N", "about:N"]
    shape = alt.Shape("protocol:N", sort=PROTOCOLS)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x="estimate:Q", shape=shape, tooltip=tips)
    chart: alt.LayerChart = (side + bars + points).properties(width=520, height=36 * max(len(order), 1))
    return chart
