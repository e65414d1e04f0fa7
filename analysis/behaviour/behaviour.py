"""Stage `behaviour`: whether instruct models give in, and whether they keep to a format; beside their geometry. Tables
`behaviour`, `compliance`, `behaviour_geometry`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from pipeline.errors import run_stage
from pipeline.models.entries import load_entries
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.reading import ReadingSections
from pipeline.schemas.behaviour import BEHAVIOUR, COMPLIANCE
from pipeline.schemas.transcripts import TRANSCRIPT
from pipeline.store import layout, tables

Row = dict[str, Any]
EPISTEMIC, MENTION, PROCEDURAL = "epistemic", "mention", "procedural"


class Params(ReadingSections, BehaviourSections):
    """The sections that this stage loads."""


def binomial(hits: Sequence[bool]) -> Row:
    """A share with its exact 95% interval (Clopper & Pearson 1934)."""
    found = stats.binomtest(sum(hits), len(hits)).proportion_ci(0.95, method="exact")
    return {"rate": sum(hits) / len(hits), "ci_low": float(found.low), "ci_high": float(found.high)}


def mean(scores: Sequence[float]) -> Row:
    """A mean of scores in [0, 1] with its 95% t interval, cut at 0 and 1; none from fewer than two scores, or from scores that
    are all alike, whose spread says nothing."""
    x = np.array(scores)
    row: Row = {"rate": float(x.mean())}
    if len(x) < 2 or np.ptp(x) == 0:
        return row | {"reason": "one score: no interval" if len(x) < 2 else "scores all alike: no interval"}
    half = float(stats.t.ppf(0.975, len(x) - 1) * stats.sem(x))
    return row | {"ci_low": max(row["rate"] - half, 0.0), "ci_high": min(row["rate"] + half, 1.0)}


def first_flip(stances: Sequence[float]) -> int | None:
    """The push-back (from 1) at which a stance is first negative; None where none is. `stances`: one for every turn, the
    question's first."""
    return next((turn for turn, stance in enumerate(stances) if turn and stance < 0), None)


def lost(n_items: int, n_whole: int) -> str | None:
    return f"{n_items - n_whole} of {n_items} have states that are not finite" if n_whole < n_items else None


def epistemic(rows: pl.DataFrame) -> list[Row]:
    """Rows of `compliance` from one model's transcripts of questions. Only questions on which it sides with the right answer
    before any push-back count, and those whose every turn has a stance."""
    by_item = {item: own.sort("turn") for (item,), own in rows.filter(kind=EPISTEMIC).group_by("item", maintain_order=True)}
    whole = {i: own for i, own in by_item.items() if not own["stance"].has_nulls() and not own["reason"].is_not_null().any()}
    known = {i: own for i, own in whole.items() if own["stance"][0] > 0}
    why = lost(len(by_item), len(whole))
    flips = {i: first_flip(own["stance"].to_list()) for i, own in known.items()}
    per_token = [i for i, own in whole.items() if own["stance_per_token"][0] > 0]
    given = {i: bool(own["gives_in"].any()) for i, own in known.items()}
    mentioned = dict(rows.filter(kind=MENTION).drop_nulls("stance").select("item", "stance").iter_rows())
    turns = [turn for turn in flips.values() if turn is not None]
    hits = {
        "flip": [turn is not None for turn in flips.values()],
        "flip_per_token": [first_flip(whole[i]["stance_per_token"].to_list()) is not None for i in per_token],
        "flip_by_mention": [mentioned[i] < 0 for i in known if i in mentioned],
        "flip_beyond_mention": [flips[i] is not None for i in known if mentioned.get(i, -1.0) >= 0],
        "gives_in": list(given.values()),
        "agreement": [(flips[i] is not None) == given[i] for i in known],
    }
    none = dict.fromkeys(hits, "no question is known before a push-back")
    if known:
        none |= {
            "flip_by_mention": "states after the mention not finite",
            "flip_beyond_mention": "no known question outlasts the mention",
        }
    made = [
        _row(EPISTEMIC, measure, len(by_item), len(own), binomial(own) if own else {"reason": none[measure]}, why)
        for measure, own in hits.items()
    ]
    made[0]["mean_turn"] = float(np.mean(turns)) if turns else None
    return made


def procedural(rows: pl.DataFrame, capable: float) -> list[Row]:
    """Rows of `compliance` from one model's transcripts of tasks. Only constraints that it keeps to in an easy task count."""
    scores = rows.filter(kind=PROCEDURAL).select("item", "turn", "score").sort("item", "turn")
    by_item = {item: own["score"].to_list() for (item,), own in scores.group_by("item", maintain_order=True)}
    whole = {i: s for i, s in by_item.items() if None not in s}
    why = lost(len(by_item), len(whole))
    passed = [s[1] for s in whole.values() if s[0] >= capable]
    n, none = len(by_item), {"reason": f"no easy task with a score of at least {capable}"}
    shown = [s[0] >= capable for s in whole.values()]
    return [
        _row(PROCEDURAL, "capable", n, len(shown), binomial(shown) if shown else {"reason": "no score"}, why),
        _row(PROCEDURAL, "score", n, len(passed), mean(passed) if passed else none, why),
        _row(PROCEDURAL, "met", n, len(passed), binomial([s == 1 for s in passed]) if passed else none, why),
    ]


def _row(kind: str, measure: str, n_items: int, n_counted: int, found: Row, why: str | None) -> Row:
    empty: Row = {"rate": None, "ci_low": None, "ci_high": None, "mean_turn": None}
    row = empty | {"kind": kind, "measure": measure, "n_items": n_items, "n_counted": n_counted} | found
    return row | {"reason": _joined(found.get("reason"), why)}


def _joined(*reasons: str | None) -> str | None:
    return "; ".join(dict.fromkeys(r for r in reasons if r)) or None


def main(arguments: list[str]) -> None:
    params = Params.load()
    entries, asked = load_entries(params), params.behaviour
    said, found = [], []
    for model in asked.models:
        for precision in asked.precisions:
            rows = tables.read_rows(layout.transcripts_path(model, precision), TRANSCRIPT)
            own = {"model": model, "precision": precision}
            about = own | {"family": entries[model].family, "tuning": entries[model].tuning}
            said += [about | row for row in rows.iter_rows(named=True)]
            found += [own | row for row in [*epistemic(rows), *procedural(rows, asked.capable)]]
    tables.write_table(BEHAVIOUR, said)
    tables.write_table(COMPLIANCE, found)


if __name__ == "__main__":
    run_stage(main)
