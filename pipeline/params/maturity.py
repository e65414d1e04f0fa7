"""What `params.yaml` says of maturity. Rules of verdicts are not tuned to a run: a change of one is told in CHANGELOG.md."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Maturity(Strict):
    """When a model counts as mature: the rule of `analysis.claims.mature`."""

    untrained: int = Field(default=5, ge=1, description="draws of an untrained twin of the family that the rule needs")


class MaturitySections(Sections):
    maturity: Maturity
