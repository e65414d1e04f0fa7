"""How a run ends in the terminal: what was claimed, the answer in three sentences, the verdicts counted, and where all is.

python -m analysis.report.sections
"""

from __future__ import annotations

import textwrap

from analysis.report import answer
from analysis.report.view import View, load_view
from pipeline.errors import run_stage
from pipeline.store import layout, tables

WIDTH = 100


def ending(view: View) -> str:
    """The same sentences as on the page's first screen."""
    paragraphs = [answer.claimed(view), *answer.sentences(view)]
    counted = [f"{title}: {found}" for title, found in answer.counts(view).items()]
    lines = [textwrap.fill(p, width=WIDTH, break_on_hyphens=False, break_long_words=False) for p in paragraphs]
    places = [
        f"report   {layout.REPORT / 'index.html'}   (open it in a browser)",
        f"tables   {tables.table_path('pairs').parent}/   (docs/tables.md says what each column is)",
        f"vectors  {layout.VECTORS}",
    ]
    return "\n\n".join([answer.TITLE, *lines, "\n".join(counted), "\n".join(places)])


def main(arguments: list[str]) -> None:
    print("\n" + ending(load_view()))


if __name__ == "__main__":
    run_stage(main)
