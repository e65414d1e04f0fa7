"""The published claims, and the sides on which they would be true. A side is written as the paper prints its figure: `>= 0.74`
holds from .735 on, as its table rounds; `>= exactly 0.70` is a limit that was stated, and holds from .70 on; `1 - margin` is
the margin of equivalence in params."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, nextafter
from pathlib import Path

import polars as pl

from analysis.claims import rules
from analysis.claims.rules import Side, as_rounded
from pipeline.errors import InputError

REFERENCE = Path("data/reference/claims.csv")
SIDE = re.compile(r"(>=|<=|=|>|<) (exactly )?(1 - margin|margin|-?\d+(?:\.\d+)?)")
KINDS = ("paper", "test", "method")
"""Claims of the paper; what they imply and it did not test; what its method takes for granted."""


@dataclass(frozen=True)
class Claim:
    """One row of the reference. `side`: of the published figure; `other`: of rho_dis, on stories that the two sides do not
    share. None where the claim says nothing there."""

    name: str
    kind: str
    text: str
    source: str
    published: str
    side: Side | None
    other: Side | None


def parse(text: str | None, margin: float, scale: str) -> Side | None:
    """A side from its words. Raises InputError for what is none."""
    if not text:
        return None
    found = SIDE.fullmatch(text)
    if found is None:
        raise InputError(
            f"{REFERENCE}: '{text}' is no side; write >=, <=, =, > or < and a figure, `exactly` and a figure, `margin` or"
            " `1 - margin`"
        )
    sign, exactly, figure = found.groups()
    if sign == "=" and "." not in figure:  # a count or a yes, which no table rounds
        return Side(float(figure), float(figure), scale)
    named = {"margin": (margin, margin), "1 - margin": (1 - margin, 1 - margin)}
    # a figure that is printed as 0.74 begins at .735: what is not below it, or at least it, is so by the printed figure
    low, high = named.get(figure) or (as_rounded(figure) if "." in figure and not exactly else (float(figure), float(figure)))
    return {
        ">=": Side(low, inf, scale),
        "<=": Side(-inf, high, scale),
        "=": Side(low, high, scale),
        ">": Side(nextafter(high, inf), inf, scale),
        "<": Side(-inf, nextafter(low, -inf), scale),
    }[sign]


def load(margin: float, path: Path = REFERENCE) -> list[Claim]:
    """The claims, in the reference's order."""
    made = []
    for row in pl.read_csv(path, infer_schema=False).iter_rows(named=True):
        if row["kind"] not in KINDS:
            raise InputError(f"{path}: {row['claim']}: kind '{row['kind']}' is none of {', '.join(KINDS)}")
        sides = parse(row["side"], margin, rules.OTHER), parse(row["side_on_other_stories"], margin, rules.DISATTENUATED)
        made.append(Claim(row["claim"], row["kind"], row["text"], row["source"], row["published"], *sides))
    return made
