"""Stage `paper`: the published protocol from end to end (arXiv 2604.11050), on the stories and on every second source.
Tables `paper`, `paper_pairs`.

Last token, each reader at its own layer of lowest mean pairwise cosine, all labels in the RDM. The published study read
three passages of each label, so that the stories stand here twice: on three topics, and on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from analysis.published import across, protocol
from analysis.readers import counted
from analysis.readers.readers import Reader, Readout, mean_cosine, readout
from analysis.readers.sections import ReaderSections
from analysis.rsa import floor, gram, layers, parallel, rdm, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Reliability, finite_or_none
from pipeline.errors import InputError, run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.reading import NEUTRAL, STORIES
from pipeline.params.rsa import RsaSections
from pipeline.schemas.paper import PAPER, PAPER_PAIRS
from pipeline.store import tables

Row = dict[str, Any]


class Params(ReaderSections, RsaSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Chosen:
    """What stands for a reader in pairs: inner products of its centred label vectors (E, E), and of its texts (S, S);
    `texts`: what one passage is held against the others on, of readers that stand here on three units."""

    products: Floats
    k: Floats
    texts: across.Texts | None = None


@dataclass(frozen=True)
class Measured:
    """A reader's row of `paper`; `chosen` is None where no layer can be, and the row says why."""

    reader: Reader
    row: Row
    stimuli: tuple[str, ...]
    design: Design
    chosen: Chosen | None


def last_position(params: Params, place: str, names: list[str]) -> str:
    """The position of `names` whose rule is `last`. Raises InputError, naming `place`, where none is."""
    for name in names:
        if params.positions[name].rule == "last" and name in params.readings[NEUTRAL].positions:
            return name
    raise InputError(
        f"params.yaml: {place}.positions: the published protocol reads the last token; list a position of the rule 'last' here"
        " and under readings.neutral.positions"
    )


def measured(here: Readout, design: Design, params: Params, whole: tuple[Readout, Design] | None = None) -> Measured:
    """One reader under the published protocol. `whole`: all its texts, where `here` holds those on three units of them."""
    finite = here.finite.all(axis=0)
    row: Row = PAPER.blank() | {
        **here.reader.keys(),
        "position": here.position,
        "n_units": len(design.units),
        "unit": design.unit_name,
        "n_labels": len(design.labels),
        "n_stimuli": len(design.label),
        "n_layers": here.n_layers,
        "n_finite_layers": int(np.count_nonzero(finite)),
    }
    by_layer = protocol.mean_cosines(here, design)
    choice = layers.best_layer_paper(by_layer) if len(design.labels) >= split_half.FEWEST_PAIRS else None
    if choice is None:
        few = f"{len(design.labels)} labels; {split_half.FEWEST_PAIRS} are needed"
        none = "no layer is finite in every text, or a label's vector is zero at each"
        reason = few if len(design.labels) < split_half.FEWEST_PAIRS else none
        return Measured(here.reader, row | {"reason": reason}, tuple(here.stimuli), design, None)
    vectors, k = protocol.label_vectors(here.states[:, choice.layer], design), gram.gram(here.states[:, choice.layer])
    products = vectors @ vectors.T
    row |= {
        "layer": choice.layer,
        # the published depths count blocks from 0: 53.6% of the 28 of Qwen2.5-1.5B is 15 / 28
        "depth_percent": 100 * choice.layer / here.n_layers,
        "mean_cosine": float(by_layer[choice.layer]),
        "rdm_std": float(rdm.rdms(products).std()),
    }
    texts = across.texts(*(whole or (here, design)), choice.layer) if len(design.units) == protocol.PASSAGES else None
    wanted, seed = params.geometry.halvings, params.geometry.seed
    row["rdm_std_jackknife"] = _or_none(lambda: protocol.rdm_std_without_each(here, design))
    if here.neutral_finite[:, choice.layer].all():
        neutral = here.neutral[:, choice.layer]
        row["anisotropy"] = finite_or_none(mean_cosine(neutral))
        row["anisotropy_jackknife"] = _or_none(lambda: protocol.anisotropy_without_each(neutral))
    row |= {"reliability_one": finite_or_none(protocol.reliability_one(k, design))}
    row |= _with_error("reliability", lambda: protocol.reliability(k, design, wanted, seed))
    row |= _with_error("reliability_three", lambda: protocol.reliability_three(k, design, seed))
    return Measured(here.reader, row | {"reason": _why(row, design)}, tuple(here.stimuli), design, Chosen(products, k, texts))


def _or_none(without_each: Callable[[], Floats]) -> list[float] | None:
    try:
        found = without_each()
    except ValueError:  # a label has no other text
        return None
    return found.tolist() if np.isfinite(found).all() else None


def _with_error(name: str, estimate: Callable[[], Reliability]) -> Row:
    try:
        found = estimate()
    except ValueError:  # a half leaves a label without texts
        return {}
    return {name: finite_or_none(found.value), f"{name}_se": finite_or_none(found.se)}


def _why(row: Row, design: Design) -> str | None:
    needed = {"reliability": split_half.FEWEST_UNITS, "reliability_three": 2 * protocol.PASSAGES, "reliability_one": 2}
    reasons = []
    if row["anisotropy"] is None:
        reasons.append("anisotropy: a neutral text is not finite at this layer")
    for name, units in needed.items():
        if row[name] is None:
            have = len(design.units)
            few = f"{have} of the {units} topics (or texts of each label) that it takes"
            reasons.append(f"{name}: {few if have < units else 'a half lacks a label, or its vector is zero there'}")
    if row["reliability_three"] is not None and row["reliability_three_se"] is None:
        reasons.append(f"reliability_three_se: {len(design.units)} of the {2 * protocol.PASSAGES + 1} topics that it takes")
    return "; ".join(reasons) or None


def pair_rows(all_measured: list[Measured], params: Params) -> list[Row]:
    """Rows of `paper_pairs`: every two readers that read the same texts, each at its own layer, and the stimulus floor."""
    groups: dict[tuple[str, tuple[str, ...]], list[Measured]] = {}
    for one in all_measured:
        groups.setdefault((one.reader.reading, one.stimuli), []).append(one)
    return [row for group in groups.values() for row in _pairs_of(group, params)]


def _pairs_of(group: list[Measured], params: Params) -> Iterator[Row]:
    design = group[0].design
    emotions = [n for n, label in enumerate(design.labels) if label != params.vectors.neutral_label]
    known = [n for n, one in enumerate(group) if one.chosen is not None]
    grams = [one.chosen.k for one in group if one.chosen is not None]
    drawn = np.full((params.rsa.shuffles, len(group), len(group)), np.nan)
    if known:
        drawn[:, np.array(known)[:, None], known] = floor.floors(grams, design, params.rsa.shuffles, params.geometry.seed)
    others = across.columns([(one.reader, one.chosen.texts if one.chosen else None) for one in group], params)
    for (n, a), (m, b) in combinations(enumerate(group), 2):
        row: Row = PAPER_PAIRS.blank() | a.reader.keys("_a") | b.reader.keys("_b")
        row |= {"position": a.row["position"], "n_units": a.row["n_units"]}
        row |= {"layer_a": a.row["layer"], "layer_b": b.row["layer"]}
        if a.chosen is None or b.chosen is None:
            yield row | {"reason": (a if a.chosen is None else b).row["reason"]}
            continue
        products, null = np.stack([a.chosen.products, b.chosen.products]), drawn[:, n, m]
        row["spearman"] = finite_or_none(float(rdm.spearman(*rdm.rdms(products))))
        if len(emotions) >= split_half.FEWEST_PAIRS:
            row["spearman_emotions"] = finite_or_none(float(rdm.spearman(*protocol.post_centred(products, emotions))))
        row |= {"floor_mean": finite_or_none(float(null.mean())), "floor_95": finite_or_none(float(floor.quantile(null, 0.95)))}
        other = others.get((n, m), {})
        lost = [name for name in ("spearman", "spearman_emotions", "floor_mean") if row[name] is None]
        few = f"{', '.join(lost)}: fewer than {split_half.FEWEST_PAIRS} emotions, or a zero vector" if lost else None
        reason = "; ".join(filter(None, (few, other.get("reason")))) or None
        yield row | other | {"n_shuffles": len(null), "reason": reason}


def sources(params: Params, entries: dict[str, ModelEntry]) -> Iterator[Readout]:
    """Every reader at the last token: who read the stories, trained or not; and the trained ones in each second source."""
    here = last_position(params, f"readings.{STORIES}", params.readings[STORIES].positions)
    places = {(s.name, s.precision): last_position(params, f"second.{s.name}", s.positions) for s in params.second}
    for model, precision in params.cells:
        stories, neutral = (
            counted.activations(params.vectors, model, precision, name, position=[here]) for name in (STORIES, NEUTRAL)
        )
        for seed in entries[model].draws:
            yield readout(Reader(model, seed, precision), stories, neutral, here)
    for (name, precision), place in places.items():
        for model in params.read.models:
            texts, neutral = (
                counted.activations(params.vectors, model, precision, reading, position=[place]) for reading in (name, NEUTRAL)
            )
            yield readout(Reader(model, None, precision, name), texts, neutral, place)


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    rows: list[Measured] = []
    for here in sources(params, load_entries(params)):
        design = Design.of(here.emotions, here.topics)
        n_units = len(design.units)
        sizes = {min(protocol.PASSAGES, n_units), n_units} if here.reader.reading == STORIES else {n_units}
        # uncrossed texts have no topics to draw triples of: their first three stand alone
        whole = protocol.on_first_units(here, n_units) if design.crossed else None
        rows += [measured(*protocol.on_first_units(here, size), params, whole) for size in sorted(sizes)]
    tables.write_table(PAPER, [one.row for one in rows])
    tables.write_table(PAPER_PAIRS, pair_rows(rows, params))


if __name__ == "__main__":
    run_stage(main)
