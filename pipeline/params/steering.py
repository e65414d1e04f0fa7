"""What `params.yaml` says of steering: who is steered, towards what, how far, and what counts as which regime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.params.base import Name, Names, Sections, Strict, without_repeats

Rule = Literal["paper", "ours"]
EMOTIONS, RANDOM = "emotions", "random"
"""Targets of a kind, together; one random direction is `random#<n>`."""


def _in_order(values: list[float]) -> list[float]:
    if values != sorted(set(values)):
        raise PydanticCustomError("strengths", "each strength stands once, from the weakest to the strongest")
    return values


Strengths = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(_in_order)]


class Published(Strict):
    """The published rule: after every block, at every position, the label's unit vector times strength times the mean norm of
    the residual stream of that pass."""

    position: Name = Field(description="of the vectors; the layer is best_layer_paper there")
    strengths: Strengths
    scenarios: dict[Name, str] = Field(description="the label that each prompt is steered to")


class Ours(Strict):
    """Our rule: after the block of best_layer_cv alone, at every position, the label's unit vector times strength times the
    mean norm that neutral texts have there."""

    position: Name = Field(description="of the vectors; the layer is best_layer_cv there")
    emotions: Annotated[list[str], Field(min_length=1), AfterValidator(without_repeats)]
    strengths: Strengths
    random: int = Field(default=0, ge=0, description="random directions steered to, a control")
    seed: int = Field(
        default=0, ge=0, description="of the random directions, and of the halves of topics: one steers, one scores"
    )


class Thresholds(Strict):
    """What makes a text repetitive, broken or neither. The first four are the published ones."""

    times: int = Field(default=3, ge=2, description="a word 3-gram that stands so often makes a text repetitive")
    words: int = Field(default=3, ge=1, description="a text of fewer words is broken")
    repetitive: float = Field(default=0.5, ge=0, le=1, description="share of repetitive texts above which a model collapses")
    explosive: float = Field(default=0.3, ge=0, le=1, description="else, share of short texts above which it explodes")
    perplexity_ratio: float = Field(default=4.0, gt=1, description="ours: a text beyond it is broken, too")


class Steering(Strict):
    models: Names
    precisions: Annotated[list[str], AfterValidator(without_repeats)]
    prompts: Path = Field(description=".csv: id, set (paper, ours), prompt")
    max_new_tokens: int = Field(default=20, ge=2)
    batch_texts: int = Field(default=64, ge=1)
    paper: Published
    ours: Ours
    thresholds: Thresholds = Thresholds()

    def leads_somewhere(self, models: Sequence[str], precisions: Sequence[str], positions: Sequence[str]) -> None:
        """Raise PydanticCustomError for what is steered but not read, or has no best layer; nothing where nobody is steered."""
        if not self.models:
            return
        asked = {"models": self.models, "precisions": self.precisions}
        asked |= {"paper.position": [self.paper.position], "ours.position": [self.ours.position]}
        known = {"models": ("read.models", models), "precisions": ("read.precisions", precisions)}
        for key, names in asked.items():
            where, there = known.get(key, ("geometry.positions", positions))
            for name in names:
                if name not in there:
                    raise PydanticCustomError(
                        "steering",
                        "steering.{key}: '{name}' is not among {where} ({known})",
                        {"key": key, "name": name, "where": where, "known": ", ".join(there)},
                    )


class SteeringSections(Sections):
    steering: Steering
