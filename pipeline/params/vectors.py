"""What `params.yaml` says of emotion vectors: what they are taken against, and what is removed from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import InputError, nearest
from pipeline.params.base import PARAMS, Sections, Strict, without_repeats


class Vectors(Strict):
    neutral_label: str | None = "neutral"
    emotions: Literal["all"] | Annotated[list[str], Field(min_length=3), AfterValidator(without_repeats)] = Field(
        default="all", description="that count in all that comes after the readings; the neutral label, which is none, stays"
    )
    neutral_variance: float = Field(default=0.5, ge=0, le=1)
    positions: Literal["all"] | list[str] = Field(
        default="all",
        description="of the stories' readings, at which vectors are kept; if a list, those of a writing are kept at its own",
    )
    settings: Literal["all"] | list[str] = Field(default="all", description="of writing, of which vectors are kept")
    draws: int | None = Field(default=None, ge=1, description="of an untrained twin, of which vectors are kept; null: all")

    def counts(self, label: str) -> bool:
        """Whether texts of a label count: of an emotion that counts, neutral ones, and those without a label."""
        return self.emotions == "all" or label in (*self.emotions, self.neutral_label, "")

    def are_there(self, labels: Iterable[str], where: object) -> None:
        """Raise InputError for an emotion that is to count and is not among the labels of `where`."""
        there = sorted(set(labels) - {self.neutral_label})
        for emotion in () if self.emotions == "all" else self.emotions:
            if emotion not in there:
                hint = nearest(emotion, there, f"there are {', '.join(there)}")
                raise InputError(f"{PARAMS}: vectors.emotions: '{emotion}' is not in {where}; {hint}")


class VectorsSections(Sections):
    vectors: Vectors
