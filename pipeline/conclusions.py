"""What `params.yaml` says of conclusions: the sections of the stages that come after measuring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.checked import Name, Names, Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Vectors(Strict):
    neutral_label: str | None = "neutral"
    neutral_variance: Share = 0.5


class Corpus(Strict):
    """The files that say what labels and topics are, and the sizes at which reliability is estimated."""

    emotions: Path = Path("data/stimuli/emotions.csv")
    topics: Path | None = None
    label_words: Path = Path("data/stimuli/label_words.csv")
    length: tuple[int, int] | None = None
    topics_per_half: list[Annotated[int, Field(ge=2)]] = Field(default=[])
    draws: int = Field(default=100, ge=1)


class Geometry(Strict):
    positions: Annotated[Names, Field(min_length=1)]
    halvings: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


class Rsa(Strict):
    depths: list[Share]
    bootstrap: int = Field(default=1000, ge=2)
    permutations: int = Field(default=9999, ge=1)
    equivalence: float = Field(default=0.1, gt=0, description="margin within which two numbers count as one")


class Controls(Strict):
    shuffles: int = Field(default=200, ge=2)
    bootstrap: int = Field(default=1000, ge=2)


class Maturity(Strict):
    """When a model counts as mature: the rule of `analysis.maturity`."""

    standard_errors: float = Field(default=2, ge=0)
    untrained: int = Field(default=5, ge=1, description="draws of untrained networks that the rule needs")


class Claims(Strict):
    """How verdicts are found: the rules of `analysis.verdicts`."""

    over: Literal["topics", "labels", "topics_and_labels"] = "topics_and_labels"
    largest_se: float = Field(default=0.15, gt=0, description="of what is left given a control that explains a claim")


class Report(Strict):
    position: Name
    variant: Literal["centred", "denoised"] = "centred"
