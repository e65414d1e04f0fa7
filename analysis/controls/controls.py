"""Stage `controls`: what else the agreement of two readers could be, at best_layer_cv. Labels that mean nothing, words,
untrained networks; and each geometry beside that of human ratings. Tables `controls`, `human`."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.readers.pattern_sets import HalfRdms, PairSections, Plan, ReaderGrams, half_rdms, reader_grams
from analysis.readers.readers import Headline, Readout, readouts
from analysis.rsa import beyond, floor, gram, names, pairwise, parallel, rdm, split_half
from analysis.rsa.gram import Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.controls import ControlsSections
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.schemas.controls import CONTROLS, HUMAN
from pipeline.schemas.geometry import LAYERS
from pipeline.store import tables
from pipeline.texts import labels
from pipeline.texts.labels import NORMS

Row = dict[str, Any]
VARIANT = "centred"
FLOOR, WORDS, UNTRAINED = "stimulus_floor", "words", "untrained"
ALL_NORMS = "all"


# --- words and untrained networks: what is left given them ---------------------------------------------------------------


class Params(PairSections, ControlsSections):
    """The sections that this stage loads."""


def control_rows(
    candidates: list[ReaderGrams], plan: Plan, params: Params, entries: dict[str, ModelEntry], keys: Row
) -> list[Row]:
    """Rows of `controls` for every pair of readers that have a best layer."""
    sides = parallel.each(lambda c: half_rdms(c, (names.CV, None), plan), candidates)
    known = [(c, s) for c, s in zip(candidates, sides, strict=True) if s.halves is not None and s.layer is not None]
    if not known:
        return []
    found = pairwise.pairwise([s.halves for _, s in known if s.halves is not None])
    drawn = floor.floors(
        [c.grams[s.layer] for c, s in known if s.layer is not None],
        known[0][0].design,
        params.controls.shuffles,
        params.geometry.seed,
    )
    controls = _controls(known, entries)
    rows = []
    for a, b in combinations(range(len(known)), 2):
        base: Row = CONTROLS.blank() | {
            **known[a][0].reader.keys("_a"),
            **known[b][0].reader.keys("_b"),
            **keys,
            "layer_a": known[a][1].layer,
            "layer_b": known[b][1].layer,
            "rho_same": finite_or_none(found.rho_same.value[a, b]),
        }
        null = drawn[:, a, b]
        row = {"floor_mean": float(null.mean()), "floor_95": float(np.quantile(null, 0.95)), "n_draws": len(null)}
        rows.append(base | {"control": FLOOR} | row)
        for name, members in controls.items():
            own = _own(members, {known[n][0].reader.model for n in (a, b)}, known)
            if not {a, b} & set(own):
                rows.append(base | {"control": name} | _given(found, a, b, own, [known[i][1] for i in (a, b, *own)]))
    return rows


def _controls(known: list[tuple[ReaderGrams, HalfRdms]], entries: dict[str, ModelEntry]) -> dict[str, list[int]]:
    """By name, the readers that stand for each control: a reader of words, all input embeddings, all untrained draws."""
    made: dict[str, list[int]] = {}
    for n, (c, _) in enumerate(known):
        if c.reader.word_reader is not None:
            made.setdefault(f"{WORDS}:{c.reader.word_reader}", []).append(n)
        elif entries[c.reader.model].untrained:
            made.setdefault(UNTRAINED, []).append(n)
    return made


def _own(members: list[int], models: set[str], known: list[tuple[ReaderGrams, HalfRdms]]) -> list[int]:
    """Of several input embeddings, those of a pair's own models where it has any."""
    own = [m for m in members if known[m][0].reader.model in models]
    return own if known[members[0]][0].reader.word_reader == INPUT_EMBEDDINGS and own else members


def _given(found: pairwise.Pairwise, a: int, b: int, members: list[int], sides: list[HalfRdms]) -> Row:
    """The pair's rho_dis given a control, and what is left beyond it (means over its members), with jackknives over topics."""
    reasons = dict.fromkeys(s.reliability.reason for s in sides if s.reliability and s.reliability.reason)
    if reasons:
        return {"reason": "rho_dis: " + "; ".join(r for r in reasons if r)}
    value = np.mean([pairwise.partial(found.rho_dis.value, c)[a, b] for c in members])
    assert found.rho_dis.without_topic is not None
    left_out = np.mean([pairwise.partial(found.rho_dis.without_topic, c)[:, a, b] for c in members], axis=0)
    row: Row = {"rho_dis": finite_or_none(found.rho_dis.value[a, b]), "n_draws": len(members)} | _left(found, a, b, members)
    if not np.isfinite(value) or not np.isfinite(left_out).all():
        return row | {"reason": "a disattenuated value with the control is 1 or more: nothing is left to correlate"}
    se = split_half.jackknife_se(left_out)
    half = split_half.t_quantile(0.975, len(left_out) - 1) * se
    ends = {"ci_low": float(value) - half, "ci_high": float(value) + half}
    return row | {"rho_dis_given": float(value), "rho_dis_given_se": se, **ends}


def _left(found: pairwise.Pairwise, a: int, b: int, members: list[int]) -> Row:
    """d of the pair beyond a control, which exists also where the control explains everything and the partial does not."""
    assert found.rho_dis.without_topic is not None
    value = float(np.mean([beyond.left(found.rho_dis.value, c)[a, b] for c in members]))
    without = np.mean([beyond.left(found.rho_dis.without_topic, c)[:, a, b] for c in members], axis=0)
    half = split_half.t_quantile(0.975, len(without) - 1) * split_half.jackknife_se(without)
    ends = {"left_low": value - half, "left_high": value + half}
    return {"left": finite_or_none(value), **{name: finite_or_none(float(end)) for name, end in ends.items()}}


# --- human ratings -------------------------------------------------------------------------------------------------------


def norm_distances(emotions: list[str], params: Params) -> tuple[dict[str, Floats], list[int]]:
    """Distances (P') between the norms of the labels that have them, by norm; and these labels' indices. All three: Euclidean,
    each norm in standard deviations."""
    norms = labels.emotions(params.corpus.emotions, emotions)
    values = norms.select(NORMS).to_numpy().astype(float)
    rated = [int(n) for n in np.flatnonzero(~np.isnan(values).any(axis=1))]
    own = values[rated]
    i, j = rdm.pairs(len(rated))
    made = {name: np.abs(own[i, n] - own[j, n]) for n, name in enumerate(NORMS)}
    z = (own - own.mean(axis=0)) / np.where((sd := own.std(axis=0)) > 0, sd, np.nan) if rated else own
    return made | {ALL_NORMS: np.linalg.norm(z[i] - z[j], axis=1)}, rated


def human_rows(readout: Readout, params: Params) -> list[Row]:
    """Rows of `human` of one reader, every layer: its RDM over the labels with norms against the distances between norms.

    Over topics the spread of bootstrap draws, over labels the jackknife, both with the distances as they are. The interval is
    over topics: the norms are of these labels.
    """
    headline = Headline.of(readout, params.vectors.neutral_label)
    design = headline.design
    distances, rated = norm_distances(design.labels, params)
    enough = len(rated) >= split_half.FEWEST_UNITS
    ranked = {name: (rdm.ranks(d), _ranks_without_each(d, len(rated))) for name, d in distances.items()} if enough else {}
    draws = split_half.bootstrap(len(design.units), params.controls.bootstrap, params.geometry.seed)
    keys = {**readout.reader.keys(), "position": readout.position, "variant": VARIANT}
    dof = len(design.units) - 1

    def at(index: int) -> list[Row]:
        base = keys | {"layer": index, "depth": index / readout.n_layers, "n_emotions": len(rated)}
        values, reason = _against_norms(readout, index, headline, rated, draws, ranked, params)
        rows = []
        for name in distances:
            row: Row = HUMAN.blank() | base | {"norm": name, "reason": reason}
            if values is not None:
                value, drawn, fewer = values[name]
                se_topic, se_label = float(drawn.std(ddof=1)), split_half.jackknife_se(fewer)
                half = split_half.t_quantile(0.975, dof) * se_topic
                row |= {"spearman": value, "se_topic": se_topic, "se_label": se_label}
                row |= {"ci_low": value - half, "ci_high": value + half}
            rows.append(row)
        return rows

    return [row for rows in parallel.each(at, range(readout.n_layers)) for row in rows]


def _against_norms(
    readout: Readout,
    index: int,
    headline: Headline,
    rated: list[int],
    draws: NDArray[np.int64],
    ranked: dict[str, tuple[Floats, Floats]],
    params: Params,
) -> tuple[dict[str, tuple[float, Floats, Floats]] | None, str | None]:
    """`ranked`: by norm, the ranks of its distances (P'), and without each label (E', P'').

    By norm: rho on all topics, on each draw (B), without each label (E'); or the reason why there is none."""
    e, units = len(rated), len(headline.design.units)
    if e < split_half.FEWEST_UNITS or units < split_half.FEWEST_UNITS or not headline.design.crossed:
        return None, f"{e} labels with norms, {units} topics; {split_half.FEWEST_UNITS} of each are needed, crossed"
    layer = readout.layer(index, params.vectors.neutral_variance, (VARIANT,))
    if layer.grams is None:
        return None, layer.reason
    weights = np.concatenate([np.ones((1, units)), draws])
    products = gram.label_products(headline.cells(layer.grams[VARIANT]), headline.design, weights)
    own = products[:, rated][:, :, rated]
    ranks = rdm.ranks(rdm.rdms(gram.centred_products(own)))
    if not np.isfinite(ranks).all():
        return None, "a label's centred vector is zero"
    left = [np.delete(np.arange(e), n) for n in range(e)]
    fewer = rdm.ranks(rdm.rdms(gram.centred_products(np.stack([own[0][np.ix_(k, k)] for k in left]))))
    made = {
        name: (float(ranks[0] @ whole), ranks[1:] @ whole, (fewer * without).sum(-1))
        for name, (whole, without) in ranked.items()
    }
    if not all(np.isfinite(v[0]) and np.isfinite(v[2]).all() for v in made.values()):
        return None, "a norm is the same for all labels"
    return made, None


def _ranks_without_each(distances: Floats, n_labels: int) -> Floats:
    """Ranks of the distances without those of each label: (E', P'')."""
    i, j = rdm.pairs(n_labels)
    return rdm.ranks(np.stack([distances[(i != label) & (j != label)] for label in range(n_labels)]))


def main(arguments: list[str]) -> None:
    params = Params.load()
    entries = load_entries(params)
    chosen = tables.read_table(LAYERS)
    made: dict[str, list[Row]] = {"controls": [], "human": []}
    for position in params.geometry.positions:
        candidates = []
        for readout in readouts(params, entries, position):
            own = readout.rows_of(chosen, variant=VARIANT, layer_rule=names.CV)
            candidates.append(reader_grams(readout, VARIANT, own.filter(pl.col("halving").is_null()), params, depths=False))
            made["human"] += human_rows(readout, params)
        plan = Plan.of(candidates[0].design, params)
        made["controls"] += control_rows(candidates, plan, params, entries, {"position": position, "variant": VARIANT})
    for table in (CONTROLS, HUMAN):
        tables.write_table(table, made[table.name])


if __name__ == "__main__":
    run_stage(main)
