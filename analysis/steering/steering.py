"""Stage `steering`: what steering did to every text, the regimes of each rule, and how a target's score follows the strength.
Tables `steering`, `regimes`, `doses`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from scipy import stats

from analysis.steering import regimes
from pipeline.errors import run_stage
from pipeline.params.steering import SteeringSections, Thresholds
from pipeline.schemas.steered import STEERED
from pipeline.schemas.steering import DOSES, REGIMES, STEERING
from pipeline.store import layout, tables

Row = dict[str, Any]
RANDOM = "random#"
ALL, FLUENT = "all", "fluent"
FEWEST_STRENGTHS = 3


# --- every text ----------------------------------------------------------------------------------------------------------


def cell_rows(steered: Sequence[Row], limits: Thresholds) -> list[Row]:
    """Rows of `steering` from rows of the stage `steer` (columns STEERED): each text beside the unsteered one of its prompt."""
    without = {(r["model"], r["precision"], r["rule"], r["emotion"], r["prompt"]): r for r in steered if r["strength"] == 0}
    made = []
    for r in steered:
        plain = without[r["model"], r["precision"], r["rule"], r["emotion"], r["prompt"]]
        row: Row = STEERING.blank()
        row |= {name: value for name, value in r.items() if name in row}
        if measured(r):
            row |= regimes.statistics(r["text"]) | {"perplexity": _exp(r["surprisal"])}
            row["regime"] = regimes.regime(row["most_3"], row["n_words"], limits)
        if measured(r) and measured(plain):
            ratio, gain = _exp(_less(r["surprisal"], plain["surprisal"])), _less(r["target_score"], plain["target_score"])
            unchanged = r["tokens"] == plain["tokens"]
            row |= {"unchanged": unchanged, "perplexity_ratio": ratio}
            row["effect"] = regimes.effect(unchanged, row["most_3"], row["n_words"], ratio, gain, limits)
        made.append(row)
    return made


def measured(row: Row) -> bool:
    """Whether there is a whole text: one whose states overflowed is recorded as far as it went, and not judged."""
    return row["text"] is not None and row["finish"] != "not_finite"


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _exp(value: float | None) -> float | None:
    return None if value is None else math.exp(value)


# --- regimes -------------------------------------------------------------------------------------------------------------


def regime_rows(cells: Sequence[Row], limits: Thresholds) -> list[Row]:
    """Rows of `regimes`: per model, precision, rule and kind of direction, over all strengths but 0 and at each."""
    made = []
    keys = ("model", "precision", "rule", "directions")
    named = [c | {"directions": "random" if c["emotion"].startswith(RANDOM) else "emotions"} for c in cells]
    for at, group in groupby(sorted(named, key=lambda c: [c[k] for k in keys]), key=lambda c: [c[k] for k in keys]):
        own = list(group)
        for strength in (None, *sorted({c["strength"] for c in own})):
            chosen = [c for c in own if (c["strength"] != 0 if strength is None else c["strength"] == strength)]
            made.append(dict(zip(keys, at, strict=True)) | {"strength": strength} | _regime(chosen, limits))
    return made


def _regime(cells: Sequence[Row], limits: Thresholds) -> Row:
    names = [n for n in REGIMES.columns if n not in ("model", "precision", "rule", "directions", "strength")]
    row: Row = dict.fromkeys(names)
    whole = [c for c in cells if c["regime"] is not None]
    lost = len(cells) - len(whole)
    row |= {"n_texts": len(cells), "n_not_finite": lost}
    if lost:
        reasons = sorted({c["reason"] for c in cells if c["regime"] is None})
        row["reason"] = f"{lost} of {len(cells)} texts: {'; '.join(reasons)}"
    if not whole:
        return row
    n = len(whole)
    n_repetitive, n_short = (sum(c["regime"] == kind for c in whole) for kind in (regimes.REPETITIVE, regimes.EXPLOSIVE))
    row |= {"share_repetitive": n_repetitive / n, "share_short": n_short / n}
    for name, kind in (
        ("unchanged", regimes.NONE),
        ("toward", regimes.TOWARD),
        ("away", regimes.AWAY),
        ("broken", regimes.BROKEN),
    ):
        row[f"share_{name}"] = sum(c["effect"] == kind for c in whole) / n
    for name, column, summary in (
        ("median_perplexity_ratio", "perplexity_ratio", np.median),
        ("mean_target_score", "target_score", np.mean),
    ):
        known = [c[column] for c in whole if c[column] is not None]
        row[name] = float(summary(known)) if known else None
    if not lost:  # greedy decoding of NaN repeats token 0, which would be judged as a text: no label is the better answer
        row["regime"] = regimes.label(n_repetitive, n_short, n, limits)
        row["texts_to_another"] = regimes.to_another(n_repetitive, n_short, n, limits)
    return row


# --- dose and response ---------------------------------------------------------------------------------------------------


def dose_rows(cells: Sequence[Row]) -> list[Row]:
    """Rows of `doses`: per model, precision, rule and target, over all texts and over those that did not fall apart."""
    made = []
    keys = ("model", "precision", "rule", "emotion")
    for at, group in groupby(sorted(cells, key=lambda c: [c[k] for k in keys]), key=lambda c: [c[k] for k in keys]):
        own = list(group)
        for name in (ALL, FLUENT):
            counted = [c for c in own if name == ALL or c["effect"] not in (None, regimes.COLLAPSE, regimes.BROKEN)]
            made.append(dict(zip(keys, at, strict=True)) | {"cells": name} | _dose(counted))
    return made


def _dose(cells: Sequence[Row]) -> Row:
    """Slope, correlation and gain within each prompt, then over prompts, which are the units: a text at one strength says
    nothing of its own beside the same prompt's at the next."""
    row: Row = {n: None for n in DOSES.columns if n not in ("model", "precision", "rule", "emotion", "cells")}
    scored = sorted((c for c in cells if c["target_score"] is not None), key=lambda c: (c["prompt"], c["strength"]))
    prompts = [p for _, group in groupby(scored, key=lambda c: c["prompt"]) if enough(p := list(group))]
    row |= {"n_prompts": len(prompts), "n_texts": sum(map(len, prompts))}
    if not prompts:
        lost = sorted({c["reason"] for c in cells if c["reason"]})
        few = f"no prompt has texts with a score at {FEWEST_STRENGTHS} strengths, the unsteered one among them"
        return row | {"reason": "; ".join([few, *lost])}
    x = [np.array([c["strength"] for c in p]) for p in prompts]
    y = [np.array([c["target_score"] for c in p]) for p in prompts]
    slopes = np.array([stats.linregress(a, b).slope for a, b in zip(x, y, strict=True)])
    # texts that are all alike have no order
    spearman = [0.0 if np.ptp(b) == 0 else float(stats.spearmanr(a, b).statistic) for a, b in zip(x, y, strict=True)]
    row |= {
        "slope": float(slopes.mean()),
        "spearman": float(np.mean(spearman)),
        "gain": float(np.mean([b[-1] - b[0] for b in y])),
    }
    if prompts[0][0]["target_rank"] is not None:
        row["rank_unsteered"] = float(np.mean([p[0]["target_rank"] for p in prompts]))
        row["rank_strongest"] = float(np.mean([p[-1]["target_rank"] for p in prompts]))
    if len(prompts) == 1:
        return row | {"reason": "one prompt: no interval"}
    se = float(slopes.std(ddof=1) / math.sqrt(len(slopes)))
    half = float(stats.t.ppf(0.975, len(slopes) - 1)) * se
    return row | {"slope_se": se, "ci_low": row["slope"] - half, "ci_high": row["slope"] + half}


def enough(prompt: Sequence[Row]) -> bool:
    """Whether a prompt's texts, by strength, begin with the unsteered one and have strengths enough for a slope."""
    return prompt[0]["strength"] == 0 and len(prompt) >= FEWEST_STRENGTHS


def main(arguments: list[str]) -> None:
    steering = SteeringSections.load().steering
    steered = [
        r
        for m in steering.models
        for p in steering.precisions
        for r in tables.read_rows(layout.steered_path(m, p), STEERED).iter_rows(named=True)
    ]
    cells = cell_rows(steered, steering.thresholds)
    tables.write_table(STEERING, cells)
    tables.write_table(REGIMES, regime_rows(cells, steering.thresholds))
    tables.write_table(DOSES, dose_rows(cells))


if __name__ == "__main__":
    run_stage(main)
