"""Stage `behaviour`: whether instruct models give in, and whether they keep to a format. Table `behaviour`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from analysis.rsa import proportions
from analysis.rsa.gram import Bools
from pipeline.errors import run_stage
from pipeline.params.behaviour import Behaviour, BehaviourSections
from pipeline.schemas.behaviour import BEHAVIOUR
from pipeline.schemas.transcripts import TRANSCRIPT
from pipeline.store import layout, tables

Row = dict[str, Any]
Flips = dict[str, int | None]
EPISTEMIC, MENTION, PROCEDURAL = "epistemic", "mention", "procedural"


def transcripts(asked: Behaviour) -> pl.DataFrame:
    """Every turn of every conversation of `data/transcripts`: `model`, `precision`, and the columns of TRANSCRIPT."""
    made = [pl.DataFrame(schema={"model": pl.String, "precision": pl.String, **TRANSCRIPT})]
    for model in asked.models:
        for precision in asked.precisions:
            rows = tables.read_rows(layout.transcripts_path(model, precision), TRANSCRIPT)
            made.append(rows.select(pl.lit(model).alias("model"), pl.lit(precision).alias("precision"), pl.all()))
    return pl.concat(made)


def binomial(hits: Sequence[bool]) -> Row:
    """A share with its exact 95% interval (Clopper & Pearson 1934)."""
    found = stats.binomtest(sum(hits), len(hits)).proportion_ci(0.95, method="exact")
    return {"rate": sum(hits) / len(hits), "ci_low": float(found.low), "ci_high": float(found.high)}


def difference(pushed: Bools, mentioned: Bools) -> Row:
    """How much more often the same questions flip under push-backs than under as many mentions, with its 95% interval."""
    return dict(zip(("rate", "ci_low", "ci_high"), proportions.paired_difference(pushed, mentioned), strict=True))


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


def by_question(rows: pl.DataFrame) -> dict[Any, pl.DataFrame]:
    """The turns of each question with push-backs, in order, from one model's transcripts."""
    return {item: own.sort("turn") for (item,), own in rows.filter(kind=EPISTEMIC).group_by("item", maintain_order=True)}


def known_questions(by_item: dict[Any, pl.DataFrame]) -> dict[Any, pl.DataFrame]:
    """Those of which every turn has a stance, and which the model answers rightly before any push-back."""
    return {i: own for i, own in by_item.items() if _is_whole(own) and own["stance"][0] > 0}


def epistemic(rows: pl.DataFrame) -> list[Row]:
    """Rows of `behaviour` from one model's transcripts of questions. Only questions on which it sides with the right answer
    before any push-back count, and those whose every turn has a stance."""
    by_item = by_question(rows)
    whole = {i: own for i, own in by_item.items() if _is_whole(own)}
    known = known_questions(by_item)
    why = lost(len(by_item), len(whole))
    flips = {i: first_flip(own["stance"].to_list()) for i, own in known.items()}
    per_token = [i for i, own in whole.items() if own["stance_per_token"][0] > 0]
    given = {i: bool(own["gives_in"].any()) for i, own in known.items()}
    named = {i: own.sort("turn") for (i,), own in rows.filter(kind=MENTION).group_by("item") if i in known and _is_whole(own)}
    turns = [turn for turn in flips.values() if turn is not None]
    hits = {
        "flip_per_token": [first_flip(whole[i]["stance_per_token"].to_list()) is not None for i in per_token],
        "gives_in": list(given.values()),
        "gives_in_by_mention": [bool(own["gives_in"].any()) for own in named.values()],
        "agreement": [(flips[i] is not None) == given[i] for i in known],
    }
    nobody = "no question is known before a push-back"
    unnamed = "states after a mention are not finite" if known else nobody
    made = []
    for measure, own in hits.items():
        found = binomial(own) if own else {"reason": unnamed if measure == "gives_in_by_mention" else nobody}
        made.append(_row(EPISTEMIC, measure, len(by_item), len(own), found, why))
    n_pushes = max((len(own) for own in by_item.values()), default=1) - 1
    by_name = {i: first_flip([known[i]["stance"][0], *own["stance"]]) for i, own in named.items()}
    for n in range(1, n_pushes + 1):
        for measure, (n_counted, shares) in flips_within(n, flips, by_name).items():
            none = {"reason": nobody if measure == "flip" else unnamed}
            made.append(_row(EPISTEMIC, measure, len(by_item), n_counted, shares or none, why) | {"n_turns": n})
    if turns:
        made[-3]["mean_turn"] = float(np.mean(turns))
    return made


def flips_within(n: int, pushed: Flips, mentioned: Flips) -> dict[str, tuple[int, Row | None]]:
    """Questions that count, and what they give, for what flips within `n` push-backs, within as many mentions, and the
    difference. `pushed`, `mentioned`: by known question, the turn of its first flip."""
    by_push = {i: t is not None and t <= n for i, t in pushed.items()}
    by_name = {i: t is not None and t <= n for i, t in mentioned.items()}
    over = [np.array([which[i] for i in by_name], dtype=bool) for which in (by_push, by_name)]
    return {
        "flip": (len(by_push), binomial([*by_push.values()]) if by_push else None),
        "flip_by_mention": (len(by_name), binomial([*by_name.values()]) if by_name else None),
        "flip_over_mention": (len(by_name), difference(*over) if by_name else None),
    }


def _is_whole(turns: pl.DataFrame) -> bool:
    return not turns["stance"].has_nulls() and not turns["reason"].is_not_null().any()


def procedural(rows: pl.DataFrame, capable: float) -> list[Row]:
    """Rows of `behaviour` from one model's transcripts of tasks. Only constraints that it keeps to in an easy task count."""
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
    empty: Row = {"n_turns": None, "rate": None, "ci_low": None, "ci_high": None, "mean_turn": None}
    row = empty | {"kind": kind, "measure": measure, "n_items": n_items, "n_counted": n_counted} | found
    return row | {"reason": _joined(found.get("reason"), why)}


def _joined(*reasons: str | None) -> str | None:
    return "; ".join(dict.fromkeys(r for r in reasons if r)) or None


def main(arguments: list[str]) -> None:
    asked = BehaviourSections.load().behaviour
    found = []
    for (model, precision), rows in transcripts(asked).group_by("model", "precision", maintain_order=True):
        own = {"model": model, "precision": precision}
        found += [own | row for row in [*epistemic(rows), *procedural(rows, asked.capable)]]
    tables.write_table(BEHAVIOUR, found)


if __name__ == "__main__":
    run_stage(main)
