"""Stage `headline`: the few numbers that say what a run found, as DVC's metrics, and the curve over depth, as its plot.

`dvc metrics diff` holds two releases against each other. Files `data/metrics.json` and `data/curves.csv`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from analysis.claims.protocols import PROTOCOLS
from analysis.rsa import names
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import Report, ReportSections
from pipeline.schemas.claims import CLAIMS
from pipeline.schemas.geometry import GEOMETRY
from pipeline.schemas.pairs import LINEAGES
from pipeline.store import chosen_layers, layout, tables

METRICS, CURVES = Path("data/metrics.json"), Path("data/curves.csv")
DIGITS = 4


class Params(ReadingSections, ReportSections):
    """The sections that this stage loads."""


def verdicts(claims: pl.DataFrame) -> dict[str, int]:
    """How many rows of `claims` have each verdict, under all protocols at the report's position: what is judged at others says
    the same claim again. What a control explains counts as one kind."""
    found = claims.filter(pl.col("protocol").is_in(PROTOCOLS))["verdict"].to_list()
    kinds = ["explained by a control" if v.startswith("explained by") else v for v in found]
    return dict(sorted(Counter(kinds).items()))


def across_lineages(lineages: pl.DataFrame, geometry: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Median similarity of models of two lineages, by precision; of none that loses states of one of them."""
    trained = geometry.filter(pl.col("seed").is_null(), setting=STORIES)
    lost = trained.filter(pl.col("n_not_finite") > 0)["precision"].unique().to_list()
    found: dict[str, dict[str, Any]] = {}
    for row in lineages.filter(~pl.col("precision").is_in(lost)).sort("precision", "estimator").iter_rows(named=True):
        found.setdefault(row["precision"], {})[row["estimator"]] = rounded(row["median"])
    return found


def readers(geometry: pl.DataFrame, chosen: pl.DataFrame, precisions: dict[str, str], report: Report) -> dict[str, Any]:
    """Layer, reliability and accuracy of each trained model at its most exact precision."""
    at = {"position": report.position, "variant": report.variant, "setting": STORIES}
    found: dict[str, Any] = {}
    for model, precision in precisions.items():
        own = {**at, "model": model, "precision": precision}
        layer = chosen.filter(pl.col("halving").is_null(), layer_rule=names.CV, **own)["layer"].to_list()
        rows = geometry.filter(layer=layer[0], **own).to_dicts() if layer and layer[0] is not None else []
        for row in rows:
            found[model] = {"layer": row["layer"], **{k: rounded(row[k]) for k in ("reliability", "accuracy")}}
    return found


def rounded(value: float | None) -> float | None:
    """A number as people compare it; what does not exist stays so."""
    return None if value is None else round(value, DIGITS)


def curves(geometry: pl.DataFrame, precisions: dict[str, str], report: Report) -> pl.DataFrame:
    """Reliability and accuracy over depth, in tenths: the median over trained models at their most exact precision."""
    own = pl.struct("model", "precision").is_in([{"model": m, "precision": p} for m, p in precisions.items()])
    at = geometry.filter(own, position=report.position, variant=report.variant, setting=STORIES)
    by_depth = at.group_by(pl.col("depth").round(1)).agg(pl.col("reliability", "accuracy").median().round(DIGITS))
    return by_depth.sort("depth")


def main(arguments: list[str]) -> None:
    params = Params.load()
    report, entries = params.report, load_entries(params)
    precisions = {m: params.reference_of(m) for m in params.models if not entries[m].untrained}
    geometry = tables.read_table(GEOMETRY)
    made = {
        "verdicts": verdicts(tables.read_table(CLAIMS)),
        "lineages": across_lineages(tables.read_table(LINEAGES).filter(position=report.position), geometry),
        "models": readers(geometry, chosen_layers.read(precisions), precisions, report),
    }
    with layout.whole_or_nothing(METRICS) as scratch:
        scratch.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    with layout.whole_or_nothing(CURVES) as scratch:
        curves(geometry, precisions, report).write_csv(scratch)


if __name__ == "__main__":
    run_stage(main)
