"""Rows of `beyond`: what two readers share beyond a control, from the numbers of their pairs with it.

d = r_AB - r_Ac r_Bc on rho_dis, with a jackknife over topics (`analysis.rsa.beyond`): the rows of `pairs` hold all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.readers.kinds import Kinds
from analysis.readers.readers import Reader
from analysis.rsa import split_half
from analysis.rsa.beyond import not_given
from analysis.rsa.gram import Floats
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.schemas.pairs import BEYOND, PAIRS

Row = dict[str, Any]
WORDS, UNTRAINED = "words:", "untrained"
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
        for name, members in controls.items():
            own = of_pair(name, members, {a.model, b.model}, kinds)
            if own and a not in own and b not in own:
                keys = {key: row[key] for key in PAIRS.keys}
                made.append(BEYOND.blank() | keys | {"control": name, "n_readers": len(own)} | given(known, a, b, own))
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
    value, *left_out = np.mean([not_given(known[at], known[x], known[y]) for x, y in there], axis=0)
    without = np.array(left_out)
    half = split_half.t_quantile(0.975, len(without) - 1) * split_half.jackknife_se(without)
    ends = {"left_low": float(value) - half, "left_high": float(value) + half}
    row: Row = {"left": float(value), "left_jackknife": without.tolist(), "n_readers": len(there), **ends}
    lost_too = {"reason": f"{len(members) - len(there)} of {len(members)} have no geometry that could be told from noise"}
    return row | (lost_too if len(there) < len(members) else {})
