"""Statistics of a text's words, and what they make of it: the published regimes of steering, and ours."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import floor
from typing import Any

from pipeline.params.steering import Thresholds

REPETITIVE, EXPLOSIVE, SURGICAL = "repetitive_collapse", "explosive", "surgical"
NONE, COLLAPSE, BROKEN, TOWARD, AWAY = "none", "collapse", "broken", "toward", "away"


def words(text: str) -> list[str]:
    """Lower-case words, whatever stands between blanks, as published: punctuation belongs to its word."""
    return text.lower().split()


def statistics(text: str) -> dict[str, Any]:
    """How many words a text has, and how often its most frequent run of three stands."""
    own = words(text)
    return {"n_words": len(own), "most_3": max(Counter(zip(own, own[1:], own[2:], strict=False)).values(), default=0)}


def regime(most_3: int, n_words: int, limits: Thresholds) -> str:
    """The published criteria on one text: repetitive if a 3-gram stands `times` times; else explosive if it has fewer than
    `words` words; else surgical, also where steering changed nothing at all."""
    return REPETITIVE if most_3 >= limits.times else EXPLOSIVE if n_words < limits.words else SURGICAL


def label(n_repetitive: int, n_short: int, n: int, limits: Thresholds) -> str:
    """The published label of `n` texts, of which so many are repetitive or short: shares must exceed their limits."""
    if Fraction(n_repetitive, n) > Fraction(str(limits.repetitive)):
        return REPETITIVE
    return EXPLOSIVE if Fraction(n_short, n) > Fraction(str(limits.explosive)) else SURGICAL


def to_another(n_repetitive: int, n_short: int, n: int, limits: Thresholds) -> int | None:
    """The fewest of the texts that, counted otherwise, give another label; None where no count does."""
    moves = [_across(n_repetitive, n, limits.repetitive)]
    if label(n_repetitive, n_short, n, limits) != REPETITIVE:  # which is asked first
        moves.append(_across(n_short, n, limits.explosive))
    return min((m for m in moves if m is not None), default=None)


def _across(count: int, n: int, limit: float) -> int | None:
    """The fewest of `n` texts by which a count must change so that its share exceeds the limit, or no longer does."""
    fewest = floor(n * Fraction(str(limit))) + 1  # that exceed it
    if count >= fewest:
        return count - fewest + 1
    return fewest - count if fewest <= n else None


def effect(
    unchanged: bool, most_3: int, n_words: int, ratio: float | None, gain: float | None, limits: Thresholds
) -> str | None:
    """What steering did to one text. In this order: `none` (the unsteered text), `collapse` (repetitive), `broken` (fewer than
    `words` words, or a perplexity more than `perplexity_ratio` times the unsteered text's), `toward` (its score is above the
    unsteered text's: `gain` > 0) or `away`. None where ratio or gain are needed and unknown."""
    if unchanged:
        return NONE
    if most_3 >= limits.times:
        return COLLAPSE
    if n_words < limits.words or (ratio is not None and ratio > limits.perplexity_ratio):
        return BROKEN
    if ratio is None or gain is None:
        return None
    return TOWARD if gain > 0 else AWAY
