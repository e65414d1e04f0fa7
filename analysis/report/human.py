"""The report's section on human ratings: every layer's RDM beside the distances between norms."""

from __future__ import annotations

import altair as alt
import polars as pl

from analysis.report.figures import MUTED
from analysis.report.findings import Finding, number, spread
from analysis.report.view import View
from pipeline.params.geometry import INPUT_EMBEDDINGS

ALL = "all"
CAPTION = (
    "Spearman's rho of each layer's RDM with the distances between human ratings of the labels. Bands: 95% intervals over"
    " topics. Valence alone, arousal alone, and all three dimensions together."
)


def _rows(view: View) -> pl.DataFrame:
    return view.here(view.human).filter(pl.col("is_reference"), ~pl.col("only_words"))


def finding(view: View) -> Finding:
    question = "Is it the geometry that people have?"
    words, shorts = [], []
    trained = _rows(view).filter(~pl.col("untrained"))
    for (model, norm), own in trained.drop_nulls("spearman").group_by("reader", "norm", maintain_order=True):
        best = own.sort("spearman", descending=True).row(0, named=True)
        ends = "" if best["ci_low"] is None else f" [{number(best['ci_low'])}, {number(best['ci_high'])}]"
        words.append(
            f"{model}, {norm} of {best['n_emotions']} labels: {number(best['spearman'])}{ends}, at layer {best['layer']}."
        )
        if norm == ALL:
            shorts.append(f"{model} {number(best['spearman'])} with human ratings at its best layer")
    untrained = _rows(view).filter("untrained", norm=ALL)
    if not untrained.is_empty():
        words.append(f"Untrained draws lie at {spread(untrained['spearman'])} over all layers.")
    embeddings = view.here(view.human).filter(pl.col("setting") == INPUT_EMBEDDINGS, norm=ALL)["spearman"]
    if len(embeddings.drop_nulls()):
        words.append(f"A model's input embeddings alone reach {spread(embeddings)}.")
    if not words:
        reasons = _rows(view)["reason"].drop_nulls().unique().sort().to_list() or ["no label has norms"]
        words.append(f"Not estimable: {reasons[0]}.")
    return Finding("human", question, "; ".join(shorts) or "not estimable", words)


def figure(view: View) -> alt.FacetChart:
    first = pl.col("seed").is_null() | (pl.col("seed") == pl.col("seed").min().over("model"))
    rows = _rows(view).filter(first).select("reader", "norm", "layer", "depth", "spearman", "ci_low", "ci_high")
    base = alt.Chart().encode(x=alt.X("depth:Q", title="depth"), color=alt.Color("reader:N"))
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("ci_low:Q", title="Spearman's rho"), y2="ci_high:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=18)).encode(
        y="spearman:Q", tooltip=["reader:N", "layer:O", alt.Tooltip("spearman:Q", format=".3f")]
    )
    zero = alt.Chart().mark_rule(stroke=MUTED).encode(y=alt.datum(0))
    order = [ALL, *sorted(set(rows["norm"]) - {ALL})]
    chart = alt.layer(zero, band, line, data=rows).properties(width=200, height=180)
    return chart.facet(column=alt.Column("norm:N", title=None, sort=order))
