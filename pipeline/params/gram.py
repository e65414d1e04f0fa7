"""What `params.yaml` says of the Gram matrices that are published: with how many bits, and of whom."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Gram(Strict):
    bits: int = Field(default=14, ge=8, le=23, description="of each number's mantissa; 23 keeps all of a float32")
    draws: int | None = Field(
        default=None, ge=0, description="of an untrained twin, at the layers that a rule chooses; null: all draws, all layers"
    )


class GramSections(Sections):
    gram: Gram = Gram()
