"""Rows of `prediction`: what one reader tells of another model. Its emotion centroids, turned into the other's space, name the
other's stories (`analysis.rsa.decoding`); its RDM predicts the other's beside words, twins and human norms
(`analysis.rsa.predictors`)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from analysis.readers.kinds import Kinds
from analysis.readers.pattern_sets import ReaderGrams
from analysis.rsa import decoding, names, parallel, permutation, predictors, rdm, split_half
from analysis.rsa.gram import Bools, Floats
from analysis.rsa.split_half import finite_or_none
from pipeline.params.corpus import Corpus
from pipeline.params.geometry import INPUT_EMBEDDINGS, Geometry
from pipeline.params.shared import Shared
from pipeline.schemas.shared import PREDICTION
from pipeline.texts import labels

Row = dict[str, Any]
TFIDF = "tfidf"
NORMS = ("valence", "arousal")
OUTER, INNER = 10, 5
"""Halves of the topics on which weights are found and judged, and how often each is halved again."""


class Params(Protocol):
    """What of params.yaml is needed."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def corpus(self) -> Corpus: ...
    @property
    def shared(self) -> Shared: ...


def rows(group: list[ReaderGrams], kinds: Kinds, params: Params) -> list[Row]:
    """A row for every reader a and every trained model b that is another's, from Gram matrices at their best layers."""
    grams = [c.grams[layer] for c in group if (layer := c.chosen[names.CV]) is not None]
    trained = [n for n, c in enumerate(group) if kinds.is_trained(c.reader)]
    asked = [(a, b) for b in trained for a in range(len(group)) if group[a].reader.model != group[b].reader.model]
    failed = where_words_fail(group, grams, params)
    decoded = parallel.each(lambda pair: decode(grams, group, pair, failed, params), asked)
    parts = predicted(group, grams, kinds, [(a, b) for a, b in asked if a in trained], params)
    made = []
    for (a, b), found in zip(asked, decoded, strict=True):
        keys = {**group[a].reader.keys("_a"), **group[b].reader.keys("_b")}
        more = parts.get((a, b), {})
        reasons = "; ".join(filter(None, (found.pop("reason", None), more.pop("reason", None)))) or None
        made.append(PREDICTION.blank() | keys | found | more | {"reason": reasons})
    return made


def where_words_fail(group: list[ReaderGrams], grams: list[Floats], params: Params) -> Bools | None:
    """The stories (S) whose label a bag of words names wrongly while their topic is held out; None where none reads them."""
    for c, k in zip(group, grams, strict=True):
        if c.reader.model == TFIDF:
            try:
                return ~decoding.decode(k, k, c.design, 0, params.geometry.seed).right
            except ValueError:
                return None
    return None


def decode(grams: list[Floats], group: list[ReaderGrams], pair: tuple[int, int], failed: Bools | None, params: Params) -> Row:
    a, b = pair
    try:
        found = decoding.decode(grams[a], grams[b], group[a].design, params.shared.orders, params.geometry.seed)
    except ValueError as error:
        return {"reason": f"decoded: {error}"}
    return {
        "decoded": found.accuracy,
        "decoded_chance": float(found.by_chance.mean()),
        "decoded_new": found.new,
        "decoded_new_chance": float(found.new_by_chance.mean()),
        "p_new": found.p_new,
        "where_words_fail": None if failed is None else finite_or_none(found.where(failed)),
    }


def predicted(
    group: list[ReaderGrams], grams: list[Floats], kinds: Kinds, asked: list[tuple[int, int]], params: Params
) -> dict[tuple[int, int], Row]:
    """Parts of the variance of b's RDM that a and the controls predict, of each asked (a, b)."""
    if not asked:
        return {}
    design = group[0].design
    try:
        masks = predictors.quarters(len(design.units), OUTER, INNER, params.geometry.seed)
    except ValueError as error:
        return {pair: {"reason": f"unique: {error}"} for pair in asked}
    factors = parallel.each(permutation.factor, grams)
    fixed, fixed_names = norms(design.labels, params)
    try:
        whole = predictors.moments(factors, design, masks, fixed)
    except ValueError as error:
        return {pair: {"reason": f"unique: {error}: too few stories of some label"} for pair in asked}
    readable: Bools = np.asarray(np.isfinite(np.diagonal(whole, axis1=-2, axis2=-1)).all(axis=(0, 1)))  # (K,)
    made: dict[tuple[int, int], Row] = {}
    kept: list[tuple[int, int, list[int]]] = []
    for a, b in asked:
        if lost := [group[n].reader.model for n in (a, b) if not readable[n]]:
            made[a, b] = {"reason": f"unique: no reliability on quarters of the topics: {', '.join(lost)}"}
        else:
            kept.append((b, a, controls_of(group, kinds, (a, b), readable, len(fixed_names))))
    every = [*(c.reader for c in group)]
    if kept:
        for (b, a, controls), (value, se, dof) in zip(
            kept, predictors.with_errors(factors, design, masks, fixed, kept), strict=True
        ):
            named = [fixed_names[n - len(group)] if n >= len(group) else in_words(every[n]) for n in controls]
            half = split_half.t_quantile(0.975, dof) * se.unique
            row: Row = {"unique": finite_or_none(value.unique), "common": finite_or_none(value.common)}
            row |= {"controls": finite_or_none(value.controls), "controls_named": ", ".join(named)}
            if np.isfinite([value.unique, half]).all():
                row |= {"unique_low": value.unique - half, "unique_high": value.unique + half}
            else:
                row["reason"] = "unique: no reliability without some topic"
            made[a, b] = row
    return made


def norms(emotions: list[str], params: Params) -> tuple[Floats, list[str]]:
    """Standardised ranks (F, P) of the distances between human norms, where every label has them."""
    table = labels.emotions(params.corpus.emotions, emotions)
    i, j = rdm.pairs(len(emotions))
    made, kept = [], []
    for name in NORMS:
        values = table[name].to_numpy().astype(float)
        if np.isfinite(values).all() and np.ptp(values) > 0:
            made.append(rdm.ranks(np.abs(values[i] - values[j])))
            kept.append(name)
    return np.array(made).reshape(len(made), len(i)), kept


def controls_of(group: list[ReaderGrams], kinds: Kinds, pair: tuple[int, int], readable: Bools, n_fixed: int) -> list[int]:
    """Readers of words, the pair's own input embeddings, a twin of either's family, the norms: those with a geometry."""
    models = {group[n].reader.model for n in pair}
    families = {kinds.family[m] for m in models}
    made = []
    for n, c in enumerate(group):
        reader = c.reader
        if reader.word_reader == INPUT_EMBEDDINGS:
            wanted = reader.model in models
        elif reader.word_reader is not None:
            wanted = True
        else:
            wanted = not kinds.is_trained(reader) and kinds.family[reader.model] in families
        if wanted and readable[n]:
            made.append(n)
    return [*made, *range(len(group), len(group) + n_fixed)]


def in_words(reader: Any) -> str:
    return f"{reader.model} {INPUT_EMBEDDINGS}" if reader.word_reader == INPUT_EMBEDDINGS else str(reader.model)
