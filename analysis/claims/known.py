"""What a run found, as claims ask for it: its tables, what its models are, and who stands for a model that was not read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from analysis.claims.rules import NOT_TESTABLE, Number, Verdict
from pipeline.models.entries import ModelEntry
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.confounds import ConfoundsSections
from pipeline.params.geometry import GeometrySections
from pipeline.params.maturity import MaturitySections
from pipeline.params.reading import STORIES, ReadingSections
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections

Row = dict[str, Any]
THREE = 3
"""Passages of a label, as published."""


class ClaimSections(
    ReadingSections, BehaviourSections, ConfoundsSections, MaturitySections, RsaSections, ReportSections, GeometrySections
):
    """What says which claims are judged, and how."""


@dataclass(frozen=True)
class Judged:
    """A claim under one protocol: the number that decides, and the verdict on it."""

    protocol: str
    number: Number
    verdict: Verdict


@dataclass(frozen=True)
class Known:
    """What a run found: its tables by name, and what its models are."""

    tables: dict[str, pl.DataFrame]
    params: ClaimSections
    entries: dict[str, ModelEntry]
    position: str | None = None
    """At which pairs are judged; None: the report's."""

    @property
    def margin(self) -> float:
        return self.params.rsa.equivalence

    @property
    def seed(self) -> int:
        return self.params.geometry.seed

    @property
    def trained(self) -> list[str]:
        return self.params.read.models

    @cached_property
    def mature(self) -> dict[str, bool | None]:
        """Whether each family is mature: its base models decide; of a family without one, what was read."""
        made: dict[str, bool | None] = {}
        for (family,), own in self.tables["maturity"].filter("decides").group_by("family", maintain_order=True):
            found = own["mature"].to_list()
            made[str(family)] = None if None in found else all(found)
        return made

    @cached_property
    def references(self) -> dict[str, str]:
        """The precision that stands for each model."""
        return {m: self.params.reference_of(m) for m in self.params.models}

    @cached_property
    def pairs(self) -> list[Row]:
        """Rows of `pairs` at the position, controls among them: `kind` says which."""
        return self.tables["pairs"].filter(position=self.position or self.params.report.position).to_dicts()

    @property
    def reliability(self) -> float | None:
        """The median reliability of the trained models' geometries."""
        found = self.tables["maturity"]["reliability"].median()
        return found if isinstance(found, float) else None

    @property
    def design(self) -> tuple[int, int]:
        """Emotions and topics of the stories that the trained models' geometries rest on."""
        stories = self.tables["geometry"].filter(pl.col("seed").is_null(), setting=STORIES)
        return stories["n_emotions"][0], stories["n_units"][0]

    def family(self, model: str) -> str:
        return self.entries[model].family

    def lineage(self, model: str) -> str:
        return self.entries[model].lineage

    def is_mature(self, model: str) -> bool | None:
        """None where this run cannot say."""
        return self.mature.get(self.family(model))

    def stands_for(self, model: str, family: str, tuning: str) -> str | None:
        """The model itself where it was read; else one of its family and tuning, the largest; None where there is none."""
        if model in self.trained:
            return model
        own = [m for m in self.trained if self.family(m) == family and self.entries[m].tuning == tuning]
        return max(own, key=lambda m: self.entries[m].parameters, default=None)


def as_published(table: pl.DataFrame, setting: str) -> pl.DataFrame:
    """The rows that rest on three texts of each label: of the study's own passages where these were read, else of stories."""
    rows = table.filter(n_units=THREE)
    passages = rows.filter(pl.col(setting) != STORIES)
    return passages if passages.height else rows


def said_of(rows: Iterable[Row], otherwise: str) -> str:
    """The first reason that rows give for a number that they lack; `otherwise` where none gives one."""
    return next((r["reason"] for r in rows if r["reason"]), otherwise)


def lacking(protocol: str, reason: str, about: str = "") -> Judged:
    """A claim of which this run has no number."""
    return Judged(protocol, Number(about, None, reason=reason, n=0), Verdict(NOT_TESTABLE, reason))
