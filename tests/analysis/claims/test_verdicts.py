"""Verdicts on planted evidence: every one of them where the truth is known, and the borders between them.

`old_*`: the first rules in a few lines, where they gave a wrong verdict that these must not give.
"""

import numpy as np
import pytest
from analysis.claims.verdicts import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, UNDECIDED, Evidence, Left
from scipy import stats

from analysis.claims import rules, verdicts
from analysis.claims.rules import PASSAGES, Published, Side

MARGIN = 0.1
SHARED = Side(at_least=0.735)
ANOTHER = Side(at_most=0.735)
WORDS = "words:tfidf"


def measured(rng, truth, n=24, noise=0.05, **more):
    """What a study of n units finds that estimates `truth` without error: mean and t interval."""
    z = rng.normal(size=n)
    x = truth + noise * (z - z.mean())
    half = stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n)
    return Evidence("a x b", x.mean(), x.mean() - half, x.mean() + half, scale=rules.DISATTENUATED, **more)


def beyond(low, high):
    return {"left": (Left(WORDS, 0.0 if low is None else (low + high) / 2, low, high),)}


@pytest.mark.parametrize(
    ("truth", "noise", "more", "verdict"),
    [
        (0.90, 0.05, {}, HOLDS),
        (0.50, 0.05, {}, FAILS),
        (0.80, 0.50, {}, UNDECIDED),
        (0.90, 0.05, beyond(-0.06, 0.05), EXPLAINED + WORDS),
        (0.90, 0.05, beyond(-0.06, 0.11), UNDECIDED),
        (0.90, 0.05, beyond(0.05, 0.30), UNDECIDED),
        (0.90, 0.05, beyond(None, None), UNDECIDED),
        (0.90, 0.05, beyond(0.12, 0.60), HOLDS),
        (0.50, 0.05, beyond(-0.06, 0.05), FAILS),  # what does not hold needs no explanation
    ],
)
def test_every_verdict_is_found_where_it_was_planted(rng, truth, noise, more, verdict):
    assert verdicts.of_every([measured(rng, truth, noise=noise, **more)], SHARED, MARGIN).verdict == verdict


def test_a_floor_of_meaningless_labels_is_a_description(rng):
    """The first rule: rho_same .95 under a floor of .989 is "explained by stimulus_floor"."""
    for floor in (0.40, 0.989):
        assert verdicts.of_every([measured(rng, 0.95, floor=floor)], SHARED, MARGIN).verdict == HOLDS
    assert verdicts.judge(Evidence("", 0.9, floor=0.95), SHARED, MARGIN)[0] == NOT_TESTABLE


def test_a_claim_that_readers_differ_is_never_explained(rng):
    """The first rule: .30 [.20, .40], at most .735, under a floor of .9: "explained by stimulus_floor"."""
    low = measured(rng, 0.30, floor=0.9, **beyond(-0.06, 0.05))
    assert verdicts.of_every([low], ANOTHER, MARGIN).verdict == HOLDS
    assert verdicts.of_every([low], Side(0.2, 0.5), MARGIN).verdict == HOLDS
    assert verdicts.of_every([measured(rng, 0.9, **beyond(-0.06, 0.05))], ANOTHER, MARGIN).verdict == FAILS


def test_what_was_not_measured_is_not_testable_and_says_why():
    found = verdicts.of_every([Evidence("a x b", None, reason="a was not read")], SHARED, MARGIN)
    assert (found.verdict, found.why) == (NOT_TESTABLE, "a was not read")
    assert verdicts.of_every([], SHARED, MARGIN).verdict == NOT_TESTABLE


def test_a_number_without_an_interval_decides_nothing_unless_it_is_a_fact_of_the_run():
    assert verdicts.judge(Evidence("", 0.9, reason="three passages"), SHARED, MARGIN) == (NOT_TESTABLE, "three passages")
    assert verdicts.judge(Evidence("", 0.1), SHARED, MARGIN)[0] == NOT_TESTABLE
    assert verdicts.judge(Evidence("", 0.9, exact=True), SHARED, MARGIN)[0] == HOLDS
    assert verdicts.judge(Evidence("", 0.1, exact=True), SHARED, MARGIN)[0] == FAILS


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.3, 0.5, HOLDS), (0.29, 0.5, UNDECIDED), (0.3, 0.51, UNDECIDED), (0.1, 0.29, FAILS), (0.51, 0.9, FAILS)],
)
def test_ends_belong_to_the_claims_side(low, high, verdict):
    assert verdicts.judge(Evidence("", (low + high) / 2, low, high), Side(0.3, 0.5), MARGIN)[0] == verdict


def test_a_claim_on_every_pair_falls_with_one_and_names_the_one_that_is_furthest_off(rng):
    good, open_, bad = (measured(rng, t, noise=n) for t, n in ((0.9, 0.05), (0.8, 0.5), (0.5, 0.05)))
    worse = Evidence("c x d", 0.2, 0.1, 0.3, scale=rules.DISATTENUATED)
    unknown = Evidence("e x f", None, reason="not read")
    assert verdicts.of_every([good, good], SHARED, MARGIN).verdict == HOLDS
    assert verdicts.of_every([good, open_], SHARED, MARGIN).verdict == UNDECIDED
    found = verdicts.of_every([good, open_, bad, worse, unknown], SHARED, MARGIN)
    assert (found.verdict, found.of) == (FAILS, worse)
    assert found.why == "2 of 4: c x d; 1 of 5 could not be judged (e x f: not read)"


@pytest.mark.parametrize("side", [SHARED, Side(at_least=0.7, at_most=1.0), Side(at_least=0.0)])
def test_a_pair_that_cannot_be_judged_leaves_every_pair_open(rng, side):
    """The first rule: one judged and 39 not testable hold."""
    unknown = [Evidence("e x f", None, reason="not read")] * 39
    found = verdicts.of_every([measured(rng, 0.9), *unknown], side, MARGIN)
    assert found.verdict == UNDECIDED
    assert found.why == "a x b; 39 of 40 could not be judged (e x f: not read)"
    assert verdicts.of_every([measured(rng, 0.9, **beyond(-0.06, 0.05)), *unknown], side, MARGIN).verdict == UNDECIDED


def test_a_claim_on_every_pair_is_explained_away_by_one_pair_and_open_before_that(rng):
    good, explained = measured(rng, 0.9), measured(rng, 0.9, **beyond(-0.06, 0.05))
    assert verdicts.of_every([good, explained], SHARED, MARGIN).verdict == EXPLAINED + WORDS
    assert verdicts.of_every([measured(rng, 0.8, noise=0.5), explained], SHARED, MARGIN).verdict == UNDECIDED


@pytest.mark.parametrize(
    ("same", "across", "p", "own", "verdict"),
    [
        (0.90, 0.50, 0.001, 0.6, HOLDS),
        (0.50, 0.50, 0.001, 0.6, FAILS),
        (0.90, 0.05, 0.400, 0.6, EXPLAINED + PASSAGES),
        (0.90, 0.05, 0.400, 0.1, UNDECIDED),  # readers that do not agree with themselves across passages
        (0.90, 0.30, 0.100, 0.6, UNDECIDED),
        (0.90, None, None, None, UNDECIDED),
    ],
)
def test_the_published_protocol_is_judged_by_what_is_found_across_passages(same, across, p, own, verdict):
    made = Evidence("a x b", same, published=Published("a x b", same, across, p, own), scale=rules.RAW)
    assert verdicts.of_every([made], SHARED, MARGIN).verdict == verdict
    unread = Evidence("c x d", None, published=Published("c x d", None, None, None, reason="no layer"), scale=rules.RAW)
    found = verdicts.of_every([made, unread], SHARED, MARGIN)
    assert found.verdict == (UNDECIDED if verdict == HOLDS else verdict)
    assert found.of == made
