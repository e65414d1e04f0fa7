"""Stage `maturity`: which models have a geometry of emotions at all, by a rule that looks at no comparison (`mature`). Table
`maturity`.

A family is as mature as its base models; of a family of which no base model was read, what was read decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from analysis.claims.mature import Draw, Measured, is_mature
from analysis.readers import overflow
from analysis.rsa import names
from pipeline.errors import run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.maturity import MaturitySections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections
from pipeline.schemas.geometry import GEOMETRY
from pipeline.schemas.maturity import MATURITY
from pipeline.store import chosen_layers, tables

Row = dict[str, Any]
REFERENCE = Path("data/reference/paper_maturity.csv")
WIDE = ("fp32", "bf16")
"""Precisions whose range holds every model's states, the most exact first: fp16 may overflow where a model is sound."""
BILLION = 1e9


class Params(ReadingSections, MaturitySections, ReportSections):
    """The sections that this stage loads."""


def measured(model: str, entries: dict[str, ModelEntry], precision: str, read: dict[str, pl.DataFrame]) -> Measured:
    """What the rule looks at, from `geometry` and `layers` at the report's position and variant, and `states`, whether every
    state of a reader is finite at all positions."""
    own = {"model": model, "precision": precision}
    states = read["states"].filter(pl.col("seed").is_null(), setting=STORIES, **own).row(0, named=True)
    of_rule = read["layers"].filter(pl.col("halving").is_null(), layer_rule=names.CV, setting=STORIES, **own)
    chosen = of_rule.row(0, named=True)
    family = entries[model].family
    twins = [m for m, entry in entries.items() if entry.untrained and entry.family == family]
    geometry = read["geometry"]
    drawn = geometry.filter(pl.col("model").is_in(twins), pl.col("precision").is_in(WIDE), setting=STORIES)
    by_seed = drawn.drop_nulls("reliability").group_by("model", "seed", maintain_order=True)
    embeddings = geometry.filter(model=model, setting=INPUT_EMBEDDINGS)["reliability"].to_list()
    return Measured(
        n_layers=states["n_layers"],
        n_finite_layers=states["n_layers"] - states["n_bad_layers"],
        reliability=chosen["reliability"],
        se=chosen["reliability_se"],
        n_units=geometry.filter(setting=STORIES, **own)["n_units"][0],
        draws=[Draw(f"{m} {seed}", rows["reliability"].to_list()) for (m, seed), rows in by_seed],
        embeddings=embeddings[0] if embeddings else None,
    )


def row_of(model: str, params: Params, entries: dict[str, ModelEntry], read: dict[str, pl.DataFrame]) -> Row:
    """The row of one trained model, `decides` and `published` aside."""
    entry = entries[model]
    row: Row = MATURITY.blank()
    row |= {"model": model, "family": entry.family, "lineage": entry.lineage, "tuning": entry.tuning}
    row["rebuttal"] = entry.tuning == "instruct" and entry.parameters > BILLION
    precision = next((p for p in WIDE if p in params.precisions_of(model)), None)
    if precision is None:
        return row | {"reason": f"read at none of {', '.join(WIDE)}"}
    of = measured(model, entries, precision, read)
    found = is_mature(of, params.maturity.untrained)
    return row | {
        "precision": precision,
        "n_layers": of.n_layers,
        "n_finite_layers": of.n_finite_layers,
        "reliability": of.reliability,
        "reliability_low": found.low,
        "n_untrained": len(of.draws),
        "highest_untrained": max((max(d.reliabilities) for d in of.draws), default=None),
        "embeddings": of.embeddings,
        "mature": found.mature,
        "reason": found.reason,
    }


def rows(params: Params, entries: dict[str, ModelEntry], read: dict[str, pl.DataFrame]) -> list[Row]:
    """Rows of `maturity`, one for each trained model."""
    here = {"position": params.report.position, "variant": "centred"}
    at = {name: table.filter(**here) for name, table in read.items()} | {"states": overflow.of_readers(read["geometry"])}
    published = dict(pl.read_csv(REFERENCE).select("family", "mature").iter_rows())
    with_base = {entries[m].family for m in params.read.models if entries[m].tuning == "base"}
    made = []
    for model in params.read.models:
        entry = entries[model]
        decides = entry.tuning == "base" or entry.family not in with_base
        more = {"decides": decides, "published": published.get(entry.family)}
        made.append(row_of(model, params, entries, at) | more)
    return made


def main(arguments: list[str]) -> None:
    params = Params.load()
    read = {"geometry": tables.read_table(GEOMETRY), "layers": chosen_layers.read(params.read.models)}
    tables.write_table(MATURITY, rows(params, load_entries(params), read))


if __name__ == "__main__":
    run_stage(main)
