"""Stage `maturity`: which families have a geometry of emotions at all, by a rule that looks at no comparison. Table `maturity`.

The published study called five families mature and one not after their similarities were known. Here a model is mature where
every layer is finite at bf16 or fp32 and its reliability, less two standard errors, is above that of every one of at least
five untrained networks at the same depth. A family is as mature as its base model. Anisotropy is no part of the rule: a model
whose geometry is good may have .96.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from analysis.rsa import layers, names
from pipeline.errors import run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.claims import Maturity, MaturitySections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections
from pipeline.schemas.geometry import GEOMETRY, LAYERS, OVERFLOW
from pipeline.schemas.maturity import MATURITY
from pipeline.store import tables

Row = dict[str, Any]
REFERENCE = Path("data/reference/paper_maturity.csv")
WIDE = ("fp32", "bf16")
"""Precisions whose range holds every model's states, the most exact first: fp16 may overflow where a model is sound."""


class Params(ReadingSections, MaturitySections, ReportSections):
    """The sections that this stage loads."""


def row_of(
    model: str, entry: ModelEntry, precision: str | None, overflow: pl.DataFrame, geometry: pl.DataFrame, best: pl.DataFrame
) -> Row:
    """What the rule looks at, of one model at one precision (None: it was read at none that is wide enough). `geometry` at one
    position and variant, all readers; `best`: best_layer_cv of the same."""
    row: Row = MATURITY.blank()
    row |= {"model": model, "family": entry.family, "lineage": entry.lineage, "tuning": entry.tuning, "precision": precision}
    if precision is None:
        return row | {"reason": f"read at none of {', '.join(WIDE)}"}
    here = {"model": model, "precision": precision}
    states = overflow.filter(setting=STORIES, **here).row(0, named=True)
    row |= {"n_layers": states["n_layers"], "n_finite_layers": states["n_layers"] - (states["n_bad_layers"] or 0)}
    chosen = best.filter(**here)["layer"].drop_nulls()
    if chosen.is_empty():
        return row | {"reason": "no layer has a held-out accuracy"}
    row["layer"] = chosen[0]
    own = geometry.filter(layer=chosen[0], setting=STORIES, **here).row(0, named=True)
    twins = at_depth(geometry, chosen[0] / states["n_layers"])["reliability"].drop_nulls()
    return row | {
        "reliability": own["reliability"],
        "reliability_se": own["reliability_se"],
        "n_untrained": len(twins),
        "highest_untrained": float(twins.max()) if len(twins) else None,  # type: ignore[arg-type]
        "reason": own["reason"] if own["reliability"] is None else None,
    }


def at_depth(geometry: pl.DataFrame, depth: float) -> pl.DataFrame:
    """The rows of untrained draws at a depth, of each draw at one layer."""
    untrained = geometry.filter(pl.col("seed").is_not_null(), setting=STORIES)
    last = untrained.group_by("model").agg((pl.col("layer").max() + 1).alias("n"))
    wanted = {m: layers.layer_at(depth, n) for m, n in last.iter_rows()}
    return untrained.filter(pl.col("layer") == pl.col("model").replace_strict(wanted, return_dtype=pl.Int64, default=None))


def judged(row: Row, rule: Maturity) -> Row:
    """The row with `mature`: null, with the reason, where the rule cannot be applied."""
    if row["n_layers"] is None:
        return row | {"mature": None}
    if row["n_finite_layers"] < row["n_layers"]:
        return row | {"mature": False, "reason": f"{row['n_layers'] - row['n_finite_layers']} layers are not finite"}
    if row["reliability"] is None or row["reliability_se"] is None:
        return row | {"mature": None, "reason": row["reason"] or "no reliability"}
    if row["n_untrained"] < rule.untrained:
        return row | {"mature": None, "reason": f"{row['n_untrained']} untrained draws; {rule.untrained} are needed"}
    low = row["reliability"] - rule.standard_errors * row["reliability_se"]
    return row | {"mature": bool(low > row["highest_untrained"])}


def rows(
    params: Params, entries: dict[str, ModelEntry], overflow: pl.DataFrame, geometry: pl.DataFrame, chosen: pl.DataFrame
) -> list[Row]:
    """Rows of `maturity`, one for each trained model."""
    here = {"position": params.report.position, "variant": "centred"}
    geometry = geometry.filter(**here)
    best = chosen.filter(pl.col("halving").is_null(), layer_rule=names.CV, setting=STORIES, **here)
    published = dict(pl.read_csv(REFERENCE).select("family", "mature").iter_rows())
    made = []
    for model in params.read.models:
        precision = next((p for p in WIDE if p in params.precisions_of(model)), None)
        found = judged(row_of(model, entries[model], precision, overflow, geometry, best), params.maturity)
        made.append(found | {"decides": entries[model].tuning == "base", "published": published.get(entries[model].family)})
    return made


def main(arguments: list[str]) -> None:
    params = Params.load()
    read = (tables.read_table(t) for t in (OVERFLOW, GEOMETRY, LAYERS))
    tables.write_table(MATURITY, rows(params, load_entries(params), *read))


if __name__ == "__main__":
    run_stage(main)
