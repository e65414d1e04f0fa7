"""The report's sections in their order: a question, its answer in words, a figure. The page shows them, the terminal ends
with their short answers.

python -m analysis.report.sections
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from analysis.report import behaviour, choices, claims, confounds, figures, findings, human, pair, published, steering, stories
from analysis.report.figures import Chart
from analysis.report.findings import Finding
from analysis.report.view import View, load_view
from pipeline.errors import run_stage
from pipeline.schemas.every import TABLES
from pipeline.store import layout, tables


@dataclass(frozen=True)
class Section:
    finding: Callable[[View], Finding]
    figure: Callable[[View], Chart]
    caption: str
    table: Callable[[View], tuple[list[str], list[list[str]]]] | None = None


SECTIONS = (
    Section(claims.finding, claims.figure, claims.CAPTION, claims.table),
    Section(published.finding, published.figure, published.CAPTION),
    Section(findings.similar, figures.similar, figures.CAPTIONS["similar"]),
    Section(pair.finding, pair.figure, pair.CAPTION),
    Section(choices.finding, choices.figure, choices.CAPTION),
    Section(stories.finding, stories.figure, stories.CAPTION),
    Section(human.finding, human.figure, human.CAPTION),
    Section(findings.depth, figures.depth, figures.CAPTIONS["depth"]),
    Section(findings.noise, figures.noise, figures.CAPTIONS["noise"]),
    Section(findings.passages, figures.passages, figures.CAPTIONS["passages"]),
    Section(findings.precision, figures.precision, figures.CAPTIONS["precision"]),
    Section(confounds.finding, confounds.figure, confounds.CAPTION),
    Section(behaviour.finding, behaviour.figure, behaviour.CAPTION),
    Section(steering.finding, steering.figure, steering.CAPTION),
)


def main(arguments: list[str]) -> None:
    """Print the headline numbers, and where everything is."""
    view = load_view()
    print()
    for section in SECTIONS:
        finding = section.finding(view)
        print(textwrap.fill(f"{finding.question} {finding.short}", width=110, subsequent_indent="    "))
    report, listed = layout.REPORT / "index.html", ", ".join(str(tables.table_path(name)) for name in TABLES)
    print(f"\nreport   {report}\ntables   {listed}\nvectors  {layout.VECTORS}")


if __name__ == "__main__":
    run_stage(main)
