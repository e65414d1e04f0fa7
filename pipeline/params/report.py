"""What `params.yaml` says of the report: the position and the variant that headline figures use."""

from __future__ import annotations

from typing import Literal

from pipeline.params.base import Name, Sections, Strict


class Report(Strict):
    position: Name
    variant: Literal["centred", "denoised"] = "centred"


class ReportSections(Sections):
    report: Report
