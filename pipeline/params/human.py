"""What `params.yaml` says of human ratings: how often topics are drawn."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Human(Strict):
    bootstrap: int = Field(default=1000, ge=2)


class HumanSections(Sections):
    human: Human
