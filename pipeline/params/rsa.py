"""What `params.yaml` says of comparing two readers: depths, draws, and the margin of equivalence."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.params.base import Sections, Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Rsa(Strict):
    depths: list[Share]
    bootstrap: int = Field(default=1000, ge=2)
    permutations: int = Field(default=9999, ge=1)
    triples: int = Field(default=20, ge=1, description="of topics, on which one passage stands against the two others")
    shuffles: int = Field(default=199, ge=1, description="of labels within topics, for p_shuffle")
    equivalence: float = Field(default=0.1, gt=0, lt=1, description="margin within which two numbers count as one")


class RsaSections(Sections):
    rsa: Rsa
