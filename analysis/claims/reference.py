"""The published claims, and the sides on which they would be true. A side is written as the paper prints its figure: `>= 0.74`
holds from .735 on, as its table rounds; `>= exactly 0.70` is a limit that was stated, and holds from .70 on; `1 - margin` is
the margin of equivalence in params."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nextafter
from pathlib import Path

from analysis.claims import rules
from analysis.claims.protocols import OTHER, PAPER
from analysis.claims.rules import Side, as_rounded
from pipeline.errors import InputError
from pipeline.schemas import reference
from pipeline.schemas.reference import AS_PUBLISHED, ON_OTHERS, REFERENCE, SIDE


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

    def asserted(self, protocol: str = PAPER) -> Side:
        """The side that the claim's evidence judges under a protocol. Raises InputError where the reference leaves it empty."""
        side, column = (self.other, ON_OTHERS) if protocol == OTHER else (self.side, AS_PUBLISHED)
        if side is None:
            raise InputError(f"{REFERENCE}: the claim '{self.name}': {column} is empty, and its evidence judges it; fill it")
        return side


def parse(text: str | None, margin: float, scale: str) -> Side | None:
    """A side from its words. Raises InputError for what is none."""
    if not text:
        return None
    found = SIDE.fullmatch(text)
    if found is None:
        raise InputError(f"{REFERENCE}: {reference.no_side(text)}")
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
    """The claims, in the reference's order. Raises InputError as `pipeline.schemas.reference.claims`."""
    made = []
    for row in reference.claims(path).iter_rows(named=True):
        sides = parse(row[AS_PUBLISHED], margin, rules.OTHER), parse(row[ON_OTHERS], margin, rules.DISATTENUATED)
        made.append(Claim(row["claim"], row["kind"], row["text"], row["source"], row["published"], *sides))
    return made
