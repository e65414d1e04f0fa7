"""The figures of the report, one per finding, as Altair charts. Data come in as tables and leave unrounded in tooltips."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, TWO_UNTRAINED, UNTRAINED, WORDS
from analysis.report.view import View
from analysis.rsa.names import CV, PAPER

Chart = alt.TopLevelMixin
INK, MUTED, ACCENT, WARM = "#1f2430", "#8a90a0", "#2457a6", "#c2571a"
PALETTE = [ACCENT, WARM, "#2f7d4f", "#7a4ea3", "#a33b56", "#3b8f9c"]
RHO = alt.Scale(domain=[0, 1], range=["#f4f6fa", ACCENT], clamp=True)
CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "view": {"stroke": None},
    "axis": {"labelColor": INK, "titleColor": INK, "grid": True, "gridColor": "#eceef2", "domain": False, "labelLimit": 260},
    "header": {"labelFontWeight": 600, "labelFontSize": 12, "title": None},
    "legend": {"orient": "top", "title": None, "labelLimit": 400, "symbolOpacity": 1},
    "range": {"category": PALETTE},
}


KINDS = (TWO_LINEAGES, UNTRAINED, WORDS, TWO_UNTRAINED)
CAPTIONS = {
    "similar": "Spearman's rho between the RDMs of every two readers, each at its own best_layer_cv.",
    "depth": "Held-out nearest-centroid accuracy per layer; band: range over untrained draws. Solid rule: best_layer_cv;"
    " dashed rule: best_layer_paper; dotted line: chance.",
    "noise": "Split-half reliability of the RDM per layer, at each position that was read; band: one standard error, or the"
    " range over untrained draws.",
    "passages": "Spearman's rho at matched depth, both curves from half of the topics on each side; line: median over pairs,"
    " band: range over pairs.",
    "precision": "Left: what is lost on identical tokens. Right: rho_cross against its ceiling, one point per depth.",
}


def styled(chart: Chart) -> Any:
    """A whole figure in the page's type and colours."""
    return chart.configure(**CONFIG)


def similar(view: View) -> alt.HConcatChart | alt.VConcatChart:
    """The RSA grid at best_layer_cv: on the same stories, and across topics with each reader's reliability as diagonal."""
    columns = ["reader_a", "reader_b", "rho_same", "rho_cross", "reliability_a", "reliability_b", "rho_dis"]
    pairs = view.pairs().select(columns)
    mirrored = pairs.rename({"reader_a": "reader_b", "reader_b": "reader_a"}).select(columns)
    own = view.at_best_layer().select(
        pl.col("reader").alias("reader_a"),
        pl.col("reader").alias("reader_b"),
        pl.lit(1.0).alias("rho_same"),
        pl.col("reliability").alias("rho_cross"),
    )
    order = view.grid()
    shown = pl.col("reader_a").is_in(order) & pl.col("reader_b").is_in(order)
    rows = pl.concat([pairs, mirrored, own], how="diagonal").filter(shown)

    def grid(value: str, title: str, labels: bool) -> alt.LayerChart:
        base = alt.Chart(rows, title=alt.Title(title, anchor="start", fontSize=13)).encode(
            x=alt.X("reader_a:N", sort=order, title=None, axis=alt.Axis(labelAngle=-90, grid=False)),
            y=alt.Y("reader_b:N", sort=order, title=None, axis=alt.Axis(grid=False) if labels else None),
            tooltip=[
                alt.Tooltip("reader_a:N", title="a"),
                alt.Tooltip("reader_b:N", title="b"),
                *(alt.Tooltip(f"{c}:Q", format=".4f") for c in ("rho_same", "rho_cross", "rho_dis")),
            ],
        )
        cells = base.mark_rect(stroke="white", strokeWidth=1.5).encode(color=alt.Color(f"{value}:Q", scale=RHO, legend=None))
        text = base.mark_text(fontSize=11).encode(
            text=alt.Text(f"{value}:Q", format=".2f"),
            color=alt.condition(f"datum.{value} > 0.55", alt.value("white"), alt.value(INK)),
        )
        both: alt.LayerChart = (cells + text).properties(width=alt.Step(40), height=alt.Step(30))
        return both

    same, cross = "same stories (rho_same)", "different topics (rho_cross; diagonal: reliability)"
    beside = len(order) <= 8  # more than that do not fit the page's width twice
    grids = grid("rho_same", same, labels=True), grid("rho_cross", cross, labels=not beside)
    return alt.hconcat(*grids) if beside else alt.vconcat(*grids)


def _band(rows: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    """Median, minimum and maximum of a column over what `by` leaves open."""
    grouped = rows.drop_nulls(value).group_by(by, maintain_order=True)
    c = pl.col(value)
    return grouped.agg(c.median().alias("middle"), c.min().alias("low"), c.max().alias("high"), pl.len().alias("n"))


UNTRAINED = "untrained draws"


def who() -> pl.Expr:
    """The name under which a reader is drawn: its model or reader of words; all untrained draws are one."""
    return pl.when(pl.col("untrained")).then(pl.lit(UNTRAINED)).otherwise(pl.col("model")).alias("who")


def names(view: View) -> list[str]:
    """All such names in their order: models, readers of words, untrained draws."""
    return [*view.trained, *view.word_readers, *([UNTRAINED] if len(view.trained) < len(view.entries) else [])]


def colours(view: View) -> alt.Scale:
    """One colour for each name, the same in every figure."""
    known = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(view.trained)} | dict.fromkeys(view.word_readers, INK)
    return alt.Scale(domain=names(view), range=[(known | {UNTRAINED: MUTED})[name] for name in names(view)])


def _over_depth(curves: pl.DataFrame) -> pl.DataFrame:
    """Readers of words have no depth: they are drawn as a level line from one end to the other."""
    level = curves.filter("only_words")
    ends = [level.with_columns(pl.lit(depth).alias("depth")) for depth in (0.0, 1.0)]
    return pl.concat([curves.filter(~pl.col("only_words")), *ends])


def depth(view: View) -> alt.LayerChart:
    """Held-out accuracy over depth, with the layers that both rules choose and the level of chance."""
    curves = view.curves().filter(pl.col("is_reference")).with_columns(who())
    rows = _band(_over_depth(curves), "accuracy", ["who", "depth", "layer"])
    colour = alt.Color("who:N", scale=colours(view))
    x = alt.X("depth:Q", title="depth (layer / number of layers)", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(rows).encode(x=x, color=colour)
    tips: list[Any] = [
        "who:N",
        "layer:Q",
        alt.Tooltip("middle:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f"),
        "high:Q",
        "n:Q",
    ]
    area = base.mark_area(opacity=0.18).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18)).encode(
        y=alt.Y("middle:Q", title="accuracy on held-out topics"), tooltip=tips
    )
    depths = curves.select("reader", "layer", "depth", "who")
    read = ~pl.col("untrained") & ~pl.col("only_words") & pl.col("is_reference")
    chosen = pl.concat([view.chosen(CV), view.chosen(PAPER)]).filter(read)
    marks = chosen.join(depths, on=["reader", "layer"]).select("depth", "layer_rule", "layer", "who")
    rules = (
        alt.Chart(marks)
        .mark_rule(strokeWidth=1.5)
        .encode(
            x="depth:Q",
            color=alt.Color("who:N", scale=colours(view)),
            strokeDash=alt.StrokeDash("layer_rule:N", scale=alt.Scale(domain=[CV, PAPER], range=[[1, 0], [4, 4]])),
            tooltip=["layer_rule:N", "layer:Q", "who:N"],
        )
    )
    chance = pl.DataFrame({"chance": [1 / curves["n_emotions"][0]]})
    floor = alt.Chart(chance).mark_rule(stroke=MUTED, strokeDash=[2, 3]).encode(y="chance:Q", tooltip=["chance:Q"])
    chart: alt.LayerChart = (floor + area + line + rules).properties(width=880, height=320)
    return chart


def noise(view: View) -> alt.FacetChart:
    """Split-half reliability over depth, with one standard error, at every position."""
    curves = _over_depth(view.curves(all_positions=True).filter(pl.col("is_reference")).with_columns(who()))
    se = pl.col("reliability_se").fill_null(0)
    trained = curves.filter(~pl.col("untrained")).with_columns(
        pl.col("reliability").alias("middle"),
        (pl.col("reliability") - se).alias("low"),
        (pl.col("reliability") + se).alias("high"),
    )
    untrained = _band(curves.filter("untrained"), "reliability", ["who", "position", "depth", "layer"])
    columns = ["who", "position", "depth", "layer", "middle", "low", "high"]
    rows = pl.concat([trained.select(columns), untrained.select(columns)]).drop_nulls("middle")
    base = alt.Chart().encode(
        x=alt.X("depth:Q", title="depth", scale=alt.Scale(domain=[0, 1])), color=alt.Color("who:N", scale=colours(view))
    )
    tips: list[Any] = ["who:N", "layer:Q", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("middle", "low", "high"))]
    area = base.mark_area(opacity=0.18).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=alt.Y("middle:Q", title="reliability of the RDM"), tooltip=tips)
    return alt.layer(area, line, data=rows).properties(width=420, height=270).facet(column="position:N")


def passages(view: View) -> alt.FacetChart:
    """rho over depth, on the same half of the topics and on different halves, for each kind of pair."""
    pairs = view.over_depth(*KINDS)
    names = {"rho_same_half": "same half of the topics", "rho_cross": "different halves"}
    rows = pl.concat(
        _band(pairs, value, ["kind", "depth"]).with_columns(pl.lit(words).alias("what")) for value, words in names.items()
    )
    kinds = [k for k in KINDS if k in rows["kind"].to_list()]
    colour = alt.Color("what:N", scale=alt.Scale(domain=list(names.values()), range=[WARM, ACCENT]))
    base = alt.Chart().encode(x=alt.X("depth:Q", title="matched depth", scale=alt.Scale(domain=[0, 1])), color=colour)
    tips: list[Any] = ["what:N", "depth:Q", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("middle", "low", "high")), "n:Q"]
    area = base.mark_area(opacity=0.18).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=True).encode(y=alt.Y("middle:Q", title="Spearman's rho"), tooltip=tips)
    chart = alt.layer(area, line, data=rows).properties(width=800 // max(len(kinds), 1), height=260)
    return chart.facet(column=alt.Column("kind:N", sort=kinds))


def precision(view: View) -> alt.HConcatChart:
    """What two precisions of one model disagree about on identical tokens, and how far they agree on different topics."""
    what = pl.col("model_a") + pl.lit(" ") + pl.col("precision_a") + pl.lit(" x ") + pl.col("precision_b")
    rows = view.over_depth(ONE_MODEL).with_columns(what.alias("pair"), (1 - pl.col("rho_same")).alias("lost"))
    x = alt.X("depth:Q", title="matched depth", scale=alt.Scale(domain=[0, 1]))
    tips: list[Any] = [
        "pair:N",
        "depth:Q",
        *(alt.Tooltip(f"{c}:Q", format=".5f") for c in ("rho_same", "rho_cross", "ceiling")),
    ]
    base = alt.Chart(rows).encode(x=x, color=alt.Color("pair:N"), tooltip=tips)
    left = base.transform_filter("isValid(datum.lost)").mark_line(point=True)
    lost = left.encode(y=alt.Y("lost:Q", title="1 - rho_same, identical tokens", scale=alt.Scale(type="symlog", constant=1e-4)))
    # rho_cross against its ceiling: on the line, precision changed nothing that a half of the topics can show
    points = alt.Chart(rows).mark_point(size=55, filled=True, opacity=0.8)
    cross = points.encode(
        x=alt.X("ceiling:Q", title="ceiling: sqrt(rel_a rel_b)"),
        y=alt.Y("rho_cross:Q", title="rho_cross, different topics"),
        color=alt.Color("pair:N"),
        tooltip=tips,
    )
    ends = rows.select(
        pl.min_horizontal("ceiling", "rho_cross").min(), pl.max_horizontal("ceiling", "rho_cross").max().alias("top")
    )
    low, high = ends.row(0)
    line = alt.Chart(pl.DataFrame({"v": [low, high]}, schema={"v": pl.Float64})).mark_line(stroke=MUTED, strokeDash=[3, 3])
    return alt.hconcat(
        lost.properties(width=400, height=270), (line.encode(x="v:Q", y="v:Q") + cross).properties(width=400, height=270)
    )
