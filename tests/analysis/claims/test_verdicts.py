"""Verdicts on planted evidence: every one of them where the truth is known, and the borders between them."""

import numpy as np
import pytest
from scipy import stats

from analysis.claims import verdicts
from analysis.claims.verdicts import EXPLAINED, FAILS, FLOOR, HOLDS, NOT_TESTABLE, UNDECIDED, Evidence, Given, Side

SE = 0.15
SHARED = Side(at_least=0.735)


def measured(rng, truth, n=24, noise=0.05, **more):
    """What a study of n units finds that estimates `truth` without error: mean and t interval."""
    z = rng.normal(size=n)
    x = truth + noise * (z - z.mean())
    half = stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n)
    return Evidence("a x b", x.mean(), x.mean() - half, x.mean() + half, **more)


@pytest.mark.parametrize(
    ("truth", "noise", "more", "verdict"),
    [
        (0.90, 0.05, {}, HOLDS),
        (0.50, 0.05, {}, FAILS),
        (0.80, 0.50, {}, UNDECIDED),
        (0.90, 0.05, {"floor": 0.97}, EXPLAINED + FLOOR),
        (0.90, 0.05, {"floor": 0.40}, HOLDS),
        (0.90, 0.05, {"given": (Given("words:tfidf", -0.1, 0.08),)}, EXPLAINED + "words:tfidf"),
        (0.90, 0.05, {"given": (Given("words:tfidf", -0.1, 0.20),)}, HOLDS),  # too uncertain to explain anything
        (0.90, 0.05, {"given": (Given("words:tfidf", 0.1, 0.08),)}, HOLDS),
        (0.50, 0.05, {"floor": 0.97}, FAILS),  # what does not hold needs no explanation
    ],
)
def test_every_verdict_is_found_where_it_was_planted(rng, truth, noise, more, verdict):
    assert verdicts.of_every([measured(rng, truth, noise=noise, **more)], SHARED, SE).verdict == verdict


def test_what_was_not_measured_is_not_testable_and_says_why():
    found = verdicts.of_every([Evidence("a x b", None, reason="a was not read")], SHARED, SE)
    assert (found.verdict, found.why) == (NOT_TESTABLE, "a was not read")
    assert verdicts.of_every([], SHARED, SE).verdict == NOT_TESTABLE


def test_a_number_without_an_interval_decides_nothing_unless_it_is_a_fact_of_the_run_or_a_control_gives_as_much():
    assert verdicts.judge(Evidence("", 0.9, reason="three passages"), SHARED, SE) == (NOT_TESTABLE, "three passages")
    assert verdicts.judge(Evidence("", 0.1), SHARED, SE)[0] == NOT_TESTABLE
    assert verdicts.judge(Evidence("", 0.9, exact=True), SHARED, SE)[0] == HOLDS
    assert verdicts.judge(Evidence("", 0.1, exact=True), SHARED, SE)[0] == FAILS
    assert verdicts.judge(Evidence("", 0.9, floor=0.9), SHARED, SE)[0] == EXPLAINED + FLOOR
    assert verdicts.judge(Evidence("", 0.1, floor=0.9), SHARED, SE)[0] == NOT_TESTABLE


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.3, 0.5, HOLDS), (0.29, 0.5, UNDECIDED), (0.3, 0.51, UNDECIDED), (0.1, 0.29, FAILS), (0.51, 0.9, FAILS)],
)
def test_ends_belong_to_the_claims_side(low, high, verdict):
    assert verdicts.judge(Evidence("", (low + high) / 2, low, high), Side(0.3, 0.5), SE)[0] == verdict


def test_a_claim_on_every_pair_falls_with_one_and_names_the_one_that_is_furthest_off(rng):
    good, open_, bad = (measured(rng, t, noise=n) for t, n in ((0.9, 0.05), (0.8, 0.5), (0.5, 0.05)))
    worse = Evidence("c x d", 0.2, 0.1, 0.3)
    unknown = Evidence("e x f", None, reason="not read")
    assert verdicts.of_every([good, good], SHARED, SE).verdict == HOLDS
    assert verdicts.of_every([good, open_], SHARED, SE).verdict == UNDECIDED
    found = verdicts.of_every([good, open_, bad, worse, unknown], SHARED, SE)
    assert (found.verdict, found.of) == (FAILS, worse)
    assert found.why == "2 of 4: c x d; 1 could not be judged"


def test_a_claim_on_every_pair_is_explained_away_by_one_pair_and_open_before_that(rng):
    good, explained = measured(rng, 0.9), measured(rng, 0.9, floor=0.95)
    assert verdicts.of_every([good, explained], SHARED, SE).verdict == EXPLAINED + FLOOR
    assert verdicts.of_every([measured(rng, 0.8, noise=0.5), explained], SHARED, SE).verdict == UNDECIDED
