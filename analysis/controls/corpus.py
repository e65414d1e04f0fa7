"""Stage `corpus`: what the stories themselves can carry, at each reader's best_layer_cv. Which labels are told apart, how
much of that words alone would do, how reliability grows with topics. Tables `corpus`, `emotion_pairs`; of `choices` the part
`topics`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Readout, readouts
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, layers, names, parallel, rdm, split_half, valence
from analysis.rsa.distances import UNREADABLE, cross_validated
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.corpus import CorpusSections
from pipeline.schemas.choices import CHOICES, FEWER_TOPICS, TOPICS
from pipeline.schemas.corpus import CORPUS, EMOTION_PAIRS, N_COMPONENTS
from pipeline.schemas.keys import READER, READOUT
from pipeline.store import chosen_layers, parts, tables
from pipeline.texts import labels

Row = dict[str, Any]
VARIANT = "centred"
"""The corpus is judged on vectors that nothing was removed from."""


class Params(ReaderSections, CorpusSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Measured:
    """One reader at its best layer: what `rows` needs of it once its activations are gone."""

    keys: Row
    design: Design
    cells: Floats
    guesses: NDArray[np.int64]  # (1 + T, S): on all units, and without each


def measure(readout: Readout, layer: int, params: Params) -> Measured | None:
    """None where the layer is not finite, or a unit's training set leaves a label without stories."""
    headline = Headline.of(readout, params.vectors.neutral_label)
    design = headline.design
    grams = readout.layer(layer, params.vectors.neutral_variance, (VARIANT,)).grams
    if grams is None or len(design.units) < split_half.FEWEST_UNITS:
        return None
    keys = {**readout.reader.keys(), "position": readout.position, "variant": VARIANT, "layer": layer}
    cell_sums = headline.cells(grams[VARIANT])
    t = len(design.units)
    draws = np.concatenate([np.ones((1, t), dtype=bool), ~np.eye(t, dtype=bool)])
    try:
        guesses = layers.held_out_guesses(headline.gram(grams[VARIANT]), cell_sums, design, draws)
    except ValueError:
        return None
    return Measured(keys, design, cell_sums, guesses)


def emotion_pairs(m: Measured, params: Params) -> list[Row]:
    """Rows of `emotion_pairs`: the distances of every two emotions, plain and cross-validated, and how many stories of each are
    named the other on held-out topics."""
    design, guesses = m.design, m.guesses[0]
    plain = rdm.rdms(gram.centred_products(gram.label_products(m.cells, design, np.ones((1, len(design.units))))[0]))
    found = cross_validated(
        m.cells, design, split_half.halvings(len(design.units), params.geometry.halvings, params.geometry.seed)
    )
    named = np.zeros((len(design.labels),) * 2, dtype=np.int64)
    np.add.at(named, (design.label[guesses >= 0], guesses[guesses >= 0]), 1)
    return [
        {
            **m.keys,
            "emotion_a": design.labels[a],
            "emotion_b": design.labels[b],
            "cosine_distance": finite_or_none(plain[n]),
            "cos_cv": finite_or_none(found.cos_cv[n]) if found.readable[n] else None,
            "cos_cv_se": finite_or_none(found.cos_cv_se[n]) if found.readable[n] else None,
            "euclid_cv": finite_or_none(found.euclid_cv[n]),
            "euclid_cv_se": finite_or_none(found.euclid_cv_se[n]),
            "n_stimuli_a": int(named[a].sum()),
            "n_stimuli_b": int(named[b].sum()),
            "n_a_as_b": int(named[a, b]),
            "n_b_as_a": int(named[b, a]),
            "reason": None if found.readable[n] else f"cos_cv: {UNREADABLE}",
        }
        for n, (a, b) in enumerate(zip(*rdm.pairs(len(design.labels)), strict=True))
    ]


def growth(m: Measured, params: Params) -> list[Row]:
    """Rows of the choice `fewer_topics`: reliability of the RDM at n units against n others, over all pairs of labels and
    within those of one sign."""
    rows = []
    n_units = len(m.design.units)
    here = CHOICES.blank() | {f"{key}_{side}": m.keys[key] for side in "ab" for key in (*READER, "layer")}
    here |= {key: m.keys[key] for key in READOUT} | {"choice": FEWER_TOPICS, "layer_rule": names.CV}
    here |= {"n_emotions": len(m.design.labels), "n_drawn": params.corpus.draws}
    kept, reasons = valence.entries(labels.emotions(params.corpus.emotions, m.design.labels))
    for size in sorted({n for n in params.corpus.topics_per_half if 2 * n <= n_units}):
        draws = split_half.disjoint(n_units, size, params.corpus.draws, params.geometry.seed)
        for name in (names.ALL_PAIRS, names.WITHIN_SIGN):
            row: Row = here | {"emotions": name, "n_units": size}
            if name in reasons:
                rows.append(row | {"reason": reasons[name]})
                continue
            try:
                found = split_half.reliability(split_half.Halves.of(m.cells, m.design, *draws, kept[name]))
            except ValueError as error:
                rows.append(row | {"reason": f"{error}: too few stories of some label"})
                continue
            if np.isfinite(found.value) and np.isfinite(found.se):
                half = split_half.t_quantile(0.975, n_units - 1) * found.se
                ends = {"rho_cross_low": found.value - half, "rho_cross_high": found.value + half}
                rows.append(row | {"rho_cross": found.value} | ends)
            else:
                rows.append(row | {"reason": found.reason})
    return rows


def against_words(m: Measured, words: Measured) -> Row:
    """Accuracy beside that of a reader of words: the difference, and accuracy on the stories that this reader gets wrong.

    Each with its delete-one-unit jackknife standard error: the unit is gone from test and training of both.
    """
    design = m.design
    own, other = (np.nanmean(layers.accuracy_by_unit(x.guesses, design), axis=1) for x in (m, words))  # (1 + T)
    failed = (words.guesses >= 0) & (words.guesses != design.label)
    hits = (m.guesses == design.label) & failed
    row: Row = {
        "words": words.keys["model"],
        "accuracy": float(own[0]),
        "accuracy_se": split_half.jackknife_se(own[1:]),
        "words_accuracy": float(other[0]),
        "over_words": float(own[0] - other[0]),
        "over_words_se": split_half.jackknife_se(own[1:] - other[1:]),
        "where_words_fail": None,
        "where_words_fail_se": None,
        "n_where_words_fail": int(failed[0].sum()),
    }
    if failed.any(axis=1).all():
        share = hits.sum(axis=1) / failed.sum(axis=1)
        row |= {"where_words_fail": float(share[0]), "where_words_fail_se": split_half.jackknife_se(share[1:])}
    return row


def components(m: Measured, norms: pl.DataFrame) -> Row:
    """Share of variance of the first principal components of the label vectors, and their |Pearson r| with human valence and
    arousal over the labels that have norms. A component's sign is arbitrary."""
    draw = np.ones((1, len(m.design.units)))
    products = gram.centred_products(gram.label_products(m.cells, m.design, draw))[0]
    values, vectors = np.linalg.eigh(products)
    values, vectors = np.clip(values[::-1], 0, None), vectors[:, ::-1]
    row: Row = {}
    for k in range(N_COMPONENTS):
        row[f"pc{k + 1}_share"] = float(values[k] / values.sum()) if k < len(values) else None
        for norm in ("valence", "arousal"):
            rated = norms[norm].to_numpy().astype(float)
            known = ~np.isnan(rated)
            enough = k < len(values) and known.sum() >= split_half.FEWEST_UNITS and np.ptp(rated[known]) > 0
            row[f"pc{k + 1}_{norm}"] = float(abs(np.corrcoef(vectors[known, k], rated[known])[0, 1])) if enough else None
    return row


def all_rows(measured: list[Measured], params: Params) -> dict[str, list[Row]]:
    """Rows of the three tables from every reader."""
    made: dict[str, list[Row]] = {CORPUS.name: [], EMOTION_PAIRS.name: [], CHOICES.name: []}
    word_readers = {(m.keys["model"], m.keys["position"]): m for m in measured if m.keys["model"] in params.words}
    for m in measured:
        norms = labels.emotions(params.corpus.emotions, m.design.labels)
        made[EMOTION_PAIRS.name] += emotion_pairs(m, params)
        made[CHOICES.name] += growth(m, params)
        for word_reader in params.words:
            if (words := word_readers.get((word_reader, m.keys["position"]))) is not None:
                made[CORPUS.name].append({**m.keys, **against_words(m, words), **components(m, norms)})
    return made


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    chosen = chosen_layers.read(params.readers).filter(pl.col("halving").is_null())
    measured = []
    for readout in readouts(params, load_entries(params)):
        own = readout.rows_of(chosen, layer_rule=names.CV, variant=VARIANT)["layer"]
        if len(own) and own[0] is not None and (found := measure(readout, own[0], params)) is not None:
            measured.append(found)
    made = all_rows(measured, params)
    for table in (CORPUS, EMOTION_PAIRS):
        tables.write_table(table, made[table.name])
    parts.write_part(CHOICES, TOPICS, made[CHOICES.name])


if __name__ == "__main__":
    run_stage(main)
