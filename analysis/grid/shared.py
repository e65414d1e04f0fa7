"""Stage `shared`: what two models share, emotion by emotion and story by story, at the headline read-out. Tables
`pair_emotions`, `label_subsets`, `prediction`."""

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
from pipeline.schemas.geometry import LAYERS
from pipeline.schemas.shared import LABEL_SUBSETS, PAIR_EMOTIONS, PREDICTION
from pipeline.store import tables

Row = dict[str, Any]


class Params(PairSections, ReportSections, SharedSections):
    """The sections that this stage loads."""


def group_of(params: Params, entries: dict[str, ModelEntry]) -> list[ReaderGrams]:
    """Every reader at its model's reference precision that has a best layer, with its Gram matrix there; of an untrained twin
    its first draw."""
    kinds, chosen, variant = Kinds.of(params, entries), tables.read_table(LAYERS), params.report.variant
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


def keys_of(a: ReaderGrams, b: ReaderGrams) -> Row:
    return {**a.reader.keys("_a"), **b.reader.keys("_b")}


def emotion_rows(group: list[ReaderGrams], kinds: Kinds, first: Bools) -> list[Row]:
    """Rows of `pair_emotions`: every two models, and every model with a reader of words."""
    cells = [gram.cells(at_best_layer(c), c.design) for c in group]
    made: list[Row] = []
    for a, b in combinations(range(len(group)), 2):
        if not any(kinds.is_trained(group[n].reader) for n in (a, b)):
            continue
        labels = group[a].design.labels
        own = [PAIR_EMOTIONS.blank() | keys_of(group[a], group[b]) | {"emotion": label} for label in labels]
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
    """Rows of `label_subsets`: every two models, and every model with a reader of words."""
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
            counts = {"n_labels": subset.n_labels, "n_subsets": len(values), "n_unknown": len(values) - len(known)}
            numbers = {"rho_dis": middle, "rho_dis_5": low, "rho_dis_95": high}
            made.append(keys_of(group[a], group[b]) | counts | {k: None if v is None else float(v) for k, v in numbers.items()})
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    kinds, group = Kinds.of(params, entries), group_of(params, entries)
    n_units = len(group[0].design.units) if group else 0
    emotions: list[Row] = []
    subsets: list[Row] = []
    if n_units >= split_half.FEWEST_UNITS:
        first = split_half.halvings(n_units, params.shared.halvings, params.geometry.seed)
        emotions = emotion_rows(group, kinds, first)
        subsets = subset_rows(group, kinds, first, params.shared.subsets, params.geometry.seed)
    tables.write_table(PAIR_EMOTIONS, emotions)
    tables.write_table(LABEL_SUBSETS, subsets)
    tables.write_table(PREDICTION, prediction.rows(group, kinds, params) if n_units >= split_half.FEWEST_UNITS else [])


if __name__ == "__main__":
    run_stage(main)
