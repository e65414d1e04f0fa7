"""Each layer's RDM beside the distances between human ratings of the emotion words."""

from __future__ import annotations

import altair as alt
import polars as pl

from analysis.report.colours import legend, who
from analysis.report.figures import WIDE, curves
from analysis.report.numbers import NOT_ESTIMABLE, interval, spread
from analysis.report.shown import OF_READER, Panel, Section, Source
from analysis.report.view import View
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.schemas.choices import PEOPLE

ALL = "all"


def section(view: View) -> Section:
    rows = view.of_one(PEOPLE).filter(pl.col("is_reference"), ~pl.col("only_words")).with_columns(who())
    best = view.at_best_layer().select("reader", "layer")
    words = []
    own = rows.filter(~pl.col("untrained"), setting_b=ALL).join(best, on=["reader", "layer"]).drop_nulls("rho_whole")
    for r in own.iter_rows(named=True):
        words.append(
            f"{r['model']}: {interval(r['rho_whole'], r['rho_whole_low'], r['rho_whole_high'])} with all ratings, at its"
            f" best_layer_cv ({r['layer']})."
        )
    untrained = rows.filter("untrained", setting_b=ALL)
    if untrained["rho_whole"].drop_nulls().len():
        words.append(f"Untrained networks, whatever the layer: {spread(untrained['rho_whole'])}.")
    embeddings = view.of_one(PEOPLE).filter(pl.col("setting") == INPUT_EMBEDDINGS, setting_b=ALL)["rho_whole"]
    if embeddings.drop_nulls().len():
        words.append(f"A model's input embeddings: {spread(embeddings)}.")
    if not words:
        reasons = rows["reason"].drop_nulls().unique().sort().to_list() or ["no label has norms"]
        words.append(f"Not estimable: {reasons[0]}.")
    caption = (
        "Rank correlation of each layer's RDM with the distances between human ratings of valence, arousal and dominance (norms"
        " and their source: data/stimuli/README.md). Bands: 95% intervals over topics; of untrained networks, the first draw's."
    )
    first = pl.col("seed").is_null() | (pl.col("seed") == pl.col("seed").min().over("model"))
    shown = (
        rows.filter(first)
        .select(
            "who", "model", "layer", "depth", norm="setting_b", middle="rho_whole", low="rho_whole_low", high="rho_whole_high"
        )
        .drop_nulls("middle")
    )
    panels = []
    for norm in [ALL, *sorted(set(shown["norm"]) - {ALL})] if shown.height else []:
        chart = curves(view, shown.filter(norm=norm), alt.X("depth:Q", title="depth"), "rank correlation", [-0.3, 0.8])
        panels.append(Panel("all ratings" if norm == ALL else str(norm), chart.properties(height=210, **WIDE), 3))
    columns: tuple[str, ...] = (
        *(f"{column}_a" for column in OF_READER),
        "setting_b",
        "layer_a",
        "depth",
        "n_emotions",
        "rho_whole",
        "rho_whole_low",
        "rho_whole_high",
        "reason",
    )
    source = Source("choices", {"choice": PEOPLE, **view.readout}, columns)
    question = "Is it the geometry that people's ratings have?"
    return Section("human", question, words or [NOT_ESTIMABLE], caption, panels, [source], legend(view, shown))
