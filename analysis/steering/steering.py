"""Stage `steering`: what steering did. The regimes of each rule and target, and how a target's score follows the strength.
Table `steering`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, product
from typing import Any

import numpy as np
from scipy import stats

from analysis.steering import regimes
from pipeline.errors import run_stage
from pipeline.params.steering import EMOTIONS, RANDOM, Steering, SteeringSections, Thresholds
from pipeline.schemas.steered import STEERED
from pipeline.schemas.steering import STEERING
from pipeline.store import layout, tables

Row = dict[str, Any]
FEWEST_STRENGTHS = 3
NO_SCORE = "they or the unsteered text have no score, or no perplexity"
FELL_APART = (None, regimes.COLLAPSE, regimes.BROKEN)


# --- every text ----------------------------------------------------------------------------------------------------------


def texts(steering: Steering) -> list[Row]:
    """Every steered text of `data/steered` with what steering did to it: see `beside_unsteered`."""
    steered: list[Row] = []
    for model, precision in product(steering.models, steering.precisions):
        rows = tables.read_rows(layout.steered_path(model, precision), STEERED)
        steered += rows.iter_rows(named=True)
    return beside_unsteered(steered, steering.thresholds)


def beside_unsteered(steered: Sequence[Row], limits: Thresholds) -> list[Row]:
    """Rows of the stage `steer` (columns STEERED), each with `n_words`, `most_3`, `regime` (the published criteria on this one
    text), and, beside the unsteered text of its prompt, `unchanged`, `perplexity_ratio` and `effect` (`regimes.effect`); null
    where there is no whole text."""
    without = {(r["model"], r["precision"], r["rule"], r["emotion"], r["prompt"]): r for r in steered if r["strength"] == 0}
    made = []
    for r in steered:
        plain = without[r["model"], r["precision"], r["rule"], r["emotion"], r["prompt"]]
        row = r | dict.fromkeys(("n_words", "most_3", "regime", "unchanged", "perplexity_ratio", "effect"))
        if measured(r):
            row |= regimes.statistics(r["text"])
            row["regime"] = regimes.regime(row["most_3"], row["n_words"], limits)
        if measured(r) and measured(plain):
            less, gain = (_less(r[name], plain[name]) for name in ("surprisal", "target_score"))
            ratio = None if less is None else math.exp(less)
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


# --- rows of the table ---------------------------------------------------------------------------------------------------


def table_rows(of_texts: Sequence[Row], limits: Thresholds) -> list[Row]:
    """Rows of `steering` from `texts`: per model, precision, rule and target, over all strengths but 0 and at each."""
    made = []
    for at, own in by(of_texts, "model", "precision", "rule"):
        for target, chosen in targets(own):
            for strength in (None, *sorted({t["strength"] for t in chosen})):
                here = [t for t in chosen if (t["strength"] != 0 if strength is None else t["strength"] == strength)]
                row = STEERING.blank() | at | {"target": target, "strength": strength}
                dose = _dose(chosen) if strength is None else {}
                counts = _counts(here, limits)
                reasons = [part["reason"] for part in (counts, dose) if part.get("reason")]
                made.append(row | counts | dose | {"reason": "; ".join(reasons) or None})
    return made


def targets(of_texts: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The texts of each target, and of all emotions and all random directions together; a kind without texts is left out."""
    for kind in (EMOTIONS, RANDOM):
        if of_kind := [t for t in of_texts if t["emotion"].startswith(f"{RANDOM}#") == (kind == RANDOM)]:
            yield kind, of_kind
            yield from ((at["emotion"], own) for at, own in by(of_kind, "emotion"))


def by(rows: Sequence[Row], *keys: str) -> Iterator[tuple[Row, list[Row]]]:
    """Rows that have the same values of keys, in their order."""

    def values(row: Row) -> list[Any]:
        return [row[k] for k in keys]

    for at, group in groupby(sorted(rows, key=values), key=values):
        yield dict(zip(keys, at, strict=True)), list(group)


def _counts(of_texts: Sequence[Row], limits: Thresholds) -> Row:
    whole = [t for t in of_texts if t["regime"] is not None]
    lost = len(of_texts) - len(whole)
    row: Row = {"n_texts": len(of_texts), "n_not_finite": lost}
    reasons = []
    if lost:
        found = sorted({t["reason"] for t in of_texts if t["regime"] is None})
        reasons.append(f"{lost} of {len(of_texts)} texts: {'; '.join(found)}")
    if unknown := sum(t["effect"] is None for t in whole):
        reasons.append(f"{unknown} of {len(of_texts)} texts count neither as toward nor as away: {NO_SCORE}")
    row["reason"] = "; ".join(reasons) or None
    if not whole:
        return row
    n = len(whole)
    n_repetitive, n_short = (sum(t["regime"] == kind for t in whole) for kind in (regimes.REPETITIVE, regimes.EXPLOSIVE))
    row |= {"share_repetitive": n_repetitive / n, "share_short": n_short / n}
    for name, kind in (
        ("unchanged", regimes.NONE),
        ("toward", regimes.TOWARD),
        ("away", regimes.AWAY),
        ("collapsed", regimes.COLLAPSE),
        ("broken", regimes.BROKEN),
    ):
        row[f"share_{name}"] = sum(t["effect"] == kind for t in whole) / n
    if unknown and not row["share_toward"] + row["share_away"]:  # of nobody is it known
        row |= {"share_toward": None, "share_away": None}
    for name, column, summary in (
        ("median_perplexity_ratio", "perplexity_ratio", np.median),
        ("mean_target_score", "target_score", np.mean),
    ):
        known = [t[column] for t in whole if t[column] is not None]
        row[name] = float(summary(known)) if known else None
    if not lost:  # greedy decoding of NaN repeats token 0, which would be judged as a text: no label is the better answer
        row["regime"] = regimes.label(n_repetitive, n_short, n, limits)
        row["texts_to_another"] = regimes.to_another(n_repetitive, n_short, n, limits)
    return row


# --- dose and response ---------------------------------------------------------------------------------------------------


def _dose(of_texts: Sequence[Row]) -> Row:
    """Slope, correlation and gain of all texts of a target or kind, and the slope of those that did not fall apart."""
    row = _slope(of_texts)
    fluent = _slope([t for t in of_texts if t["effect"] not in FELL_APART], "fluent ")
    row |= {f"{name}_fluent": fluent.get(name) for name in ("n_prompts", "slope")}
    row |= {f"slope_fluent_{end}": fluent.get(f"slope_{end}") for end in ("low", "high")}
    return row | {"reason": "; ".join(part["reason"] for part in (row, fluent) if part.get("reason")) or None}


def _slope(of_texts: Sequence[Row], which: str = "") -> Row:
    """Slope, correlation and gain within each prompt and target, then over prompts, which are the units: a text at one strength
    says nothing of its own beside the same prompt's at the next."""
    scored = sorted((t for t in of_texts if t["target_score"] is not None), key=lambda t: float(t["strength"]))
    prompts = [[own for _, own in by(of_prompt, "emotion") if enough(own)] for _, of_prompt in by(scored, "prompt")]
    prompts = [series for series in prompts if series]
    row: Row = {"n_prompts": len(prompts)}
    if not prompts:
        few = f"no prompt has {which}texts with a score at {FEWEST_STRENGTHS} strengths, the unsteered one among them"
        return row | {"reason": few}
    found = np.array([np.mean([_of_series(own) for own in series], axis=0) for series in prompts])  # (prompt, number)
    slopes = found[:, 0]
    row |= dict(zip(("slope", "spearman", "gain"), found.mean(axis=0).tolist(), strict=True))
    if prompts[0][0][0]["target_rank"] is not None:
        for name, at in (("rank_unsteered", 0), ("rank_strongest", -1)):
            row[name] = float(np.mean([np.mean([own[at]["target_rank"] for own in series]) for series in prompts]))
    if len(prompts) == 1:
        return row | {"reason": f"one prompt{which and ' of fluent texts'}: no interval of the slope"}
    se = float(slopes.std(ddof=1) / math.sqrt(len(slopes)))
    half = float(stats.t.ppf(0.975, len(slopes) - 1)) * se
    return row | {"slope_low": row["slope"] - half, "slope_high": row["slope"] + half}


def _of_series(own: Sequence[Row]) -> tuple[float, float, float]:
    """Slope, Spearman's rho and gain of one prompt and target, texts by strength."""
    x, y = (np.array([t[name] for t in own]) for name in ("strength", "target_score"))
    # texts that are all alike have no order
    spearman = 0.0 if np.ptp(y) == 0 else float(stats.spearmanr(x, y).statistic)
    return float(stats.linregress(x, y).slope), spearman, float(y[-1] - y[0])


def enough(series: Sequence[Row]) -> bool:
    """Whether the texts of a prompt and target, by strength, begin with the unsteered one and are enough for a slope."""
    return series[0]["strength"] == 0 and len(series) >= FEWEST_STRENGTHS


def main(arguments: list[str]) -> None:
    steering = SteeringSections.load().steering
    tables.write_table(STEERING, table_rows(texts(steering), steering.thresholds))


if __name__ == "__main__":
    run_stage(main)
