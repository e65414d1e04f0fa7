"""Stage `shared`: what two models share, emotion by emotion and story by story, at the headline read-out. Table
`prediction`; of `choices` the part `emotions`."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from analysis.grid import prediction
from analysis.readers.kinds import Kinds
from analysis.readers.pattern_sets import PairSections, ReaderGrams, reader_grams
from analysis.readers.readers import readouts
from analysis.rsa import gram, names, parallel, per_emotion, split_half
from analysis.rsa.gram import Bools, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.report import ReportSections
from pipeline.params.shared import SharedSections
from pipeline.schemas.choices import CHOICES, EMOTIONS, FEWER_EMOTIONS, ONE_EMOTION, WITH
from pipeline.schemas.shared import PREDICTION
from pipeline.store import chosen_layers, parts, tables

Row = dict[str, Any]


class Params(PairSections, ReportSections, SharedSections):
    """The sections that this stage loads."""


def group_of(params: Params, entries: dict[str, ModelEntry]) -> list[ReaderGrams]:
    """Every reader at its model's reference precision that has a best layer, with its Gram matrix there; of an untrained twin
    its first draw."""
    kinds, chosen, variant = Kinds.of(params, entries), chosen_layers.read(params.readers), params.report.variant
    made = []
    for here in readouts(params, entries, params.report.position):
        reader = here.reader
        first_draw = reader.seed is None or reader.seed == entries[reader.model].draws[0]
        if kinds.is_reference(reader) and first_draw:
            own = here.rows_of(chosen, variant=variant).filter(pl.col("halving").is_null(), layer_rule=names.CV)
            made.append(reader_grams(here, variant, own, params, depths=False))
    return [c for c in made if c.chosen.get(names.CV) in c.grams]


def at_best_layer(c: ReaderGrams) -> Floats:
    layer = c.chosen[names.CV]
    assert layer is not None
    return c.grams[layer]


def row_of(a: ReaderGrams, b: ReaderGrams) -> Row:
    """A row of `choices` about two readers, each at its best layer."""
    counts = {"n_emotions": len(a.design.labels), "n_units": len(a.design.units)}
    layers = {"layer_rule": names.CV, "layer_a": a.chosen[names.CV], "layer_b": b.chosen[names.CV]}
    return CHOICES.blank() | {**a.reader.keys("_a"), **b.reader.keys("_b"), **layers, **counts}


def emotion_rows(group: list[ReaderGrams], kinds: Kinds, first: Bools) -> list[Row]:
    """Rows of the choice `one_emotion`: every two models, and every model with a reader of words."""
    cells = [gram.cells(at_best_layer(c), c.design) for c in group]
    made: list[Row] = []
    for a, b in combinations(range(len(group)), 2):
        if not any(kinds.is_trained(group[n].reader) for n in (a, b)):
            continue
        labels = group[a].design.labels
        here = row_of(group[a], group[b]) | {"choice": ONE_EMOTION}
        own = [here | {"emotions": f"{WITH}{label}"} for label in labels]
        try:
            found = per_emotion.per_emotion(cells[a], cells[b], group[a].design, first)
        except ValueError as error:
            made += [row | {"reason": f"{error}: too few stories of some label"} for row in own]
            continue
        half = split_half.t_quantile(0.975, first.shape[1] - 1) * found.se
        for n, row in enumerate(own):
            value = finite_or_none(found.rho_cross[n])
            row |= {"rho_cross": value, "reliability_a": finite_or_none(found.reliability_a[n])}
            row["reliability_b"] = finite_or_none(found.reliability_b[n])
            if value is None:
                row["reason"] = "its distances from the others are all alike"
            elif np.isfinite(half[n]):
                row |= {"rho_cross_low": value - float(half[n]), "rho_cross_high": value + float(half[n])}
        made += own
    return made


def subset_rows(group: list[ReaderGrams], kinds: Kinds, first: Bools, wanted: int, seed: int) -> list[Row]:
    """Rows of the choice `fewer_emotions`: every two models, and every model with a reader of words."""
    cells = [gram.cells(at_best_layer(c), c.design) for c in group]
    found = per_emotion.curve(cells, group[0].design, first, wanted, seed) if group else []
    made = []
    for a, b in combinations(range(len(group)), 2):
        if not any(kinds.is_trained(group[n].reader) for n in (a, b)):
            continue
        for subset in found:
            values = subset.rho_dis[:, a, b]
            known = values[np.isfinite(values)]
            low, middle, high = np.quantile(known, (0.05, 0.5, 0.95)) if len(known) else (None,) * 3
            row = row_of(group[a], group[b]) | {"choice": FEWER_EMOTIONS, "emotions": f"{subset.n_labels} drawn"}
            row |= {"n_emotions": subset.n_labels, "n_drawn": len(values)}
            numbers = {"rho_dis": middle, "drawn_5": low, "drawn_95": high}
            row |= {k: None if v is None else float(v) for k, v in numbers.items()}
            if lost := len(values) - len(known):
                row["reason"] = f"rho_dis: in {lost} of {len(values)} subsets a geometry cannot be told from noise"
            made.append(row)
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    kinds, group = Kinds.of(params, entries), group_of(params, entries)
    n_units = len(group[0].design.units) if group else 0
    made: list[Row] = []
    if n_units >= split_half.FEWEST_UNITS:
        first = split_half.halvings(n_units, params.shared.halvings, params.geometry.seed)
        made += emotion_rows(group, kinds, first)
        made += subset_rows(group, kinds, first, params.shared.subsets, params.geometry.seed)
    at = {"position": params.report.position, "variant": params.report.variant}
    parts.write_part(CHOICES, EMOTIONS, [row | at for row in made])
    tables.write_table(PREDICTION, prediction.rows(group, kinds, params) if n_units >= split_half.FEWEST_UNITS else [])


if __name__ == "__main__":
    run_stage(main)
