"""Stage `report`: `data/report/index.html`, one page that needs nothing else and no network."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from analysis.report import answer, claims, glossary, headline, texts
from analysis.report.contents import PARTS
from analysis.report.numbers import number, units
from analysis.report.shown import Section
from analysis.report.view import View, load_view
from pipeline.errors import InputError, run_stage
from pipeline.store import arrays, layout

HERE = Path(__file__).parent
ROWS = 500
"""Of a table: more would make the page of twelve models large. The line of Python gives all."""
FIT = {"autosize": {"type": "fit-x", "contains": "padding"}}
READER_COLUMNS = {
    "reader": "reader",
    "layer": "best_layer_cv",
    "accuracy": "accuracy",
    "reliability": "reliability",
    "anisotropy": "anisotropy",
    "rdm_mean": "RDM mean",
    "rdm_std": "RDM sd",
    "n_neutral_components": "neutral PCs",
}


def page(view: View, weights: list[str]) -> str:
    """The whole page as HTML."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["defined"] = glossary.defined
    first = headline.section(view)
    parts = [(title, [make(view) for make in makers]) for title, makers in PARTS.items()]
    sections = [first, *(section for _, own in parts for section in own)]
    drawings = charts(sections)
    toggles = {
        name.rpartition("-")[0] for name, spec in drawings.items() if any(p["name"] == "hidden" for p in spec.get("params", []))
    }
    cells = view.at_best_layer().select(*READER_COLUMNS).rows()
    return environment.get_template("template.html").render(
        title=answer.TITLE,
        claimed=answer.claimed(view),
        sentences=answer.sentences(view),
        headline=first,
        lead=lead(view),
        rules=claims.rules(view),
        groups=claims.groups(view),
        counts=answer.counts(view),
        parts=parts,
        shelves=texts.shelves(view),
        glossary=glossary.words(),
        charts=embedded(drawings),
        toggles=toggles,
        tables=embedded(tables_of(sections, view)),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        javascript=(HERE / "page.js").read_text(encoding="utf-8"),
        vega=vega(),
        reader_columns=list(READER_COLUMNS.values()),
        reader_rows=[[number(c) if isinstance(c, float) else "-" if c is None else c for c in cell] for cell in cells],
        provenance=weights,
    )


@cache
def vega() -> str:
    """What draws the charts, to stand inside a script element. It takes seconds to put together."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def lead(view: View) -> str:
    report, row = view.params.report, view.curves().row(0, named=True)
    uncrossed = "stories, which are not crossed with topics: where this page says topics, read stories of each label"
    over = "topics" if row["unit"] == "topic" else uncrossed
    return (
        f"This run: profile {view.params.profile}; {row['n_emotions']} emotions, {units(row)}, {row['n_stimuli']} stories."
        f" Position {report.position} ({view.params.positions[report.position].in_words()}), {report.variant} vectors, each"
        f" reader at its best_layer_cv. Intervals are 95%, over {over}."
    )


def charts(sections: list[Section]) -> dict[str, Any]:
    """The drawings' specifications by the name that the template gives them. What they look like is the page's."""
    made = {}
    for section in sections:
        for n, panel in enumerate(section.panels, start=1):
            spec = panel.chart.to_dict()
            made[f"{section.key}-{n}"] = {k: v for k, v in spec.items() if k != "config"} | FIT
    return made


def tables_of(sections: list[Section], view: View) -> dict[str, Any]:
    """The rows behind each figure, unrounded."""
    made = {}
    for section in sections:
        for n, source in enumerate(section.sources, start=1):
            rows = source.rows(view.raw)
            listed = [list(row) for row in rows.head(ROWS).iter_rows()]
            made[f"{section.key}-{n}"] = {"columns": rows.columns, "rows": listed, "n_rows": rows.height}
    return made


def embedded(data: Any) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def provenance(models: list[str]) -> list[str]:
    """One line per model: where it came from and what its weights truly are; then the versions. Raises InputError for a model
    without vectors."""
    tree = arrays.vectors()
    if missing := [model for model in models if model not in tree.children]:
        path = layout.VECTORS / missing[0]
        raise InputError(f"{path}: no vectors there; {arrays.MEND if path.exists() else 'make it with `dvc repro`'}")
    lines: list[str] = []
    attributes: dict[Any, Any] = {}
    for model in models:
        attributes = tree[model].attrs
        lines.append(f"{model}: {attributes['source']}; weights: {attributes['weights']}; BOS {attributes['bos']}.")
    versions = ", ".join(f"{k.removesuffix('_version')} {v}" for k, v in sorted(attributes.items()) if k.endswith("_version"))
    return [*lines, f"Layers: {attributes['layer']}. {versions}."]


def main(arguments: list[str]) -> None:
    view = load_view()
    html = page(view, provenance(view.params.models))
    with layout.whole_or_nothing(layout.REPORT / "index.html") as scratch:
        scratch.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
