"""A figure of the page as a file of its own, for a README or a talk: .svg or .png by the file's name.

python -m analysis.report.picture headline-1 docs/first_figure.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vl_convert

from analysis.report import headline
from analysis.report.colours import INK
from analysis.report.contents import PARTS
from analysis.report.page import charts
from analysis.report.view import View, load_view
from pipeline.errors import InputError, run_stage

WIDTH, SCALE = 900, 2.0
CONFIG: dict[str, Any] = {
    "background": "white",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "#dfe3ea",
        "domain": False,
        "labelLimit": 330,
        "titleFontWeight": "normal",
    },
}


def specification(view: View, name: str) -> dict[str, Any]:
    """The drawing `<section>-<number>` at a fixed width. Raises InputError for a name that the page has not."""
    makers = [headline.section, *(make for own in PARTS.values() for make in own)]
    known = charts([make(view) for make in makers])
    if name not in known:
        raise InputError(f"'{name}' is no figure of the page; there are {', '.join(known)}")
    found: dict[str, Any] = known[name]
    ratio = found.get("usermeta", {}).get("ratio")
    high = {} if ratio is None else {"height": round(WIDTH * ratio)}
    return found | high | {"width": WIDTH, "config": CONFIG}


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or Path(arguments[1]).suffix not in {".svg", ".png"}:
        raise InputError("usage: python -m analysis.report.picture FIGURE FILE.svg|FILE.png")
    name, path = arguments[0], Path(arguments[1])
    found = specification(load_view(), name)
    if path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(found, scale=SCALE))
    else:
        path.write_text(vl_convert.vegalite_to_svg(found), encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
