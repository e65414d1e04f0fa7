"""The whole of `params.yaml`, and what its sections say of each other. The plan checks it before anything starts; no stage
depends on it."""

from __future__ import annotations

from itertools import combinations
from typing import Self

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from pipeline.params.base import Strict, are_among
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.confounds import ConfoundsSections
from pipeline.params.corpus import CorpusSections
from pipeline.params.fetch import FetchSections
from pipeline.params.geometry import GeometrySections
from pipeline.params.gram import GramSections
from pipeline.params.human import HumanSections
from pipeline.params.imported import ImportedSections
from pipeline.params.maturity import MaturitySections
from pipeline.params.reading import NEUTRAL, STORIES
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections
from pipeline.params.shared import SharedSections
from pipeline.params.steering import SteeringSections
from pipeline.params.vectors import VectorsSections
from pipeline.params.writing import WritingSections


class Params(
    WritingSections,
    FetchSections,
    VectorsSections,
    ConfoundsSections,
    CorpusSections,
    GeometrySections,
    RsaSections,
    GramSections,
    ImportedSections,
    HumanSections,
    SharedSections,
    SteeringSections,
    BehaviourSections,
    MaturitySections,
    ReportSections,
    Strict,
):
    """Every section; an unknown one is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str

    @property
    def settings_written(self) -> list[str]:
        """The settings in which some model writes, each once."""
        return list(dict.fromkeys(w.setting for w in self.writings)) if self.write.models else []

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        are_among(self.write.positions, list(self.positions), "write.positions", "positions")
        stories = self.readings[STORIES].positions
        are_among(self.geometry.positions, stories, "geometry.positions", "readings.stories.positions")
        are_among([self.report.position], self.geometry.positions, "report.position", "geometry.positions")
        if self.vectors.settings != "all":
            are_among(self.vectors.settings, list(self.write.settings), "vectors.settings", "write.settings")
        lists: dict[str, list[str]] = {
            "read.models": self.read.models,
            "read_untrained.models": self.read_untrained.models,
            "words": [*self.words],
        }
        for (one, names), (other, names_too) in combinations(lists.items(), 2):
            if both := sorted(set(names) & set(names_too)):
                raise PydanticCustomError(
                    "models", "{names}: in {one} and in {other}", {"names": ", ".join(both), "one": one, "other": other}
                )
        return self

    @model_validator(mode="after")
    def _writers_read_the_stories(self) -> Self:
        if strangers := sorted(set(self.write.models) - set(self.read.models)):
            raise PydanticCustomError("models", "write.models: {names}: not among read.models", {"names": ", ".join(strangers)})
        for position in self.write.positions if self.writings_read else ():
            if position not in self.readings[NEUTRAL].positions:
                raise PydanticCustomError(
                    "position",
                    "write.positions: '{position}' is not among readings.neutral.positions, from which the neutral components"
                    " of what is written come",
                    {"position": position},
                )
        for position in self.write.positions:
            if self.positions[position].word is not None:
                raise PydanticCustomError(
                    "position",
                    "write.positions: '{position}' counts words, and what a model wrote is read as its tokens; take another",
                    {"position": position},
                )
            if (needed := self.positions[position].tokens_needed) > self.write.fewest_tokens:
                raise PydanticCustomError(
                    "position",
                    "write.positions: '{position}' needs {needed} tokens, more than write.fewest_tokens ({fewest}) asks",
                    {"position": position, "needed": needed, "fewest": self.write.fewest_tokens},
                )
        for name in [p for r in self.writings_read for p in (r.read, r.written)]:
            if name not in self.read.precisions:
                raise PydanticCustomError(
                    "precision",
                    "writings_read: {precision} is not among read.precisions, whose stories its layers come from",
                    {"precision": name},
                )
        return self

    @model_validator(mode="after")
    def _steered_and_asked_models_are_read(self) -> Self:
        self.steering.leads_somewhere(self.read.models, self.read.precisions, self.geometry.positions)
        self.behaviour.leads_somewhere(self.read.models, self.read.precisions)
        return self
