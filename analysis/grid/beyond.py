"""Rows of `beyond`: what two readers share beyond a control, from the numbers of their pairs with it.

d = r_AB - r_Ac r_Bc on rho_dis, with a jackknife over topics (`analysis.rsa.beyond`): the rows of `pairs` hold all of it.
Readers of words are a control each, and one together: what one leaves another may give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.readers.kinds import Kinds
from analysis.readers.readers import Reader
from analysis.rsa import split_half
from analysis.rsa.beyond import are_apart, not_given, not_given_by_all
from analysis.rsa.gram import Floats
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.schemas.pairs import BEYOND, PAIRS

Row = dict[str, Any]
WORDS, UNTRAINED = "words:", "untrained"
ALL_WORDS = f"{WORDS}all_words"
Known = dict[frozenset[Reader], Floats]
"""rho_dis of a pair, and without each topic: (1 + T)."""


def reader_of(row: Row, side: str) -> Reader:
    return Reader(row[f"model_{side}"], row[f"seed_{side}"], row[f"precision_{side}"], row[f"setting_{side}"])


def beyond_rows(pairs: list[Row], kinds: Kinds) -> list[Row]:
    """A row for every pair of trained models or draws (`pairs`: rows of `pairs`) and every control that is not one of them."""
    known: Known = {
        frozenset((reader_of(row, "a"), reader_of(row, "b"))): np.array([row["rho_dis"], *row["rho_dis_jackknife"]])
        for row in pairs
        if row["rho_dis"] is not None and row["rho_dis_jackknife"] is not None
    }
    readers = list(dict.fromkeys(reader_of(row, side) for row in pairs for side in "ab"))
    controls = by_name(readers, kinds)
    made = []
    for row in pairs:
        a, b = reader_of(row, "a"), reader_of(row, "b")
        if kinds.is_words(a) or kinds.is_words(b):
            continue
        keys = {key: row[key] for key in PAIRS.keys}
        all_words: list[Reader] = []
        for name, members in controls.items():
            own = of_pair(name, members, {a.model, b.model}, kinds)
            if own and a not in own and b not in own:
                made.append(BEYOND.blank() | keys | {"control": name, "n_readers": len(own)} | given(known, a, b, own))
                all_words += own if name.startswith(WORDS) else []
        if len(all_words) > 1:
            made.append(BEYOND.blank() | keys | {"control": ALL_WORDS} | given_by_all(known, a, b, all_words))
    return made


def by_name(readers: list[Reader], kinds: Kinds) -> dict[str, list[Reader]]:
    """The readers that stand for each control: a reader of words, all input embeddings, all untrained draws."""
    made: dict[str, list[Reader]] = {}
    for reader in readers:
        if reader.word_reader is not None:
            made.setdefault(f"{WORDS}{reader.word_reader}", []).append(reader)
        elif not kinds.is_trained(reader):
            made.setdefault(UNTRAINED, []).append(reader)
    return made


def of_pair(name: str, members: list[Reader], models: set[str], kinds: Kinds) -> list[Reader]:
    """Of input embeddings those of the pair's own models, of untrained draws those of their families, which have their
    tokenizers; all, where there are none."""
    own = members
    if name == f"{WORDS}{INPUT_EMBEDDINGS}":
        own = [m for m in members if m.model in models]
    elif name == UNTRAINED:
        own = [m for m in members if kinds.family[m.model] in {kinds.family[model] for model in models}]
    return own or members


def given(known: Known, a: Reader, b: Reader, members: list[Reader]) -> Row:
    """d of a pair beyond a control, the mean over its members, with the interval over topics. A member whose geometry is noise
    is left out, and the control is not: others stand for it."""
    at = frozenset((a, b))
    with_control = [(frozenset((a, c)), frozenset((b, c))) for c in members]
    there = [both for both in with_control if known.keys() >= {*both}]
    if at not in known or not there:
        lost = next(pair for pair in (at, *(p for both in with_control for p in both)) if pair not in known)
        return {"reason": f"no rho_dis of {' and '.join(sorted(r.model for r in lost))}"}
    d = np.mean([not_given(known[at], known[x], known[y]) for x, y in there], axis=0)
    return _with_interval(d) | {"n_readers": len(there)} | _without(members, len(there))


def given_by_all(known: Known, a: Reader, b: Reader, members: list[Reader]) -> Row:
    """d of a pair beyond several controls at once, with the interval over topics. Left out is one whose geometry is noise, and
    one that cannot be told from those before it, such as the embeddings of a base model beside those of its tuned twin."""
    at = frozenset((a, b))
    there: list[Reader] = []
    for c in members:
        if known.keys() >= {frozenset((c, other)) for other in (a, b, *there)} and are_apart(_among(known, [*there, c])):
            there.append(c)
    if at not in known or not there:
        return {"n_readers": len(there), "reason": "no reader of words has a geometry beside the pair's"}
    with_a, with_b = (np.stack([known[frozenset((side, c))] for c in there], axis=-1) for side in (a, b))
    d = not_given_by_all(known[at], with_a, with_b, _among(known, there))
    return _with_interval(d) | {"n_readers": len(there)} | _without(members, len(there), " or from another's")


def _among(known: Known, readers: list[Reader]) -> Floats:
    """rho_dis of readers among themselves, and without each topic: (1 + T, K, K)."""
    one = np.ones_like(next(iter(known.values())))
    return np.moveaxis(np.array([[one if c == d else known[frozenset((c, d))] for d in readers] for c in readers]), -1, 0)


def _with_interval(d: Floats) -> Row:
    """From d, and d without each topic: (1 + T)."""
    value, without = float(d[0]), d[1:]
    half = split_half.t_quantile(0.975, len(without) - 1) * split_half.jackknife_se(without)
    return {"left": value, "left_low": value - half, "left_high": value + half, "left_jackknife": without.tolist()}


def _without(members: list[Reader], n: int, more: str = "") -> Row:
    lost = len(members) - n
    return {"reason": f"{lost} of {len(members)} have no geometry that could be told from noise{more}"} if lost else {}
