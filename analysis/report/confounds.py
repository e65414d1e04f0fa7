"""Method and precision: the published comparisons beside ours, each difference's share of a distance, and what samples buy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from analysis.confounds.bias import biases
from analysis.report.colours import ACCENT, INK, MUTED, WARM, colour_of, colours, legend
from analysis.report.figures import WIDE, reaching, tall, tips
from analysis.report.numbers import NOT_ESTIMABLE, interval, number, spread
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View
from pipeline.params.reading import STORIES
from pipeline.schemas.confounds import TOTAL

REFERENCE = Path("data/reference/paper_confounds.csv")
READ = {"alone": "alone", "prompted": "after their prompt, which names the label"}


def _share(row: dict[str, Any]) -> str:
    return NOT_ESTIMABLE if row["share"] is None else interval(row["share"], row["ci_low"], row["ci_high"])


def _alike(row: dict[str, Any]) -> str:
    """How alike two geometries are of which no distance can be taken: beyond chance, something is shared."""
    if row["spearman"] is None or row["permuted_95"] is None:
        return ""
    return f"they correlate at {number(row['spearman'])}, unrelated ones by chance at up to {number(row['permuted_95'])}; "


def _from_to(row: dict[str, Any]) -> str:
    return f"{row['model']}, {row['experiment_a']} to {row['experiment_b']}"


def _reliabilities(row: dict[str, Any]) -> str:
    return f"reliabilities {number(row['reliability_a'])} and {number(row['reliability_b'])}"


def _published(view: View) -> pl.DataFrame:
    """The published comparisons of this run, and the bias between two of them, as the study has it."""
    rows = view.confounds.filter(factor=TOTAL).drop_nulls("comparison")
    if (bias := view.params.confounds.bias) is None:
        return rows
    return pl.concat([rows, biases(rows, *bias).with_columns(pl.lit("bias").alias("comparison"))], how="diagonal")


def _by_ours(view: View) -> list[str]:
    """Reading against writing in the attributions, for a run that has none of the paper's comparisons."""
    reads = [name for name, way in view.params.confounds.experiments.items() if way.source == STORIES]
    mixed = pl.col("experiment_a").is_in(reads) != pl.col("experiment_b").is_in(reads)
    rows = view.confounds.filter(mixed, factor=TOTAL)
    if rows.is_empty():
        return ["Cannot be said: no attribution goes from reading to writing."]
    words = [f"By our settings reading and writing correlate at {spread(rows['spearman'])}; the paper's own were not run."]
    return words + [f"{_from_to(r)}: {_alike(r)}{_reliabilities(r)}." for r in rows.iter_rows(named=True)]


def compared(view: View) -> Section:
    found = _published(view)
    rows = found.filter(pl.col("comparison") != "bias")
    readable = rows.filter(pl.col("reason").is_null()).drop_nulls("spearman")
    words = []
    if rows.is_empty():
        words += _by_ours(view) if view.writings.height else ["Cannot be said: no model's own texts were read."]
    elif readable.is_empty():
        words.append("Cannot be said here: in no comparison are both sides reliable enough. The table has each one's reason.")
    else:
        words.append(f"In {readable.height} of {rows.height} comparisons both sides are reliable enough.")
    for r in readable.iter_rows(named=True):
        words.append(f"{r['model']}, {r['comparison'].replace('_', ' ')}: {number(r['spearman'])}, {_reliabilities(r)}.")
    caption = (
        "Where one side is not reliable, a low correlation says nothing about the method, and a high one is told from chance by"
        " permuted_95. loose, matched, reliable: ways to ask for texts, described in params.yaml; corrected: the stories, read"
        " over all their tokens."
    )
    if rows.height:
        caption = (
            "The comparisons of the paper's four confounds under its own definitions: its figures (grey) and ours (colour)."
            f" Diamond: the ceiling of ours, where both sides are reliable. {caption}"
        )
    columns: tuple[str, ...] = (
        "model",
        "comparison",
        "experiment_a",
        "experiment_b",
        "layer_a",
        "layer_b",
        "n_stimuli_a",
        "n_stimuli_b",
        "spearman",
    )
    columns += ("permuted_95", "reliability_a", "reliability_b", "ceiling", "reason")
    source = Source("confounds", {"factor": TOTAL}, columns)
    question = "Does writing give another geometry than reading? (the paper's confounds)"
    panels = [Panel("", _beside_theirs(view, found))] if rows.height else []
    return Section(
        "confounds", question, words, caption, panels, [source], legend(view, rows.select(who="model")) if rows.height else []
    )


def _beside_theirs(view: View, found: pl.DataFrame) -> Any:
    theirs = pl.read_csv(REFERENCE).select(
        pl.col("layer").alias("comparison"), (pl.col("model") + ", published").alias("source"), "spearman"
    )
    ceiling = pl.when(pl.col("reason").is_null()).then("ceiling").alias("ceiling")  # where both sides are reliable
    ours = found.select("comparison", pl.col("model").alias("source"), "spearman", ceiling)
    order = found["comparison"].unique(maintain_order=True).to_list()
    rows = pl.concat([theirs, ours.drop("ceiling")]).filter(pl.col("comparison").is_in(order)).drop_nulls()
    order = [name.replace("_", " ") for name in order]
    rows, ours = (t.with_columns(pl.col("comparison").str.replace_all("_", " ")) for t in (rows, ours))
    rows = rows.with_columns(
        pl.when(pl.col("source").str.ends_with(", published")).then(pl.lit("published")).otherwise("source").alias("who")
    )
    y = alt.Y("comparison:N", sort=order, title=None)
    known = colour_of(view)
    colour = alt.Color("who:N", scale=alt.Scale(domain=[*known, "published"], range=[*known.values(), MUTED]), legend=None)
    bars = (
        alt.Chart(rows)
        .mark_bar(size=8)
        .encode(
            y=y,
            yOffset=alt.YOffset("source:N"),
            x=alt.X("spearman:Q", title="rank correlation"),
            color=colour,
            tooltip=["comparison:N", "source:N", *tips("spearman")],
        )
    )
    ceilings = alt.Chart(ours.drop_nulls("ceiling")).mark_point(shape="diamond", filled=True, size=70, color=WARM, opacity=1)
    if ours["ceiling"].null_count() == ours.height:
        return bars.properties(height=tall(rows, "comparison", 13 * rows["source"].n_unique()), **WIDE)
    return (bars + ceilings.encode(y=y, x="ceiling:Q", tooltip=tips("ceiling"))).properties(
        height=tall(rows, "comparison", 13 * rows["source"].n_unique()), **WIDE
    )


def shares(view: View) -> Section:
    words = []
    for r in view.confounds.filter(factor=TOTAL).iter_rows(named=True):
        name = _from_to(r)
        if r["share"] is None:
            words.append(f"{name}: {_alike(r)}no shares ({r['reason']}).")
            continue
        words.append(f"{name}: distance 1 - rho_dis {_share(r)}, of which")
        own = view.confounds.filter(
            pl.col("factor") != TOTAL, model=r["model"], experiment_a=r["experiment_a"], experiment_b=r["experiment_b"]
        )
        words[-1] += " " + "; ".join(f"{p['factor']} {_share(p)}" for p in own.iter_rows(named=True)) + "."
    caption = (
        "From one way to get a geometry to another: each difference's Shapley share of their distance 1 - rho_dis, in parts"
        " that add up to the total (dark). Bars in orange: 95% intervals over topics and prompts."
    )
    rows = steps(view)
    panels = [
        Panel(f"{model}: {pair}", _waterfall(own), 2)
        for (model, pair), own in rows.group_by("model", "pair", maintain_order=True)
    ]
    columns: tuple[str, ...] = (
        "model",
        "experiment_a",
        "experiment_b",
        "factor",
        "n_cells",
        "share",
        "ci_low",
        "ci_high",
        "reason",
    )
    sources = [Source("confounds", {}, columns)]
    question = "What does each confound add? (attribution of a distance)"
    return Section(
        "shares",
        question,
        words or ["Cannot be said: no model of write.models has two experiments of confounds.attributions."],
        caption,
        panels,
        sources,
    )


def steps(view: View) -> pl.DataFrame:
    """The bars of the waterfalls: of every attribution each share from where the last one ended, then the total from 0."""
    made: list[dict[str, Any]] = []
    keys = ["model", "experiment_a", "experiment_b"]
    for key, rows in view.confounds.drop_nulls("share").group_by(keys, maintain_order=True):
        parts = [r for r in rows.iter_rows(named=True) if r["factor"] != TOTAL]
        (total,) = (r for r in rows.iter_rows(named=True) if r["factor"] == TOTAL)
        if not parts:
            continue
        end = 0.0
        for row in [*parts, total]:
            start = 0.0 if row["factor"] == TOTAL else end
            end = start + row["share"]
            own = {
                "pair": f"{key[1]} to {key[2]}",
                "model": key[0],
                "factor": row["factor"],
                "share": row["share"],
                "start": start,
                "end": end,
            }
            # the interval of a share, from where its bar begins
            ends = {f"to_{n}": None if row[f"ci_{n}"] is None else start + row[f"ci_{n}"] for n in ("low", "high")}
            made.append(own | ends)
    names, numbers = ("pair", "model", "factor"), ("share", "start", "end", "to_low", "to_high")
    schema = pl.Schema([*((n, pl.String) for n in names), *((n, pl.Float64) for n in numbers)])
    return pl.DataFrame(made, schema=schema, orient="row")


def _waterfall(rows: pl.DataFrame) -> Any:
    order = [f for f in rows["factor"].unique(maintain_order=True).to_list() if f != TOTAL] + [TOTAL]
    base = alt.Chart(rows).encode(y=alt.Y("factor:N", sort=order, title=None), tooltip=["factor:N", *tips("share")])
    colour = alt.condition(f"datum.factor == '{TOTAL}'", alt.value(INK), alt.value(ACCENT))
    bars = base.mark_bar(size=12).encode(x=alt.X("start:Q", title="distance, 1 - rho_dis"), x2="end:Q", color=colour)
    whiskers = base.mark_rule(color=WARM, strokeWidth=1.5).encode(x="to_low:Q", x2="to_high:Q")
    return (bars + whiskers).properties(height=tall(rows, "factor", 20), **WIDE)


def writings(view: View) -> Section:
    who = (
        pl.col("setting")
        + pl.lit(", ")
        + pl.col("written")
        + pl.lit(" read by ")
        + pl.col("precision")
        + pl.lit(", ")
        + pl.col("context")
    )
    rows = view.writings.filter("as_set", texts="all").drop_nulls("reliability").with_columns(who.alias("way"))
    words = ["Cannot be said: no model's own texts were read."] if rows.is_empty() else []
    for (model, context), own in rows.group_by("model", "context", maintain_order=True):
        top = own.sort("reliability").row(-1, named=True)
        words.append(
            f"{model}, texts read {READ[context]}: at most {number(top['reliability'])} ({top['setting']},"
            f" {top['written']} read by {top['precision']}, layer {top['layer']})."
        )
    caption = (
        "Reliability, over prompts, of the geometry read from a model's own texts, by the samples of every prompt, at the layer"
        " of each setting: a point for each number of samples. A prompt names the label: what is read after it is no text"
        " alone."
    )
    base = alt.Chart(rows.select(pl.col("model").alias("who"), "way", "n_samples", "n_texts", "reliability")).encode(
        x=alt.X("reliability:Q", title="reliability", scale=reaching([-0.3, 1], rows["reliability"])),
        y=alt.Y("way:N", title=None, sort=rows["way"].unique(maintain_order=True).to_list()),
        color=colours(view),
        tooltip=["who:N", "way:N", "n_samples:O", "n_texts:Q", *tips("reliability")],
    )
    dots = base.mark_point(filled=True, size=70, opacity=1)
    panels = [Panel("", dots.properties(height=tall(rows, "way", 20), **WIDE))] if rows.height else []
    sources = [Source("writings")]
    question = "How reliable is the geometry of what a model writes?"
    return Section(
        "writings", question, words, caption, panels, sources, legend(view, rows.select(who="model")) if rows.height else []
    )
