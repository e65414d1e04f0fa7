"""Stage `report`: `data/report/index.html`, one page that needs nothing else and no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from analysis.report.figures import styled
from analysis.report.findings import number, units
from analysis.report.sections import SECTIONS
from analysis.report.view import View, load_view
from pipeline.errors import run_stage
from pipeline.store import arrays, layout

TITLE = "One geometry of emotions, or the same passages?"
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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    report, row = view.params.report, view.curves().row(0, named=True)
    lead = (
        f"{row['n_emotions']} emotions, {units(row)}, {row['n_stimuli']} stories; profile {view.params.profile}."
        f" Position {report.position} ({view.params.positions[report.position].in_words()}), {report.variant} vectors."
        " An open replication and correction of arXiv 2604.11050."
    )
    cells = view.at_best_layer().select(*READER_COLUMNS).rows()
    found = [section.finding(view) for section in SECTIONS]
    charts = {f.key: styled(section.figure(view)).to_dict() for f, section in zip(found, SECTIONS, strict=True)}
    return environment.get_template("template.html").render(
        title=TITLE,
        lead=lead,
        findings=found,
        captions={f.key: section.caption for f, section in zip(found, SECTIONS, strict=True)},
        tables={f.key: section.table(view) for f, section in zip(found, SECTIONS, strict=True) if section.table},
        charts=json.dumps(charts, sort_keys=True).replace("</", "<\\/"),
        javascript=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script"),
        reader_columns=list(READER_COLUMNS.values()),
        reader_rows=[[number(c) if isinstance(c, float) else "-" if c is None else c for c in cell] for cell in cells],
        provenance=weights,
    )


def provenance(models: list[str]) -> list[str]:
    """One line per model: where it came from and what its weights truly are; then the versions."""
    tree = arrays.vectors()
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
