"""From tables to the numbers that a published claim is about, under the published protocol and under ours.

Three protocols: `paper`, its own estimator on its own position and layer rule; `same_stories`, rho_same of the corrected
readout with the floor of meaningless labels and what is left given a control; `other_stories`, rho_dis, where the two sides
never share a story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.claims.verdicts import FLOOR, Evidence, Given
from analysis.rsa import names
from analysis.rsa.names import ALL_PAIRS
from pipeline.models.entries import ModelEntry
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.claims import ClaimsSections
from pipeline.params.confounds import ConfoundsSections
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections

Row = dict[str, Any]
PAPER, SAME, OTHER = "paper", "same_stories", "other_stories"
THREE = 3
"""Passages of a label, as published."""


class ClaimSections(ReadingSections, BehaviourSections, ConfoundsSections, ClaimsSections, ReportSections):
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


def _trained(known: Known, row: Row) -> bool:
    return all(row[f"model_{s}"] in known.params.read.models for s in "ab") and row["setting_a"] != INPUT_EMBEDDINGS


def as_published(table: pl.DataFrame, setting: str) -> pl.DataFrame:
    """The rows that rest on three texts of each label: of the study's own passages where these were read, else of stories."""
    rows = table.filter(n_units=THREE)
    passages = rows.filter(pl.col(setting) != STORIES)
    return passages if passages.height else rows


def of_paper(known: Known, wanted: Wanted) -> list[Evidence]:
    """Spearman of the two RDMs at each model's own layer, and the floor. Three passages give no interval."""
    made = []
    for row in as_published(known.tables["paper_pairs"], "setting_a").iter_rows(named=True):
        if row["precision_a"] == row["precision_b"] and _trained(known, row) and wanted(row):
            reason = row["reason"] or "three passages of a label give no interval"
            made.append(Evidence(_pair_name(row), row["spearman"], floor=row["floor_95"], reason=reason))
    return made


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
        ends = intervals.filter(own)
        given, floor = [], None
        for c in controls.filter(own).iter_rows(named=True):
            if c["control"] == FLOOR:
                floor = c["floor_95"] if estimator == "rho_same" else None
            elif c["ci_low"] is not None:
                given.append(Given(c["control"], c["ci_low"], c["rho_dis_given_se"]))
        low, high = (ends["ci_low"][0], ends["ci_high"][0]) if ends.height else (None, None)
        reason = row["reason"] if low is None else None
        made.append(Evidence(_pair_name(row), row[estimator], low, high, row["ceiling"], floor, tuple(given), reason=reason))
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
        if not _trained(known, row) or row["setting_b"] != row["setting_a"]:
            return False
        return known.is_mature(a) and known.is_mature(b) and group(a) != group(b)

    kind = "lineages" if by_lineage else "families"
    return pairs(known, wanted, f"no two mature models of different {kind} were read")


def named(known: Known, a: str, b: str) -> dict[str, list[Evidence]]:
    """One pair of models, by name."""
    return pairs(known, lambda row: {row["model_a"], row["model_b"]} == {a, b}, f"{a} and {b} were not both read")


def tuned(known: Known) -> dict[str, list[Evidence]]:
    """Base and instruct of each mature family."""

    def wanted(row: Row) -> bool:
        a, b = row["model_a"], row["model_b"]
        if not _trained(known, row) or row["setting_b"] != row["setting_a"] or known.family(a) != known.family(b):
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


def above_the_floor(known: Known) -> dict[str, list[Evidence]]:
    """How far pairs of trained models lie above labels that mean nothing, under both protocols."""
    wanted = _across_lineages(known)
    members = {PAPER: of_paper(known, wanted), SAME: of_ours(known, wanted, "rho_same")}
    found = {}
    for protocol, own in members.items():
        found[protocol] = [_minus_floor(e) for e in own] or [Evidence("", None, reason="no two trained models were read")]
    return found


def _across_lineages(known: Known) -> Wanted:
    def wanted(row: Row) -> bool:
        trained = _trained(known, row) and row["setting_b"] == row["setting_a"]
        return trained and known.lineage(row["model_a"]) != known.lineage(row["model_b"])

    return wanted


def _minus_floor(e: Evidence) -> Evidence:
    if e.estimate is None or e.floor is None:
        return e
    low, high = (None if x is None else x - e.floor for x in (e.low, e.high))
    return Evidence(e.about, e.estimate - e.floor, low, high, reason=e.reason)
