"""What was claimed, and what this run says to it in three sentences: does it hold, why or why not, and what cannot be said.

Every word that depends on a run comes from its tables: verdicts from `claims`, numbers from `pairs`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from analysis.claims.protocols import OTHER, PAPER, PROTOCOLS, SAME
from analysis.claims.rules import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from analysis.readers.kinds import TWO_LINEAGES, UNTRAINED, WORDS
from analysis.report.numbers import controls_in_words, counted, estimate, listed, number, over_pairs
from analysis.report.view import View

TITLE = "Do small language models share one geometry of emotions?"
KINDS = {"paper": "The paper's claims", "test": "What they imply", "method": "What the method assumes"}
BY_CONTROL = "explained by a control"
ORDER = (HOLDS, FAILS, BY_CONTROL, UNDECIDED, NOT_TESTABLE)
SEVERAL = {HOLDS: "hold", FAILS: "do not hold"}
SAID = {HOLDS: "holds", FAILS: "does not hold", UNDECIDED: "is undecided"}
ON = {PAPER: "under the published protocol", SAME: "on the same passages", OTHER: "on different passages"}
HEADLINE = {
    "pairs": "The claim that mature families share the geometry",
    "any_pair": "The claim that any two models of different lineages share the geometry",
}


def on(protocol: str) -> str:
    """A protocol as a sentence has it."""
    kind, _, position = protocol.partition(", ")
    return f"{ON[kind]} (position {position})" if position else ON[kind]


def said(verdict: str) -> str:
    return SAID.get(verdict, f"is {verdict}")


def judged(view: View, claim: str) -> dict[str, dict[str, Any]]:
    """The rows of a claim that have a verdict, by protocol, the strictest last: other stories at the report's position."""
    rows = view.claims.filter(pl.col("verdict") != NOT_TESTABLE, claim=claim)
    found = {row["protocol"]: row for row in rows.iter_rows(named=True)}
    elsewhere = [p for p in found if p not in PROTOCOLS]
    return {protocol: found[protocol] for protocol in (PAPER, SAME, *elsewhere, OTHER) if protocol in found}


def verdict(view: View, claim: str) -> str | None:
    """Under the strictest protocol that judges the claim, at the report's position; None where none does."""
    rows = [row for protocol, row in judged(view, claim).items() if protocol in PROTOCOLS]
    return rows[-1]["verdict"] if rows else None


def published(view: View) -> str:
    found = view.claims.filter(claim="pairs")["published"].to_list()
    return found[0] if found else "its published values"


def claimed(view: View) -> str:
    return (
        "The paper (Jeong 2026, arXiv 2604.11050) claims that twelve small language models share one geometry of emotions:"
        " when mature models of two families read the same passages, the dissimilarity matrices of their emotion vectors have"
        f" a rank correlation of {published(view)}."
    )


def sentences(view: View) -> list[str]:
    """Three: does it hold; why, or why not; what is left and what cannot be said."""
    return [_holds(view), _why(view), _left(view)]


def _holds(view: View) -> str:
    pairs = view.pairs(TWO_LINEAGES)
    if pairs.is_empty():
        n = len(view.trained)
        lineage = " of one lineage" if n > 1 else ""
        return (
            f"Whether models share a geometry cannot be said: it takes two lineages, and this run read"
            f" {counted(n, 'trained model')}{lineage} ({listed(view.trained)}); add one of another lineage to `read.models`."
        )
    who = f"{counted(len(view.trained), 'model')} of {len(view.lineages)} lineages ({counted(pairs.height, 'pair')})"
    apart = f"{over_pairs(pairs, 'rho_dis')} on different ones once noise is taken out"
    if pairs["rho_dis"].drop_nulls().is_empty():
        apart = f"{over_pairs(pairs, 'rho_cross')} on different ones, whose noise cannot be taken out"
    if pairs["rho_same"].drop_nulls().is_empty():
        why = (pairs["reason"].drop_nulls().to_list() or ["no number of a pair is known"])[0]
        return f"How alike {who} are cannot be said ({why}). {_verdict_on_similarity(view)}."
    same = f"{over_pairs(pairs, 'rho_same')} on the same passages (published: {published(view)})"
    return f"{who} correlate at {same}, and at {apart}. {_verdict_on_similarity(view)}."


def _verdict_on_similarity(view: View) -> str:
    for claim, subject in HEADLINE.items():
        rows = judged(view, claim)
        if not rows:
            continue
        at: dict[str, list[str]] = {}
        for protocol, row in rows.items():
            raw = f" ({number(row['estimate'])})" if protocol == PAPER else ""
            at.setdefault(said(row["verdict"]), []).append(on(protocol) + raw)
        found = listed([f"{verdict} {listed(places)}" for verdict, places in at.items()])
        strictest = list(rows.values())[-1]
        because = f": {_because(strictest['why'])}" if strictest["verdict"] != HOLDS and strictest["why"] else ""
        return f"{subject} {found}{because}"
    return "No verdict on the similarity was possible"


def _because(why: str) -> str:
    """What a verdict rests on; of several controls that may explain a similarity, their names and one verb."""
    parts, may = controls_in_words(why).split("; "), " may explain it"
    names = [part.removesuffix(may) for part in parts]
    return f"{listed(names)}{may}" if all(part.endswith(may) for part in parts) else "; ".join(parts)


def _why(view: View) -> str:
    words, twins, pairs = view.pairs(WORDS), view.pairs(UNTRAINED), view.pairs(TWO_LINEAGES)
    leads = {
        HOLDS: "Words alone do not reach as much",
        FAILS: "A correlation in the published range is no evidence by itself, since words alone reach that range",
        UNDECIDED: "Whether words alone reach as much is undecided",
        None: "Whether words alone reach as much was not judged",
    }
    parts = []
    if words.drop_nulls("rho_same").height:
        highest = words.drop_nulls("rho_same").sort("rho_same").row(-1, named=True)
        apart = ""
        if words.drop_nulls("rho_dis").height:
            most = words.drop_nulls("rho_dis").sort("rho_dis").row(-1, named=True)
            apart = f" ({estimate(most, 'rho_dis')} on different ones, noise taken out)"
        parts.append(
            f"a reader of words and a model correlate at up to {estimate(highest, 'rho_same')} on the same passages{apart}"
        )
    if twins.drop_nulls("rho_same").height:
        highest = twins.drop_nulls("rho_same").sort("rho_same").row(-1, named=True)
        parts.append(f"an untrained network and a model at up to {estimate(highest, 'rho_same')}")
    elif parts:
        parts.append("no untrained network was compared")
    floors = pairs.drop_nulls("floor_95")["floor_95"]
    if len(floors):
        parts.append(f"two models with emotion labels shuffled within topics at up to {number(floors.max())}")  # type: ignore[arg-type]
    lead = leads.get(verdict(view, "words"), f"That words alone reach less {said(verdict(view, 'words') or '')}")
    return f"{lead}: {'; '.join(parts) or 'no control has a number'}."


def _left(view: View) -> str:
    pairs = view.pairs(TWO_LINEAGES)
    lacks = view.claims.filter(claim="pairs", verdict=NOT_TESTABLE)["why"].to_list()
    open_claim = f"the paper's own claim, about mature families, is not testable here ({lacks[0]})" if lacks else ""
    if pairs.is_empty():
        rows = view.claims.filter(pl.col("verdict") != NOT_TESTABLE)
        named = f"What one model can be asked is answered below: {counted(rows['claim'].n_unique(), 'claim')} judged"
        return f"{named}; {open_claim or 'no claim was asked for'}."
    known = pairs.drop_nulls("beyond_words")
    if known.is_empty():
        reason = (pairs["reason"].drop_nulls().to_list() or ["no reader of words has a geometry to compare with"])[0]
        left = f"What is shared beyond words cannot be said ({reason})"
    else:
        margin = view.params.rsa.equivalence
        left = (
            f"{_beyond(view, known, margin)}: {over_pairs(known, 'beyond_words')} of that correlation is what words do not give"
        )
        for position, own in view.elsewhere().items():
            left += f", and at position {position} {over_pairs(own, 'beyond_words')}"
    return f"{left}; {open_claim or 'the verdicts below say what else was tested'}."


def _beyond(view: View, known: pl.DataFrame, margin: float) -> str:
    """The verdict on what is left beyond words, of the claim where it was judged, else from the intervals."""
    found = verdict(view, "beyond_words")
    lows, highs = known["beyond_words_low"].drop_nulls(), known["beyond_words_high"].drop_nulls()
    if found == HOLDS or (found is None and len(lows) and lows.min() > margin):  # type: ignore[operator]
        return f"More than words is shared (by more than the margin of {margin})"
    if found == FAILS or (found is None and len(highs) and highs.max() < margin):  # type: ignore[operator]
        return f"Hardly more than words is shared (less than the margin of {margin})"
    if len(lows) and lows.min() > 0:  # type: ignore[operator]
        return f"Something beyond words is shared; whether more than the margin of {margin} is undecided"
    return "Whether anything beyond words is shared is undecided"


def counts(view: View) -> dict[str, str]:
    """Verdicts by kind of claim, each claim once: under the strictest protocol that judged it."""
    made = {}
    for kind, title in KINDS.items():
        claims = view.claims.filter(kind=kind)["claim"].unique(maintain_order=True).to_list()
        found = Counter(_plain(verdict(view, c) or NOT_TESTABLE) for c in claims)
        if claims:
            made[title] = ", ".join(f"{found[v]} {SEVERAL.get(v, v) if found[v] > 1 else v}" for v in ORDER if found[v])
    return made


def _plain(found: str) -> str:
    return BY_CONTROL if found.startswith(EXPLAINED) else found
