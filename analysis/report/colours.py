"""One colour for each reader on the whole page, and the names under which readers are drawn.

Colours that colour-blind readers tell apart: Okabe and Ito 2008, then Tol's muted scheme. The page swaps ink for its light
counterpart when it is dark.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.view import EMBEDDINGS_OF, View

INK, MUTED, ACCENT, WARM, FAINT = "#1f2430", "#8a90a0", "#0072b2", "#d55e00", "#d9dde5"
PALETTE = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#882255", "#999933", "#6f4fbf", "#44aa99", "#a05a2c", "#7a86c8"),
)
OF_WORDS = ("#6b7280", "#b08d3c")
RHO = alt.Scale(domain=[0, 1], range=["#eef3f8", "#9cc3dd", "#3d8cc0", "#0b5487", "#08304f"], clamp=True)
UNTRAINED = "untrained networks"
SHOWN = "indexof(hidden, datum.who) < 0"
"""Of a chart with the parameter `hidden`: the names that the page's legend leaves."""


def who() -> pl.Expr:
    """The name under which a reader is drawn: its model or reader of words; all untrained draws are one."""
    return pl.when(pl.col("untrained")).then(pl.lit(UNTRAINED)).otherwise(pl.col("model")).alias("who")


def names(view: View) -> list[str]:
    """All such names in their order: models, readers of words, untrained networks."""
    return [*view.trained, *view.word_readers, *([UNTRAINED] if len(view.trained) < len(view.entries) else [])]


def colour_of(view: View) -> dict[str, str]:
    """The colour of every name; a model's input embeddings have the model's."""
    models = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(view.trained)}
    words = {name: OF_WORDS[i % len(OF_WORDS)] for i, name in enumerate(view.params.words)}
    embeddings = {name + EMBEDDINGS_OF: colour for name, colour in models.items()}
    return {name: (models | words | embeddings | {UNTRAINED: MUTED})[name] for name in names(view)}


def colours(view: View) -> alt.Color:
    """The channel; no legend, since the page has its own."""
    known = colour_of(view)
    return alt.Color("who:N", scale=alt.Scale(domain=list(known), range=list(known.values())), legend=None)


def dashes(view: View) -> alt.StrokeDash:
    """Models in full lines, what knows words alone in dashes, untrained networks in dots."""
    known = {n: [1, 0] if n in view.trained else [2, 3] if n == UNTRAINED else [6, 3] for n in names(view)}
    return alt.StrokeDash("who:N", scale=alt.Scale(domain=list(known), range=list(known.values())), legend=None)


def legend(view: View, rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Name and colour of everybody in `rows`, in the page's order."""
    present = set(rows["who"])
    return [(name, colour) for name, colour in colour_of(view).items() if name in present]


def toggled(chart: Any) -> Any:
    """A chart whose `who` the page's legend can hide: clicking a name sets the parameter `hidden`."""
    return chart.add_params(alt.param(name="hidden", value=[])).transform_filter(SHOWN)
