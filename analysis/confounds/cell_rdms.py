"""Measure a cell: from an experiment of `params.yaml` to halves of its RDM, or to the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
import xarray as xr

from analysis.confounds import factorial
from analysis.confounds.factorial import STORIES, Cell
from analysis.readers import counted
from analysis.readers.sections import ReaderSections
from analysis.rsa import floor, gate, gram, names, rdm, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Halves
from pipeline.errors import InputError
from pipeline.params.base import PARAMS
from pipeline.params.confounds import Experiment
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections
from pipeline.params.writing import WritingSections, reading_name
from pipeline.store import chosen_layers

MIDDLE = "middle"
"""The rule that takes the layer in the middle, as the published generation does."""


class CellSections(ReaderSections, WritingSections, ReportSections, RsaSections):
    """What says how a cell is measured."""


def cell_of(experiment: Experiment, params: CellSections) -> Cell:
    """An experiment with what it leaves out, from the setting of its source. Raises InputError for an unknown source."""
    if experiment.source == STORIES:
        position, layer = experiment.position or params.report.position, experiment.layer or names.CV
        return Cell(STORIES, None, "alone", position, layer, _baseline(experiment, "emotions", False), experiment.precision)
    setting = params.write.settings.get(experiment.source)
    if setting is None:
        known = ", ".join([STORIES, *params.write.settings])
        raise InputError(f"{PARAMS}: confounds.experiments: source '{experiment.source}' is none of {known}")
    return Cell(
        experiment.source,
        experiment.written or experiment.precision,
        experiment.context,
        experiment.position or setting.position,
        experiment.layer or setting.layer,
        _baseline(experiment, setting.baseline, setting.unit_norm),
        experiment.precision,
    )


def _baseline(experiment: Experiment, baseline: str, unit_norm: bool) -> str:
    scaled = unit_norm if experiment.unit_norm is None else experiment.unit_norm
    return (experiment.baseline or baseline) + (" unit norm" if scaled else "")


@dataclass(frozen=True)
class Measured:
    """What one cell gives: halves where it has units enough, its RDM on all texts, and why something is missing or may not be
    read (`analysis.rsa.gate`). Cells of the same `units` share them."""

    whole: Floats | None  # (P,) standardised ranks
    halves: Halves | None
    layer: int | None
    n_stimuli: int
    reason: str | None
    units: tuple[str, ...] = ()
    shuffled: float | None = None  # 97.5% quantile of the reliability under shuffled labels; null where that did not matter

    @property
    def reliable(self) -> Halves | None:
        return self.halves if self.reason is None else None


class Measuring:
    """The cells of one model, each measured once."""

    def __init__(self, model: str, params: CellSections) -> None:
        self.model, self.params = model, params
        self.chosen = chosen_layers.of(model).filter(pl.col("halving").is_null(), variant="centred", setting=STORIES)
        self.datasets = cache(self._dataset)
        self.measured = cache(self._measure)

    def _dataset(self, source: str, written: str | None, context: str, precision: str) -> xr.Dataset | None:
        reading = STORIES if source == STORIES else reading_name(source, written, context)
        if reading not in self.params.readings_of(self.model, precision):
            return None
        return counted.activations(self.params.vectors, self.model, precision, reading)

    def layer(self, rule: str, precision: str, n_layers: int) -> int | None:
        """The layer of a rule: of the comprehension of the stories at this precision; the published rule at its position."""
        if rule == MIDDLE:
            return n_layers // 2
        positions = self.params.geometry.positions
        position = "last" if rule == names.PAPER and "last" in positions else self.params.report.position
        found = self.chosen.filter(precision=precision, layer_rule=rule, position=position)["layer"]
        return found[0] if len(found) else None

    def _measure(self, cell: Cell) -> Measured:
        read = self.datasets(cell.source, cell.written, cell.context, cell.precision)
        if read is None:
            who = f"{cell.source} written at {cell.written}" if cell.written else cell.source
            return Measured(None, None, None, 0, f"{who} was not read at {cell.precision}")
        if cell.position not in read["position"].values.tolist():
            return Measured(None, None, None, 0, f"{cell.source} was not read at the position '{cell.position}'")
        layer = self.layer(cell.layer, cell.precision, read.sizes["layer"])
        if layer is None:
            return Measured(None, None, None, 0, f"no {cell.layer} at {cell.precision}")
        here = read.sel(position=cell.position, layer=layer)
        n = here.sizes["stimulus"]
        if not here["finite"].values.all():
            return Measured(None, None, layer, n, f"layer {layer} is not finite in some text")
        labels, topics = ([str(x) for x in here[k].values] for k in ("emotion", "topic"))
        if lacking := self._lacking(set(labels), cell):
            words = f"{cell.source} written at {cell.written} has no text of {', '.join(lacking[:3])} that counts"
            return Measured(None, None, layer, n, words)
        return halves_of(
            gram.gram(here["activation"].values), design_of(labels, topics, cell), layer, cell.baseline, self.params
        )

    def _lacking(self, labels: set[str], cell: Cell) -> list[str]:
        """The emotions of the stories that have no text: a precision that cannot hold a model may write none."""
        stories = self.datasets(STORIES, None, "alone", cell.precision)
        known = set() if stories is None else {str(e) for e in stories["emotion"].values}
        return sorted(known - labels - {str(self.params.vectors.neutral_label)})


def design_of(labels: list[str], topics: list[str], cell: Cell) -> Design:
    """How a cell's texts are labelled, and by what they are resampled: of what was written always by prompts. One prompt is one
    unit, whatever its samples: halves of these would agree in what the prompt says."""
    made = Design.of(labels, topics, asked_of_every_label=cell.source != STORIES)
    if cell.source == STORIES or made.crossed:
        return made
    return replace(made, units=topics[:1], unit=np.zeros(len(topics), dtype=np.int64), crossed=True)


def _thinnest(design: Design) -> str:
    """The label with texts of the fewest units, where it lacks some: why a half has none of it."""
    held = np.count_nonzero(design.counts, axis=1)
    label, most = int(held.argmin()), len(design.units)
    return "" if held[label] == most else f": '{design.labels[label]}' has texts of {held[label]} of {most} prompts or topics"


def halves_of(k: Floats, design: Design, layer: int, baseline: str, params: CellSections) -> Measured:
    """The cell of inner products `k` (S, S) of its texts: halves of its units, and the gate."""
    n, seed = len(design.label), params.geometry.seed
    neutral = params.vectors.neutral_label
    emotions = [i for i, e in enumerate(design.labels) if e != neutral]
    index = design.labels.index(neutral) if neutral is not None and neutral in design.labels else None
    try:
        made = factorial.transform(emotions, index, baseline)
        sums = gram.cells(k, design)
        every = gram.label_products(sums, design, np.ones((1, len(design.units))))
        whole = rdm.ranks(rdm.rdms(made(every)))[0]
        if not np.isfinite(whole).all():
            return Measured(None, None, layer, n, "a label's vector is zero")
        if len(design.units) < split_half.FEWEST_UNITS:
            what = "topic or prompt" if design.crossed else "text of a label or fewer"
            few = f"{len(design.units)} {what} ({split_half.FEWEST_UNITS} are needed)"
            return Measured(whole, None, layer, n, f"{few}: no halves, no reliability")
        first = split_half.halvings(len(design.units), params.geometry.halvings, seed)
        halves = Halves.of(sums, design, first, transform=made)
        passed = gate.of_products(k, design, first, floor.shuffles(design, params.rsa.shuffles, seed, index), made)
    except ValueError as error:
        return Measured(None, None, layer, n, f"{error}{_thinnest(design)}")
    shuffled = split_half.finite_or_none(passed.shuffled)
    return Measured(whole, halves, layer, n, passed.reason, tuple(design.units), shuffled)
