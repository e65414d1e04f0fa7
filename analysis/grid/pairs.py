"""Stage `pairs`: every pair of readers. Spearman's rho of their RDMs on the same stories and across disjoint ones, with
intervals and tests at each reader's best layer. Tables `pairs`, `beyond`, `lineages`; of `choices` the part `readouts`."""

from __future__ import annotations

from itertools import product
from typing import Any

from analysis.grid import by_depth, ceilings, headline
from analysis.grid.beyond import beyond_rows
from analysis.readers import lineages
from analysis.readers.kinds import Kinds
from analysis.readers.pattern_sets import PairSections, Plan, ReaderGrams, reader_grams
from analysis.readers.readers import readouts
from analysis.rsa import parallel
from pipeline.errors import InputError, run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.report import ReportSections
from pipeline.schemas.choices import CHOICES, READOUTS
from pipeline.schemas.pairs import BEYOND, LINEAGES, PAIRS
from pipeline.store import chosen_layers, layout, parts, tables

Row = dict[str, Any]


class Params(PairSections, ReportSections):
    """The sections that this stage loads."""


def of_group(group: list[ReaderGrams], params: Params, entries: dict[str, ModelEntry], keys: Row) -> dict[str, list[Row]]:
    """Rows of the tables, by name, from every reader at one position and variant."""
    if any(c.stimuli != group[0].stimuli for c in group):
        raise InputError("readers read different stories; run `dvc repro`")
    plan = Plan.of(group[0].design, params)
    made = {CHOICES.name: by_depth.rows(group, params, plan, keys)}
    if keys["variant"] == params.report.variant:
        kinds, at = Kinds.of(params, entries), {"position": keys["position"]}
        rows, sides = headline.rows(group, params.rsa, params.geometry, plan, kinds)
        rows = [row | at | {"is_headline": keys["position"] == params.report.position} for row in rows]
        made[BEYOND.name] = beyond_rows(rows, kinds)
        headline.add_words(rows, made[BEYOND.name])
        made[PAIRS.name] = rows
        bounds = ceilings.by_precision(group, sides, kinds)
        made[LINEAGES.name] = [row | at for row in lineages.summaries(rows, entries, bounds, params.geometry.seed)]
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    chosen = chosen_layers.read(params.readers)
    made: dict[str, list[Row]] = {table.name: [] for table in (PAIRS, CHOICES, BEYOND, LINEAGES)}
    # one variant at a time: the Gram matrices of many readers fill a memory
    for position, variant in product(params.geometry.positions, layout.VARIANTS):
        group = [
            reader_grams(readout, variant, readout.rows_of(chosen, variant=variant), params)
            for readout in readouts(params, entries, position)
        ]
        for name, rows in of_group(group, params, entries, {"position": position, "variant": variant}).items():
            made[name] += rows
    for table in (PAIRS, BEYOND, LINEAGES):
        tables.write_table(table, made[table.name])
    parts.write_part(CHOICES, READOUTS, made[CHOICES.name])


if __name__ == "__main__":
    run_stage(main)
