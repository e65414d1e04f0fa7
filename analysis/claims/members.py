"""The pairs that claims are about: who is a member, and what a member's row says under the published protocol."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import polars as pl

from analysis.claims.known import Known, Row, as_published
from analysis.claims.rules import Published
from analysis.readers.kinds import ONE_LINEAGE, TWO_LINEAGES
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.reading import STORIES

Wanted = Callable[[Row], bool | None]
"""Whether a claim is about a pair; None where that hangs on a family of which it is not known whether it is mature."""
TRAINED = (TWO_LINEAGES, ONE_LINEAGE)


def at_reference(known: Known, wanted: Wanted) -> list[Row]:
    """Pairs of two trained models at their reference precision that are `wanted`."""
    return [r for r in known.pairs if r["is_reference"] and r["kind"] in TRAINED and wanted(r)]


def across(known: Known, group: Callable[[str], str], mature: bool = True) -> Wanted:
    """Pairs of (mature) models of different families or lineages."""

    def wanted(row: Row) -> bool | None:
        a, b = row["model_a"], row["model_b"]
        if group(a) == group(b):
            return False
        sides = {known.is_mature(a), known.is_mature(b)} if mature else {True}
        return False if False in sides else None if None in sides else True

    return wanted


def tuned(known: Known, mature: bool) -> Wanted:
    """Base and instruct of one family, of the mature or of the immature ones."""

    def wanted(row: Row) -> bool | None:
        a, b = row["model_a"], row["model_b"]
        if known.family(a) != known.family(b) or {known.entries[m].tuning for m in (a, b)} != {"base", "instruct"}:
            return False
        found = known.is_mature(a)
        return None if found is None else found is mature

    return wanted


def named(a: str, b: str) -> Wanted:
    return lambda row: {row["model_a"], row["model_b"]} == {a, b}


def published_rows(known: Known, wanted: Wanted) -> list[Row]:
    """Of each pair of trained models the row at fp16, as published, where fp16 holds the states of both; else that at each
    model's reference precision. A geometry of states that overflowed is no model's."""
    found: dict[tuple[str, str], Row] = {}
    lost = overflown(known)
    for row in as_published(known.tables["paper_pairs"], "setting_a").iter_rows(named=True):
        a, b = row["model_a"], row["model_b"]
        trained = all(row[f"model_{s}"] in known.trained and row[f"seed_{s}"] is None for s in "ab")
        if not trained or a == b or not wanted(row):
            continue
        precisions = {row["precision_a"], row["precision_b"]}
        is_reference = all(row[f"precision_{s}"] == known.references[row[f"model_{s}"]] for s in "ab")
        # passages that are not stories are read by trained models alone, at the precision that they are given
        passages = row["setting_a"] != STORIES and len(precisions) == 1
        whole = precisions == {"fp16"} and not lost & {(a, "fp16"), (b, "fp16")}
        if whole or ((a, b) not in found and (is_reference or passages)):
            found[a, b] = row
    return list(found.values())


def overflown(known: Known) -> set[tuple[str, str]]:
    """The models and precisions at which some layer is not finite in some text that the published protocol reads."""
    rows = known.tables["paper"].filter(pl.col("n_finite_layers") < pl.col("n_layers"), pl.col("seed").is_null())
    return {(row["model"], row["precision"]) for row in rows.iter_rows(named=True)}


def as_passages(row: Row) -> Published:
    own = [row[f"own_{s}"] for s in "ab"]
    mean = sqrt(own[0] * own[1]) if all(x is not None and x > 0 for x in own) else None
    about = f"{pair_name(row)}, {' x '.join(dict.fromkeys(row[f'precision_{s}'] for s in 'ab'))}"
    return Published(about, row["spearman"], row["across"], row["p_across"], mean, row["reason"])


def pair_name(row: Row) -> str:
    """Who is compared; of two precisions of one model, these."""
    names = []
    for s in "ab":
        seed, setting = row[f"seed_{s}"], row.get(f"setting_{s}", STORIES)
        embeddings = ", input embeddings" if setting == INPUT_EMBEDDINGS else ""
        names.append(row[f"model_{s}"] + ("" if seed is None else f" #{seed}") + embeddings)
    return f"{names[0]} x {names[1]}" if names[0] != names[1] else f"{names[0]}, {row['precision_a']} x {row['precision_b']}"
