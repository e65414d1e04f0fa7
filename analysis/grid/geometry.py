"""Stage `geometry`: each reader by itself. Shape, reliability and held-out accuracy of its geometry at every layer, and
the layers that each rule chooses. Table `geometry`, and `data/layers`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Readout, readouts, uncrossed_in_words
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram, layers, names, parallel, rdm, split_half
from analysis.rsa.gram import Bools, Design, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.schemas.geometry import GEOMETRY
from pipeline.store import chosen_layers, layout, tables

Row = dict[str, Any]


def of_readout(readout: Readout, params: ReaderSections) -> tuple[list[Row], list[Row]]:
    """Rows of `geometry` and of `layers` for one reader at one position, in every variant."""
    headline = Headline.of(readout, params.vectors.neutral_label)
    everything = Design.of(readout.emotions, readout.topics)
    design = headline.design
    n_units = len(design.units)
    first = split_half.halvings(n_units, params.geometry.halvings, params.geometry.seed) if n_units > 1 else None

    def at(index: int) -> list[tuple[Row, Floats]]:
        layer = readout.layer(index, params.vectors.neutral_variance)
        rows = []
        for variant in layout.VARIANTS:
            row: Row = GEOMETRY.blank() | {
                **readout.reader.keys(),
                "position": readout.position,
                "variant": variant,
                "layer": index,
                "depth": index / readout.n_layers,
                "n_stimuli": len(headline.rows),
                **not_finite(readout, headline, index),
                "unit": design.unit_name,
                "n_units": n_units,
                "n_emotions": len(design.labels),
                "n_halvings": None if first is None else len(first),
                "anisotropy": layer.anisotropy,
                "n_neutral_components": layer.n_neutral_components,
                "reason": layer.reason,
            }
            held_out = np.full((1 if first is None else 1 + 2 * len(first), n_units), np.nan)
            if layer.grams is not None:
                row |= shape(layer.grams[variant], headline, everything)
                row |= of_length(headline.gram(layer.grams[variant]), readout.n_tokens[headline.rows])
                measured, held_out = noise(layer.grams[variant], headline, first)
                row |= measured
            rows.append((row, held_out))
        return rows

    by_layer = parallel.each(at, range(readout.n_layers))
    described = [row for rows in by_layer for row, _ in rows]
    chosen: list[Row] = []
    for variant in layout.VARIANTS:
        cosines = [r["mean_cosine_with_neutral"] for r in described if r["variant"] == variant]
        folds = np.stack([held_out for rows in by_layer for row, held_out in rows if row["variant"] == variant])
        own = choices(readout, variant, folds, np.array(cosines, dtype=float))
        chosen += with_reliability(own, [r for r in described if r["variant"] == variant])
        chosen.append(cross_fitted(readout, headline, own, first, variant, params))
    return described, chosen


def not_finite(readout: Readout, headline: Headline, index: int) -> Row:
    """Texts that are not finite at a layer: stories of emotions, and neutral texts, stories of the neutral label among them."""
    lost = ~readout.finite[:, index]
    stories = int(lost[headline.rows].sum())
    neutral = int(lost.sum()) - stories + int((~readout.neutral_finite[:, index]).sum())
    return {"n_not_finite": stories, "n_neutral_not_finite": neutral}


def with_reliability(chosen: list[Row], described: list[Row]) -> list[Row]:
    """Rows of `layers`, those on all topics with the reliability that the RDM has at the layer."""
    by_layer = {row["layer"]: row for row in described}
    made = []
    for row in chosen:
        at = by_layer.get(row["layer"]) if row["halving"] is None else None
        both = ("reliability", "reliability_se")
        made.append(row | {name: None if at is None else at[name] for name in both})
    return made


def cross_fitted(
    readout: Readout, headline: Headline, chosen: list[Row], first: Bools | None, variant: str, params: ReaderSections
) -> Row:
    """The row of `layers` of the rule that chooses on one half and measures on the other: its reliability owes nothing to the
    choice."""
    row = next(r for r in chosen if r["halving"] is None) | {"layer_rule": names.CROSS_FITTED}
    row |= dict.fromkeys(("layer", "plateau_low", "plateau_high", "reliability", "reliability_se"))
    if first is None:
        return row | {"reason": split_half.TOO_FEW}
    on_halves = [r["layer"] for r in chosen if r["halving"] is not None]
    if None in on_halves:
        return row | {"reason": "no layer has an estimate on some half"}

    def cells_at(index: int) -> Floats:
        grams = readout.layer(index, params.vectors.neutral_variance, (variant,)).grams or {}
        return headline.cells(grams[variant])

    try:
        found = split_half.reliability(split_half.cross_fitted_from(cells_at, on_halves, headline.design, first))
    except ValueError as error:
        return row | {"reason": f"{error}: too few stories of some label"}
    ends = {"reliability": finite_or_none(found.value), "reliability_se": finite_or_none(found.se)}
    return row | ends | {"reason": None if np.isfinite(found.value) else found.reason}


def shape(k: Floats, headline: Headline, everything: Design) -> Row:
    """What one layer's RDM looks like: mean, population standard deviation, mean pairwise cosines."""
    products = gram.centred_products(_means(headline.cells(k), headline.design))
    entries = rdm.rdms(products)
    if not np.isfinite(entries).all():
        return {"reason": "a label's centred vector is zero"}
    with_neutral = gram.centred_products(_means(gram.cells(k, everything), everything))
    return {
        "rdm_mean": float(entries.mean()),
        "rdm_std": float(entries.std()),
        "mean_cosine": layers.mean_pairwise_cosine(products),
        "mean_cosine_with_neutral": layers.mean_pairwise_cosine(with_neutral),
    }


def of_length(k: Floats, n_tokens: NDArray[np.int64]) -> Row:
    """What the first principal component of the stories, K (S, S), owes to their length (S,) in tokens. A mean over tokens
    that has the first one among them holds 1 / length of that token's massive activation (Sun et al., arXiv 2402.17762)."""
    if (found := gram.first_component(k)) is None:
        return {}
    scores, share = found
    inverse = 1 / n_tokens - np.mean(1 / n_tokens)
    spread = float(np.linalg.norm(inverse))
    return {"pc1_share": share, "pc1_length": abs(float(scores @ inverse)) / spread if spread > 0 else None}


def _means(cell_sums: Floats, design: Design) -> Floats:
    return np.asarray(gram.label_products(cell_sums, design, np.ones((1, len(design.units))))[0])


def noise(k: Floats, headline: Headline, first: Bools | None) -> tuple[Row, Floats]:
    """Held-out accuracy and reliability of one layer, and accuracies (1 + 2 N, T) on all units and on every half."""
    design = headline.design
    n_units = len(design.units)
    missing = np.full((1 if first is None else 1 + 2 * len(first), n_units), np.nan)
    if first is None or n_units < split_half.FEWEST_UNITS:
        return {"reason": split_half.TOO_FEW}, missing
    cell_sums = headline.cells(k)
    halves = np.stack([first, ~first], axis=1).reshape(-1, n_units)
    draws = np.concatenate([np.ones((1, n_units), dtype=bool), halves])
    try:
        folds = layers.held_out_accuracy(headline.gram(k), cell_sums, design, draws)
        reliability = split_half.reliability(split_half.Halves.of(cell_sums, design, first))
    except ValueError as error:
        return {"reason": f"{error}: too few stories of some label"}, missing
    accuracy, se = layers.accuracy_and_se(folds[:1])
    row: Row = {"accuracy": finite_or_none(accuracy[0]), "accuracy_se": finite_or_none(se[0])}
    if np.isfinite(reliability.value):
        row |= {"reliability": reliability.value, "reliability_se": finite_or_none(reliability.se)}
    else:
        row |= {"reason": reliability.reason}
    return row, folds


def choices(readout: Readout, variant: str, folds: Floats, cosines: Floats) -> list[Row]:
    """Rows of `layers`: each rule's layer on all topics, and best_layer_cv on each half of each halving.

    `folds` (L, 1 + 2 N, T) as `noise` gives them; `cosines` (L).
    """
    keys = {**readout.reader.keys(), "position": readout.position, "variant": variant}

    def row(rule: str, choice: layers.Choice | None, halving: int | None = None, half: int | None = None) -> Row:
        return {
            **keys,
            "layer_rule": rule,
            "halving": halving,
            "half": half,
            "layer": choice and choice.layer,
            "plateau_low": choice and choice.low,
            "plateau_high": choice and choice.high,
            "reason": "no layer has an estimate" if choice is None else None,
        }

    rows = [row(names.PAPER, layers.best_layer_paper(cosines))]
    mean, se = layers.accuracy_and_se(folds)  # (L, 1 + 2 N)
    for draw in range(folds.shape[1]):
        choice = layers.best_layer_cv(mean[:, draw], se[:, draw])
        where = (None, None) if draw == 0 else ((draw - 1) // 2, (draw - 1) % 2 + 1)
        rows.append(row(names.CV, choice, *where))
    return rows


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = ReaderSections.load()
    described: list[Row] = []
    chosen: list[Row] = []
    said = ""
    entries = load_entries(params)
    for readout in readouts(params, entries):
        if (words := uncrossed_in_words(readout)) != said:
            print(f"{params.readings['stories'].path}: {words}", file=sys.stderr)
            said = words
        rows, choices_ = of_readout(readout, params)
        described += rows
        chosen += choices_
    tables.write_table(GEOMETRY, described)
    chosen_layers.write(chosen)


if __name__ == "__main__":
    run_stage(main)
