"""What stands on each side of a pair: one reader's halves under a layer rule, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Reader, Readout
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, layers, names, pairwise, split_half, valence
from analysis.rsa.gram import Bools, Design, Floats
from analysis.rsa.rdm import EVERY, Entries
from analysis.rsa.split_half import Halves, Reliability
from pipeline.params.corpus import CorpusSections
from pipeline.params.rsa import RsaSections
from pipeline.texts import labels

Rule = tuple[str, float | None]
OF_ALL_KINDS = (names.CV, names.PAPER)
"""The rules whose pairs stand under every set of pairs of labels; others under all pairs alone."""


class PairSections(ReaderSections, CorpusSections, RsaSections):
    """What says how two readers are compared."""


@dataclass
class ReaderGrams:
    """One reader at one position in one variant: its Gram matrices over the headline stories, layer by layer."""

    reader: Reader
    stimuli: list[str]
    design: Design
    n_layers: int
    chosen: dict[str, int | None]  # by rule, on all units
    on_halves: list[int | None]  # best_layer_cv on each half of each halving
    grams: dict[int, Floats] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)  # why a layer has none

    def layer(self, rule: Rule) -> int | None:
        name, depth = rule
        return self.chosen.get(name) if depth is None else layers.layer_at(depth, self.n_layers)


@dataclass(frozen=True)
class HalfRdms:
    """One side of a pair under one layer rule."""

    layer: int | None
    halves: Halves | None = None
    reliability: Reliability | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is resampled, the same for all readers of one design."""

    first: Bools | None  # halvings; None where there are too few units
    draws: NDArray[np.int64]
    permutations: NDArray[np.int64]
    entries: dict[str, Entries]
    reasons: dict[str, str]  # why a kind of entries cannot be had

    @classmethod
    def of(cls, design: Design, params: PairSections) -> Plan:
        n, seed = len(design.units), params.geometry.seed
        enough = n >= split_half.FEWEST_UNITS
        return cls(
            split_half.halvings(n, params.geometry.halvings, seed) if enough else None,
            split_half.bootstrap(n, params.rsa.bootstrap, seed),
            pairwise.label_permutations(len(design.labels), params.rsa.permutations, seed),
            *valence.entries(labels.emotions(params.corpus.emotions, design.labels)),
        )


def reader_grams(
    readout: Readout, variant: str, chosen: pl.DataFrame, params: PairSections, depths: bool = True
) -> ReaderGrams:
    """Gram matrices at every layer that a rule asks for. `chosen`: this reader's rows of the table `layers`; with `depths`
    also at the matched depths of params."""
    headline = Headline.of(readout, params.vectors.neutral_label)
    whole = chosen.filter(pl.col("halving").is_null())
    on_halves = chosen.filter(pl.col("halving").is_not_null()).sort("halving", "half")["layer"].to_list()
    made = ReaderGrams(
        readout.reader,
        readout.stimuli,
        headline.design,
        readout.n_layers,
        dict(whole.select("layer_rule", "layer").iter_rows()),
        on_halves,
    )
    asked = {*made.chosen.values(), *on_halves, *(layers.layer_at(d, readout.n_layers) for d in params.rsa.depths if depths)}
    for index in sorted(layer for layer in asked if layer is not None):
        layer = readout.layer(index, params.vectors.neutral_variance, (variant,))
        if layer.grams is None:
            made.reasons[index] = layer.reason or "not finite"
        else:
            made.grams[index] = headline.gram(layer.grams[variant])
    return made


def half_rdms(c: ReaderGrams, rule: Rule, plan: Plan, entries: Entries = EVERY, headline: bool = False) -> HalfRdms:
    """One reader under one rule; what it lacks is said. The `headline` read-out also has bootstrap draws, and goes without
    each label."""
    if plan.first is None:
        return HalfRdms(c.layer(rule), reason=split_half.TOO_FEW)
    if rule[0] == names.CROSS_FITTED:
        return _cross_fitted(c, plan)
    layer = c.layer(rule)
    if layer is None:
        return HalfRdms(None, reason="no layer has an estimate")
    if layer not in c.grams:
        return HalfRdms(layer, reason=c.reasons[layer])
    try:
        cell_sums = gram.cells(c.grams[layer], c.design)
        draws = plan.draws if headline and c.design.crossed else None
        halves = Halves.of(cell_sums, c.design, plan.first, entries=entries, draws=draws)
    except ValueError as error:
        return HalfRdms(layer, reason=f"{error}: too few stories of some label")
    return HalfRdms(layer, halves, split_half.reliability(halves))


def _cross_fitted(c: ReaderGrams, plan: Plan) -> HalfRdms:
    assert plan.first is not None
    on_halves = [layer for layer in c.on_halves if layer is not None and layer in c.grams]
    if not on_halves or len(on_halves) < len(c.on_halves):
        return HalfRdms(None, reason=next(iter(c.reasons.values()), "no layer has an estimate on some half"))
    try:
        halves = split_half.cross_fitted_from(lambda n: gram.cells(c.grams[n], c.design), on_halves, c.design, plan.first)
    except ValueError as error:
        return HalfRdms(None, reason=f"{error}: too few stories of some label")
    return HalfRdms(None, halves, split_half.reliability(halves))
