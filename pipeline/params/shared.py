"""What `params.yaml` says of what two models share: how many halvings, subsets of emotions and orders of labels are drawn."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Shared(Strict):
    halvings: int = Field(default=40, ge=1, description="of the topics, for one emotion's agreement and for subsets")
    subsets: int = Field(default=50, ge=1, description="random subsets of emotions of each size")
    orders: int = Field(default=99, ge=1, description="random orders of labels that cross-model decoding is held against")


class SharedSections(Sections):
    shared: Shared
