"""Stage `choices`: what the numbers owe to choices that could have been made otherwise: position, layer, scaling, BOS,
batch-mates, length; and to the author of the stories. Of table `choices` the part `controls`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.controls import layer_map, robustness, second_corpus
from analysis.readers import counted
from analysis.readers.readers import Headline, Reader, Readout, readout, readouts, second_words, states_of
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, names, pairwise, parallel, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Halves, Reliability, finite_or_none
from pipeline.errors import run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.reading import NEUTRAL, STORIES, Second
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections
from pipeline.schemas.choices import CHOICES, CONTROLS, LAST_LAYER, LAST_QUARTER, POSITION, READING
from pipeline.store import chosen_layers, parts

Row = dict[str, Any]
VARIANT = "centred"


class Params(ReaderSections, RsaSections, ReportSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Side:
    """One reader at its best layer, as chosen and with every choice made otherwise that it can be given."""

    readout: Readout
    layer: int
    as_chosen: Halves
    varied: dict[str, Halves]

    def layer_under(self, choice: str, changed: bool) -> int | None:
        """The layer that is read, where this side is changed by a choice or not; None for a mean over several."""
        instead = {LAST_LAYER: self.readout.n_layers - 1, LAST_QUARTER: None} if changed else {}
        return instead.get(choice, self.layer)


def halves_of(k: Floats, design: Design, params: Params) -> Halves | None:
    """None where there are too few units, or a half leaves a label without stories."""
    if len(design.units) < split_half.FEWEST_UNITS:
        return None
    first = split_half.halvings(len(design.units), params.geometry.halvings, params.geometry.seed)
    try:
        return Halves.of(gram.cells(k, design), design, first)
    except ValueError:
        return None


def grams_otherwise(here: Readout, headline: Headline, layer: int, params: Params) -> Iterator[tuple[str, Floats]]:
    """K over the headline stories for every choice that this readout can be given, by name."""
    for choice in robustness.WITHIN:
        if (k := robustness.within(here, headline, layer, choice)) is not None:
            yield choice, k
    for choice, (states, finite) in others_of(here, layer, params):
        if finite.all():
            yield choice, headline.gram(gram.gram(states[:, 0]))


def others_of(here: Readout, layer: int, params: Params) -> Iterator[tuple[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]]:
    """The same reader's states at this layer, (S, 1, H), and where they are finite: at the stories' other positions, and in
    the varied readings of its precision."""
    c = here.reader
    if c.word_reader is not None or c.precision is None:  # who reads words reads the whole text
        return
    only: dict[str, list[int]] = {"layer": [layer]} if c.seed is None else {"layer": [layer], "seed": [c.seed]}
    stories = counted.activations(params.vectors, c.model, c.precision, STORIES, **only)
    for position in params.readings[STORIES].positions:
        if position != here.position:
            yield f"{POSITION}:{position}", states_of(c, stories, position)
    if c.model not in params.read.models:
        return
    for varied in params.varied:
        if varied.precision == c.precision and here.position in varied.positions:
            read = counted.activations(params.vectors, c.model, c.precision, varied.name, position=[here.position], **only)
            yield f"{READING}:{varied.name}", states_of(c, read, here.position)


def rows_of_choice(choice: str, sides: list[Side], params: Params, keys: Row) -> list[Row]:
    """Rows under one choice: each reader that can be given it against itself, and each pair with such a one."""
    able = [n for n, s in enumerate(sides) if choice in s.varied]
    everyone = [s.as_chosen for s in sides] + [sides[n].varied[choice] for n in able]
    found = pairwise.pairwise(everyone)
    reliable = [split_half.reliability(h) for h in everyone]
    moved = {n: len(sides) + i for i, n in enumerate(able)}
    kind, _, value = choice.partition(":")
    made = []
    for a, b in [*((n, n) for n in able), *combinations(range(len(sides)), 2)]:
        if a != b and not {a, b} & set(able):
            continue
        at = (a, moved[b]) if a == b else (moved.get(a, a), moved.get(b, b))
        changed = "b" if a == b else "both" if {a, b} <= set(able) else "a" if a in able else "b"
        own = {
            **sides[a].readout.reader.keys("_a"),
            **sides[b].readout.reader.keys("_b"),
            **keys,
            "choice": kind,
            "value": value or None,
            "changed": changed,
            "layer_a": sides[a].layer_under(kind, changed != "b"),
            "layer_b": sides[b].layer_under(kind, changed != "a"),
        }
        made.append(CHOICES.blank() | own | _numbers(found, reliable, at, (a, b), params))
    return made


def _numbers(
    found: pairwise.Pairwise, reliable: list[Reliability], at: tuple[int, int], before: tuple[int, int], params: Params
) -> Row:
    """The four numbers, and the change of rho_dis with its jackknife over topics: a difference of paired values."""
    row: Row = {
        "rho_same": finite_or_none(found.rho_same.value[at]),
        "rho_cross": finite_or_none(found.rho_cross.value[at]),
        "reliability_a": finite_or_none(reliable[at[0]].value),
        "reliability_b": finite_or_none(reliable[at[1]].value),
    }
    if reasons := list(dict.fromkeys(r for n in (*at, *before) if (r := reliable[n].reason))):
        return row | {"reason": "rho_dis: " + "; ".join(reasons)}
    row["rho_dis"] = finite_or_none(found.rho_dis.value[at])
    assert found.rho_dis.without_topic is not None
    change = found.rho_dis.value[at] - found.rho_dis.value[before]
    left_out = found.rho_dis.without_topic[:, at[0], at[1]] - found.rho_dis.without_topic[:, before[0], before[1]]
    if np.isfinite(change) and np.isfinite(left_out).all():
        se = split_half.jackknife_se(left_out)
        p = split_half.equivalence_p(float(change), se, params.rsa.equivalence, len(left_out) - 1)
        row |= {"change": float(change), "change_se": se, "p_equivalent": p}
    return row


def second_rows(of: Second, ours: list[Side], entries: dict[str, ModelEntry], params: Params, keys: Row) -> list[Row]:
    """Rows of the choice `stories` for one source: every reader on our stories against every one on theirs. Readers of words
    have no precision: of a source that is read at several, the first has their rows."""
    position, emotions = keys["position"], set(counted.texts(params.vectors, of)["emotion"])
    absent = f"second.{of.name}.positions: '{position}', the report's position, is not read there"
    theirs: list[tuple[Reader, int, Readout | str]] = []
    for side in ours:
        c = side.readout.reader
        if c.model in params.read.models and c.precision == of.precision and c.word_reader is None:
            there = Reader(c.model, None, c.precision, of.name)
            found: Readout | str = absent
            if position in of.positions:
                read, neutral = (
                    counted.activations(params.vectors, c.model, of.precision, r, position=[position])
                    for r in (of.name, NEUTRAL)
                )
                found = readout(there, read, neutral, position)
            theirs.append((there, side.layer, found))
    theirs += [(r.reader, 0, r) for r in second_words(of, params, position)]
    readers = {c.model for c, _, _ in theirs if c.precision is not None}
    first = next(other for other in params.second if other.name == of.name) == of
    made = []
    for a in ours:
        c = a.readout.reader
        if c.precision is not None and not (c.model in readers and c.precision == of.precision and c.word_reader is None):
            continue
        labels = emotions & {e for e in a.readout.emotions if e != params.vectors.neutral_label}
        for there, layer_b, b in theirs:
            if c.precision is None and there.precision is None and not first:
                continue
            at = {**c.keys("_a"), **there.keys("_b"), **keys, "layer_a": a.layer, "layer_b": layer_b}
            side_b = b if isinstance(b, str) else common_or_reason(b, layer_b, labels, params)
            made.append(second_corpus.row(at, common_or_reason(a.readout, a.layer, labels, params), side_b, len(labels)))
    return made


def common_or_reason(r: Readout, layer: int, labels: set[str], params: Params) -> tuple[Halves, Design] | str:
    """Halves of one side over the labels in common; where they cannot be had, the reason."""
    if len(labels) < second_corpus.FEWEST_LABELS:
        return f"{len(labels)} labels in common; {second_corpus.FEWEST_LABELS} are needed"
    if not r.finite[:, layer].all():
        return f"layer {layer} is not finite in some story"
    k = gram.gram(r.states[:, layer])
    try:
        return second_corpus.common(k, r.emotions, r.topics, labels, params.geometry.halvings, params.geometry.seed)
    except ValueError as error:
        return str(error)


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    chosen = chosen_layers.read(params.readers).filter(pl.col("halving").is_null(), layer_rule=names.CV, variant=VARIANT)
    keys: Row = {"position": params.report.position, "variant": VARIANT, "layer_rule": names.CV, "emotions": names.ALL_PAIRS}
    sides: list[Side] = []
    stacks: list[layer_map.Stack] = []
    for here in readouts(params, entries, params.report.position):
        layer = here.rows_of(chosen)["layer"]
        headline = Headline.of(here, params.vectors.neutral_label)
        if len(layer) == 0 or layer[0] is None or not here.finite[:, layer[0]].all():
            continue
        own = halves_of(headline.gram(gram.gram(here.states[:, layer[0]])), headline.design, params)
        if own is None:
            continue
        keys |= {"n_emotions": len(headline.design.labels), "n_units": len(headline.design.units)}  # the same of everybody
        made = list(grams_otherwise(here, headline, layer[0], params))
        found = parallel.each(lambda item, h=headline: halves_of(item[1], h.design, params), made)  # type: ignore[misc]
        sides.append(Side(here, layer[0], own, {n: h for (n, _), h in zip(made, found, strict=True) if h is not None}))
        if _on_the_map(here.reader, params, entries):
            untrained = entries[here.reader.model].untrained
            stacks.append(layer_map.stack(here, headline, untrained, own.first, params.vectors.neutral_variance, VARIANT))
    rows = []
    for choice in dict.fromkeys(name for s in sides for name in s.varied):
        rows += rows_of_choice(choice, sides, params, keys)
    rows += layer_map.rows(stacks, keys)
    rows += [row for of in params.second for row in second_rows(of, sides, entries, params, keys)]
    parts.write_part(CHOICES, CONTROLS, rows)


def _on_the_map(c: Reader, params: Params, entries: dict[str, ModelEntry]) -> bool:
    """Models at their reference precision, and the first draw of each twin."""
    if c.word_reader is not None or c.precision != params.reference_of(c.model):
        return False
    return c.seed == entries[c.model].draws[0]


if __name__ == "__main__":
    run_stage(main)
