"""What `params.yaml` says of emotion vectors: what they are taken against, and what is removed from them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Vectors(Strict):
    neutral_label: str | None = "neutral"
    neutral_variance: float = Field(default=0.5, ge=0, le=1)
    positions: Literal["all"] | list[str] = Field(
        default="all", description="of the stories' readings, at which vectors are kept"
    )


class VectorsSections(Sections):
    vectors: Vectors
