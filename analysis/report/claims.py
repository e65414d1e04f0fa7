"""The verdicts: a card for every claim that was judged, a line for every other with what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.claims.rules import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from analysis.report.answer import KINDS, judged, on
from analysis.report.numbers import controls_in_words, interval
from analysis.report.view import View

MARKS = {HOLDS: ("holds", "✓"), FAILS: ("fails", "✗"), UNDECIDED: ("open", "?")}


@dataclass(frozen=True)
class Verdict:
    """One protocol's line on a card."""

    protocol: str
    found: str
    side: str
    verdict: str
    mark: str
    style: str
    why: str


@dataclass(frozen=True)
class Card:
    claim: str
    text: str
    published: str
    source: str
    lines: list[Verdict]


@dataclass(frozen=True)
class Group:
    """The claims of one kind: those judged as cards, of the others their text and what they lack."""

    title: str
    cards: list[Card]
    untested: list[tuple[str, str]]


def groups(view: View) -> list[Group]:
    made = []
    for kind, title in KINDS.items():
        own = view.claims.filter(kind=kind).sort("order").unique("claim", keep="first", maintain_order=True)
        rows = own.to_dicts()
        cards = [_card(row, judged(view, row["claim"])) for row in rows if row["verdict"] != NOT_TESTABLE]
        untested = [(row["text"], row["why"] or "no reason recorded") for row in rows if row["verdict"] == NOT_TESTABLE]
        if rows:
            made.append(Group(title, cards, untested))
    return made


def _card(claim: dict[str, Any], by_protocol: dict[str, dict[str, Any]]) -> Card:
    lines = []
    for protocol, row in by_protocol.items():
        explained = row["verdict"].startswith(EXPLAINED)
        style, mark = ("fails", "✗") if explained else MARKS[row["verdict"]]
        found = interval(row["estimate"], row["ci_low"], row["ci_high"])
        if row["at_least"] is not None and row["at_least"] == row["at_most"] and row["estimate"] is not None:
            found = f"{row['estimate']:g}"  # a count, or a yes or no
        why = controls_in_words(row["why"] or row["about"] or "")
        if row["if_true"] is not None:
            why += f". What a study of the paper's models with this reliability would find, simulated: {row['if_true']}"
        if row["n"] > 1 and row["ci_low"] is not None:
            found += f", for all {row['n']} at once"
        lines.append(Verdict(on(protocol), found, side(row), row["verdict"], mark, style, why))
    return Card(claim["claim"], claim["text"], claim["published"], claim["source"], lines)


def side(row: dict[str, Any]) -> str:
    """Where the number would have to lie: `true from 0.735`, `true up to 0.9`, `true if 1`."""
    low, high = row["at_least"], row["at_most"]
    if low is not None and low == high:
        return f"true if {low:g}"
    ends = ([] if low is None else [f"from {low:g}"]) + ([] if high is None else [f"up to {high + 0.0:g}"])
    return f"true {' '.join(ends)}" if ends else ""


def rules(view: View) -> str:
    digests = view.claims["rules"].unique().to_list()
    which = f" Their digest, and that of the code which applies them, is {digests[0]}." if digests else ""
    return (
        "The rules stand in params.yaml, data/reference/claims.csv and docs/method.md. They do not look at which way a number"
        " falls; but some were corrected after numbers had been seen, and CHANGELOG.md says which and what that"
        f" changed.{which}"
    )
