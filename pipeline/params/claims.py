"""What `params.yaml` says of verdicts: the rules, fixed before any model is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Maturity(Strict):
    """When a model counts as mature: the rule of `analysis.claims.maturity`."""

    standard_errors: float = Field(default=2, ge=0)
    untrained: int = Field(default=5, ge=1, description="draws of untrained networks that the rule needs")


class MaturitySections(Sections):
    maturity: Maturity


class Claims(Strict):
    """How verdicts are found: the rules of `analysis.claims.rules`, with the margin `rsa.equivalence`."""

    over: Literal["topics", "labels"] = "topics"


class ClaimsSections(MaturitySections):
    claims: Claims
