"""From tables to the numbers that a published claim is about, under the published protocol and under ours.

Three protocols: `paper`, its own estimator on its own position and layer rule; `same_stories`, rho_same of the corrected
readout with what is left beyond each control; `other_stories`, rho_dis, where the two sides
never share a story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import polars as pl

from analysis.claims import rules
from analysis.claims.verdicts import FLOOR, Evidence, Left
from analysis.rsa import names
from analysis.rsa.names import ALL_PAIRS
from pipeline.models.entries import ModelEntry
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.claims import ClaimsSections
from pipeline.params.confounds import ConfoundsSections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections

Row = dict[str, Any]
PAPER, SAME, OTHER = "paper", "same_stories", "other_stories"
THREE = 3
"""Passages of a label, as published."""


class ClaimSections(ReadingSections, BehaviourSections, ConfoundsSections, ClaimsSections, RsaSections, ReportSections):
    """What says which claims are judged, and how."""


@dataclass(frozen=True)
class Known:
    """What a run found: its tables by name, and what its models are."""

    tables: dict[str, pl.DataFrame]
    params: ClaimSections
    entries: dict[str, ModelEntry]

    @property
    def mature(self) -> dict[str, bool | None]:
        """Whether each family is mature: its base model decides."""
        decided = self.tables["maturity"].filter("decides")
        return dict(decided.select("family", "mature").iter_rows())

    def family(self, model: str) -> str:
        return self.entries[model].family

    def lineage(self, model: str) -> str:
        return self.entries[model].lineage

    def is_mature(self, model: str) -> bool:
        return self.mature.get(self.family(model)) is True


Wanted = Callable[[Row], bool]


# --- pairs of models -----------------------------------------------------------------------------------------------------


def pairs(known: Known, wanted: Wanted, lacking: str) -> dict[str, list[Evidence]]:
    """Every pair of trained models that is `wanted`, by protocol. `lacking`: what is said where there is none."""
    found = {PAPER: of_paper(known, wanted), SAME: of_ours(known, wanted, "rho_same"), OTHER: of_ours(known, wanted, "rho_dis")}
    return {protocol: members or [Evidence("", None, reason=lacking)] for protocol, members in found.items()}


def of_stories(known: Known, row: Row) -> bool:
    """Whether a row is of two trained models that read the stories. Input embeddings, readers of words, second sources and
    untrained draws are controls, also where a claim names the model that they belong to."""
    trained = all(row[f"model_{s}"] in known.params.read.models and row[f"seed_{s}"] is None for s in "ab")
    return trained and row["setting_a"] == row["setting_b"] == STORIES and row["model_a"] != row["model_b"]


def as_published(table: pl.DataFrame, setting: str) -> pl.DataFrame:
    """The rows that rest on three texts of each label: of the study's own passages where these were read, else of stories."""
    rows = table.filter(n_units=THREE)
    passages = rows.filter(pl.col(setting) != STORIES)
    return passages if passages.height else rows


def of_paper(known: Known, wanted: Wanted) -> list[Evidence]:
    """Spearman of the two RDMs at each model's own layer, beside one passage against the two others. Three passages give no
    interval. Of each pair the row at fp16, as published, else that at each model's reference precision."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in as_published(known.tables["paper_pairs"], "setting_a").iter_rows(named=True):
        precisions = {row["precision_a"], row["precision_b"]}
        at_reference = all(row[f"precision_{s}"] == references_of(known).get(row[f"model_{s}"]) for s in "ab")
        pair = (row["model_a"], row["model_b"], row["setting_a"])
        # passages that are not stories are read by trained models alone, at the precision that they are given
        as_story = row | {"setting_a": STORIES, "setting_b": STORIES}
        passages = row["setting_a"] != STORIES and len(precisions) == 1
        taken = precisions == {"fp16"} or (pair not in found and (at_reference or passages))
        if taken and wanted(as_story):
            found[pair] = row
    return [_published(row) for row in found.values()]


def _published(row: Row) -> Evidence:
    own = [row[f"own_{s}"] for s in "ab"]
    mean = sqrt(own[0] * own[1]) if all(x is not None and x > 0 for x in own) else None
    about = f"{_pair_name(row)}, {row['precision_a']}"
    published = rules.Published(about, row["spearman"], row["across"], row["p_across"], mean, row["reason"])
    return Evidence(about, row["spearman"], floor=row["floor_95"], published=published, scale=rules.RAW, reason=row["reason"])


SCALES = {"rho_same": rules.SAME, "rho_dis": rules.DISATTENUATED}


def of_ours(known: Known, wanted: Wanted, estimator: str, references: bool = True) -> list[Evidence]:
    """rho_same or rho_dis at the report's readout, with intervals and controls; with `references` of each model at its
    reference precision alone."""
    params = known.params
    here = {"position": params.report.position, "variant": "centred"}
    rows = known.tables["rsa"].filter(layer_rule=names.CV, pairs=ALL_PAIRS, **here)
    keys = ["model_a", "model_b", "seed_a", "seed_b", "precision_a", "precision_b", "setting_a", "setting_b"]
    intervals = known.tables["intervals"].filter(
        layer_rule=names.CV, pairs=ALL_PAIRS, estimator=estimator, over=params.claims.over, **here
    )
    controls = known.tables["controls"].filter(**here)
    made = []
    for row in rows.iter_rows(named=True):
        at_reference = all(row[f"precision_{s}"] in (None, references_of(known).get(row[f"model_{s}"])) for s in "ab")
        if (references and not at_reference) or not wanted(row):
            continue
        own = [pl.col(k).eq_missing(pl.lit(row[k])) for k in keys]
        ends, beside = intervals.filter(own), controls.filter(own)
        floor = beside.filter(control=FLOOR)["floor_95"].to_list() if estimator == "rho_same" else []
        # a control whose own geometry is noise explains nothing; one whose d has no interval may
        left = beside.drop_nulls("left").select("control", "left", "left_low", "left_high")
        low, high = (ends["ci_low"][0], ends["ci_high"][0]) if ends.height else (None, None)
        made.append(
            Evidence(
                _pair_name(row),
                row[estimator],
                low,
                high,
                row["ceiling"],
                floor[0] if floor else None,
                tuple(Left(*values) for values in left.iter_rows()),
                scale=SCALES[estimator],
                reason=row["reason"] if low is None else None,
            )
        )
    return made


def references_of(known: Known) -> dict[str, str]:
    """The precision that stands for each model."""
    return {m: known.params.reference_of(m) for m in known.params.models}


def _pair_name(row: Row) -> str:
    names = [row[f"model_{s}"] + ("" if row[f"seed_{s}"] is None else f" #{row[f'seed_{s}']}") for s in "ab"]
    return f"{names[0]} x {names[1]}" if names[0] != names[1] else f"{names[0]}, {row['precision_a']} x {row['precision_b']}"


def across_families(known: Known, by_lineage: bool) -> dict[str, list[Evidence]]:
    """Pairs of mature models of different families, or of different lineages."""
    group = known.lineage if by_lineage else known.family

    def wanted(row: Row) -> bool:
        a, b = row["model_a"], row["model_b"]
        return of_stories(known, row) and known.is_mature(a) and known.is_mature(b) and group(a) != group(b)

    kind = "lineages" if by_lineage else "families"
    return pairs(known, wanted, f"no two mature models of different {kind} were read")


def named(known: Known, a: str, b: str) -> dict[str, list[Evidence]]:
    """One pair of models, by name."""

    def wanted(row: Row) -> bool:
        return of_stories(known, row) and {row["model_a"], row["model_b"]} == {a, b}

    return pairs(known, wanted, f"{a} and {b} were not both read")


def tuned(known: Known) -> dict[str, list[Evidence]]:
    """Base and instruct of each mature family."""

    def wanted(row: Row) -> bool:
        a, b = row["model_a"], row["model_b"]
        if not of_stories(known, row) or known.family(a) != known.family(b):
            return False
        return known.is_mature(a) and {known.entries[m].tuning for m in (a, b)} == {"base", "instruct"}

    return pairs(known, wanted, "no mature family was read as base and instruct")


def untrained(known: Known) -> dict[str, list[Evidence]]:
    """Trained models against draws of an untrained network."""

    def wanted(row: Row) -> bool:
        settings = row["setting_a"] == row["setting_b"] == STORIES
        draws = [row[f"seed_{s}"] is not None for s in "ab"]
        return settings and sum(draws) == 1 and all(row[f"precision_{s}"] is not None for s in "ab")

    found = {SAME: of_ours(known, wanted, "rho_same"), OTHER: of_ours(known, wanted, "rho_dis")}
    return {p: members or [Evidence("", None, reason="no untrained twin was read")] for p, members in found.items()}


def emotions(known: Known) -> dict[str, list[Evidence]]:
    """What two models of different lineages share where they share no passage: labels that mean nothing give 0 there."""

    def wanted(row: Row) -> bool:
        return of_stories(known, row) and known.lineage(row["model_a"]) != known.lineage(row["model_b"])

    found = {PAPER: of_paper(known, wanted), OTHER: of_ours(known, wanted, "rho_dis")}
    lacking = "no two trained models of different lineages were read"
    return {protocol: members or [Evidence("", None, reason=lacking)] for protocol, members in found.items()}
