"""What several figures share: bands over untrained draws, curves over depth, points with intervals."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.report.colours import colours, dashes, toggled
from analysis.report.view import View

WIDE: dict[str, Any] = {"width": "container"}


def tips(*columns: str, digits: int = 3) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{c}:Q", format=f".{digits}f") for c in columns]


def tall(rows: pl.DataFrame, column: str, step: int) -> int:
    """The height of a drawing with a row of `step` pixels for each value of a column."""
    return step * max(rows[column].n_unique(), 1)


def reaching(ends: list[float], *values: pl.Series) -> alt.Scale:
    """A scale that has these ends, and more where values lie beyond them."""
    known = [v for series in values for v in series.drop_nulls()]
    return alt.Scale(domain=[min([ends[0], *known]), max([ends[1], *known])])


def band(rows: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    """Median, minimum and maximum of a column over what `by` leaves open."""
    grouped = rows.drop_nulls(value).group_by(by, maintain_order=True)
    c = pl.col(value)
    return grouped.agg(c.median().alias("middle"), c.min().alias("low"), c.max().alias("high"), pl.len().alias("n"))


def level(curves: pl.DataFrame) -> pl.DataFrame:
    """Readers of words have no depth: they are drawn as a level line from one end to the other."""
    ends = [curves.filter("only_words").with_columns(pl.lit(depth).alias("depth")) for depth in (0.0, 1.0)]
    return pl.concat([curves.filter(~pl.col("only_words")), *ends])


def with_se(curves: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    """`middle`, `low`, `high` of every `model`: one standard error about a trained one's value, the range over the draws of an
    untrained one."""
    se = pl.col(f"{value}_se").fill_null(0)
    trained = curves.filter(~pl.col("untrained")).with_columns(
        pl.col(value).alias("middle"), (pl.col(value) - se).alias("low"), (pl.col(value) + se).alias("high")
    )
    columns = [*by, "model", "middle", "low", "high"]
    untrained = band(curves.filter("untrained"), value, [*by, "model"])
    return pl.concat([trained.select(columns), untrained.select(columns)]).drop_nulls("middle")


def curves(view: View, rows: pl.DataFrame, x: Any, title: str, domain: list[float] | None = None) -> Any:
    """A line and its band for everybody in `who`; for each `model`, where rows say which: twins have one name and each its own
    layers."""
    base = alt.Chart(rows).encode(x=x, color=colours(view))
    if "model" in rows.columns:
        base = base.encode(detail="model:N")
    area = base.mark_area(opacity=0.16).encode(y="low:Q", y2="high:Q")
    scale = reaching(domain, rows["low"], rows["high"]) if domain else alt.Scale(zero=False)
    known = [c for c in ("layer", "n_units", "depth") if c in rows.columns]
    line = base.mark_line(strokeWidth=2.2, point=alt.OverlayMarkDef(size=16)).encode(
        y=alt.Y("middle:Q", title=title, scale=scale),
        strokeDash=dashes(view),
        tooltip=["who:N", *(f"{c}:Q" for c in known), *tips("middle", "low", "high")],
    )
    return toggled(area + line)


def points(rows: pl.DataFrame, y: Any, value: str, low: str, high: str, title: str, **channels: Any) -> Any:
    """Points with their intervals, one row each."""
    named = [f"{c}:N" for c in ("pair", "who", "name", "emotion", "measure") if c in rows.columns]
    base = alt.Chart(rows).encode(y=y, tooltip=[*named, *tips(value, low, high)], **channels)
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x=alt.X(f"{low}:Q", title=title), x2=f"{high}:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X(f"{value}:Q", title=title))
    return bars + dots if rows[low].drop_nulls().len() else dots


def matrix(rows: pl.DataFrame, x: Any, y: Any, value: str, scale: alt.Scale, tooltip: list[Any], text: str | None) -> Any:
    """A heat map; `text`: the format of its numbers, or none."""
    base = alt.Chart(rows).encode(x=x, y=y, tooltip=tooltip)
    cells = base.mark_rect().encode(color=alt.Color(f"{value}:Q", scale=scale, legend=None))
    if text is None:
        return cells
    ends: list[float] = list(scale.domain)
    light = f"datum.{value} > {(ends[0] + ends[1]) / 2}"
    colour = alt.condition(light, alt.value("#ffffff"), alt.value("#111827"))
    return cells + base.mark_text(fontSize=10).encode(text=alt.Text(f"{value}:Q", format=text), color=colour)
