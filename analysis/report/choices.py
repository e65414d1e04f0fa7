"""Robustness: one choice of the analysis changed at a time, every layer against every layer, other sets of emotions, another
author's stories."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
from scipy import stats

from analysis.readers.kinds import TWO_LINEAGES
from analysis.report.beyond import unsaid
from analysis.report.colours import ACCENT, INK, MUTED, RHO, colours, legend
from analysis.report.figures import WIDE, points, tall, tips
from analysis.report.numbers import NOT_ESTIMABLE, interval, number
from analysis.report.shown import OF_PAIR, Panel, Section, Source
from analysis.report.similar import COLUMNS
from analysis.report.view import View
from pipeline.schemas.choices import FEWER_EMOTIONS, LAYERS, ONE_SIDED, STORIES

MAPS = 4


def _name(row: dict[str, str | None]) -> str:
    choice, value = str(row["choice"]), row["value"]
    return f"{choice} {value}" if value else ONE_SIDED[choice].removeprefix("the ")


def _changes(view: View) -> pl.DataFrame:
    """Every choice: of a trained reader against itself (`who` its model), and of pairs of two lineages (`who` is null)."""
    here = view.otherwise(*ONE_SIDED)
    itself = pl.col("reader_a") == pl.col("reader_b")
    kept = here.filter(~pl.col("untrained_a"), ~pl.col("only_words_a"), ~pl.col("untrained_b"), ~pl.col("only_words_b"))
    between = view.pairs(TWO_LINEAGES).select("reader_a", "reader_b", between=True)
    kept = kept.join(between, on=["reader_a", "reader_b"], how="left").filter(itself | pl.col("between").fill_null(False))
    units = kept["n_units"].to_list()
    half = float(stats.t.ppf(0.975, max(units) - 1)) if units else 0.0
    change, se = pl.col("change"), pl.col("change_se")
    return kept.with_columns(
        pl.when(itself).then(pl.col("model_a")).alias("who"),
        pl.when(itself)
        .then(pl.col("reader_a"))
        .otherwise(pl.col("reader_a") + pl.lit(" x ") + pl.col("reader_b"))
        .alias("pair"),
        pl.struct("choice", "value").map_elements(_name, return_dtype=pl.String).alias("name"),
        (change - half * se).alias("low"),
        (change + half * se).alias("high"),
    )


def _lost(tried: pl.DataFrame) -> str:
    return ", ".join(tried.filter(pl.col("change").is_null())["name"].unique().sort())


def section(view: View) -> Section:
    tried, margin = _changes(view), view.params.rsa.equivalence
    rows = tried.drop_nulls("change")
    words, panels = [], []
    order = sorted(rows["name"].unique().to_list())
    for title, of in (
        ("A model against itself, the choice changed on one side", pl.col("who").is_not_null()),
        ("Two models, the choice changed on both sides", pl.col("who").is_null()),
    ):
        own, n_tried = rows.filter(of), tried.filter(of).height
        if own.is_empty():
            continue
        n_lost = n_tried - own.height
        lost = f" For {n_lost} it is {NOT_ESTIMABLE} ({_lost(tried.filter(of))})." if n_lost else ""
        largest = f"The largest{' of the others' if n_lost else ''}"
        equal = own.filter(pl.col("p_equivalent") < 0.05).height
        row = own.sort(pl.col("change").abs(), descending=True).row(0, named=True)
        words.append(
            f"{title}: for {equal} of {n_tried} changes, rho_dis is shown to move by less than {margin}.{lost} {largest}:"
            f" {row['name']} ({row['pair']}), {interval(row['change'], row['low'], row['high'])}."
        )
        y = alt.Y("name:N", sort=order, title=None)
        colour: Any = colours(view) if own["who"].null_count() == 0 else alt.value(ACCENT)
        chart = points(
            own.select("who", "pair", "name", "change", "low", "high"),
            y,
            "change",
            "low",
            "high",
            "change of rho_dis",
            color=colour,
        )
        band = alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]})).mark_rect(color=MUTED, opacity=0.16)
        zero = alt.Chart(pl.DataFrame({"low": [0.0]})).mark_rule(stroke=INK, strokeDash=[2, 3]).encode(x="low:Q")
        panels.append(
            Panel(
                title, (band.encode(x="low:Q", x2="high:Q") + zero + chart).properties(height=tall(own, "name", 20), **WIDE), 3
            )
        )
    words += _second(view)
    if not words:
        reasons = tried["reason"].drop_nulls().unique().sort().to_list() or ["no reader has a best layer"]
        words = [f"{NOT_ESTIMABLE.capitalize()}: {reasons[0]}."]
    caption = (
        "One choice changed, all else equal: the change of rho_dis with its 95% interval over topics. Grey band: the margin of"
        " equivalence. A reader against itself would have rho_dis 1 without the change. The"
        " layer stays as it is: at another position or scaling the best one may be another (section on what is left)."
    )
    where: dict[str, Any] = {"choice": [*ONE_SIDED], **view.readout}
    columns: tuple[str, ...] = (
        *OF_PAIR,
        "choice",
        "value",
        "changed",
        "rho_dis",
    )
    columns += ("change", "change_se", "p_equivalent", "reason")
    stories: tuple[str, ...] = (*OF_PAIR, "layer_a", "layer_b", "n_emotions", "n_units", "rho_whole", "rho_cross")
    stories += ("reliability_a", "reliability_b", "rho_dis", "rho_dis_low", "rho_dis_high", "reason")
    sources = [Source("choices", where, columns), Source("choices", {"choice": STORIES, **view.readout}, stories)]
    question = "What if another choice had been made? (robustness checks)"
    mine = legend(view, rows.drop_nulls("who")) if rows.height else []
    return Section("choices", question, words, caption, panels, sources, mine)


def _second(view: View) -> list[str]:
    made = []
    for r in view.otherwise(STORIES).filter(~pl.col("only_words_a") & ~pl.col("only_words_b")).iter_rows(named=True):
        who = (
            f"{r['reader_a']} on our stories, {r['reader_b']} on those of {r['setting_b']}, {r['n_emotions']} labels in common"
        )
        if r["rho_dis"] is None:
            made.append(f"{who}: {NOT_ESTIMABLE} ({r['reason']}).")
        else:
            made.append(f"{who}: rho_dis {interval(r['rho_dis'], r['rho_dis_low'], r['rho_dis_high'])}.")
    return made


def layers(view: View) -> Section:
    here = view.otherwise(LAYERS)
    wanted = list(dict.fromkeys(here.select("reader_a", "reader_b").iter_rows()))[:MAPS]
    panels, words = [], []
    for a, b in wanted:
        own = here.filter(reader_a=a, reader_b=b)
        known = own.drop_nulls("rho_cross").sort("rho_cross")
        who = f"{a} with itself" if a == b else f"{a} x {b}"
        if known.height:
            top = known.row(-1, named=True)
            words.append(f"{who}: highest rho_cross {number(top['rho_cross'])}, layers {top['layer_a']} and {top['layer_b']}.")
        x = alt.X("layer_a:O", title=f"layer of {a}", axis=alt.Axis(labelOverlap=True, grid=False, labelAngle=0))
        y = alt.Y("layer_b:O", title=f"layer of {b}", sort="descending", axis=alt.Axis(labelOverlap=True, grid=False))
        tooltip: list[Any] = ["layer_a:O", "layer_b:O", *tips("rho_same", "rho_cross")]
        base = alt.Chart(own.select("layer_a", "layer_b", "rho_same", "rho_cross")).mark_rect()
        chart = base.encode(
            x=x,
            y=y,
            color=alt.Color("rho_cross:Q", scale=RHO, legend=alt.Legend(title="rho_cross", orient="bottom")),
            tooltip=tooltip,
        )
        panels.append(Panel(who, chart.properties(height=320, **WIDE), 3))
    caption = (
        "Every layer of one reader against every layer of the other, on different topics. The best of them is chosen after the"
        " fact: do not quote it as an estimate."
    )
    columns: tuple[str, ...] = (*COLUMNS[:-1], "layer_a", "layer_b", "rho_same", "rho_cross")
    source = Source("choices", {"choice": LAYERS, **view.readout}, columns)
    return Section(
        "layers",
        "Would other layers agree more? (layer by layer)",
        words or ["No two readers are on the map."],
        caption,
        panels,
        [source],
    )


def subsets(view: View) -> Section:
    rows = (
        view.raw["choices"]
        .filter(choice=FEWER_EMOTIONS)
        .join(
            view.raw["pairs"]
            .filter(kind=TWO_LINEAGES, is_reference=True, **view.at)
            .select("model_a", "model_b", "precision_a", "precision_b", "setting_a", "setting_b"),
            on=["model_a", "model_b", "precision_a", "precision_b", "setting_a", "setting_b"],
            how="semi",
        )
    )
    tried = rows.with_columns((pl.col("model_a") + pl.lit(" x ") + pl.col("model_b")).alias("pair"))
    rows, drawn = tried.drop_nulls("rho_dis"), tried.filter(pl.col("n_drawn") > 1)  # all the emotions are one set
    caption = "Random subsets of the emotions: the median rho_dis, and a bar from its 5% to its 95% quantile over subsets."
    columns: tuple[str, ...] = (*COLUMNS[:-1], "n_emotions", "n_drawn", "rho_dis", "drawn_5", "drawn_95", "reason")
    sources = [Source("choices", {"choice": FEWER_EMOTIONS}, columns)]
    question = "Would fewer or other emotions give another answer?"
    told = drawn.drop_nulls("rho_dis")
    if told.is_empty():
        why = unsaid(view)
        if drawn.height:
            why = f"Cannot be said: {drawn['reason'].drop_nulls().sort()[0]}."
        elif view.pairs(TWO_LINEAGES).height and view.labels:
            why = f"Cannot be said: {len(view.labels)} emotions are too few for smaller sets of them."
        return Section("subsets", question, [why], caption, [], sources)
    words = []
    for (pair,), own in told.sort("n_emotions").group_by("pair", maintain_order=True):
        fewest, half = own.row(0, named=True), own.row(own.height // 2, named=True)
        said = [
            f"with {r['n_emotions']} of the emotions rho_dis is {number(r['rho_dis'])}, and in nine of ten choices of these"
            f" between {number(r['drawn_5'])} and {number(r['drawn_95'])}"
            for r in (fewest, half)[: own.height]
        ]
        words.append(f"{pair}: {'; '.join(said)}.")
    base = alt.Chart(rows.select("pair", "n_emotions", "rho_dis", "drawn_5", "drawn_95")).encode(
        x=alt.X("n_emotions:O", title="emotions in a subset", axis=alt.Axis(labelAngle=0)),
        xOffset="pair:N",
        tooltip=["pair:N", "n_emotions:Q", *tips("rho_dis", "drawn_5", "drawn_95")],
    )
    y = alt.Y("drawn_5:Q", title="rho_dis", scale=alt.Scale(zero=False))
    chart = base.mark_rule(strokeWidth=3, opacity=0.5, color=ACCENT).encode(y=y, y2="drawn_95:Q") + base.mark_point(
        filled=True, size=70, color=ACCENT, opacity=1
    ).encode(y="rho_dis:Q")
    return Section("subsets", question, words, caption, [Panel("", chart.properties(height=260, **WIDE))], sources)
