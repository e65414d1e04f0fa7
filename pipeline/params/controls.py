"""What `params.yaml` says of the controls: how often labels are shuffled and topics drawn."""

from __future__ import annotations

from pydantic import Field

from pipeline.params.base import Sections, Strict


class Controls(Strict):
    shuffles: int = Field(default=200, ge=2)
    bootstrap: int = Field(default=1000, ge=2)


class ControlsSections(Sections):
    controls: Controls
