"""The lowest of many numbers: level at the border, power, and pairs that cannot be judged."""

import numpy as np
import pytest
from scipy import stats

from analysis.rsa import simultaneous
from analysis.rsa.split_half import t_quantile

T, K, BORDER = 24, 40, 0.735


def study(rng, truth, common=0.5, noise=0.15):
    """Numbers of K pairs that are means over T topics, and without each topic; `common`: the share of noise that pairs
    share."""
    z = np.sqrt(common) * rng.normal(size=(T, 1)) + np.sqrt(1 - common) * rng.normal(size=(T, K))
    x = truth + noise * z
    return x.mean(0), (x.sum(0) - x) / (T - 1)


def by_pair(values, without):
    """The old rule: every pair by its own interval."""
    se = np.sqrt((T - 1) / T * np.square(without - without.mean(0)).sum(0))
    half = t_quantile(0.975, T - 1) * se
    return values - half, values + half


def test_at_the_border_the_old_rule_rejects_a_quarter_and_this_one_a_fortieth(rng):
    old, new = [], []
    for n in range(250):
        values, without = study(rng, BORDER)
        old.append(by_pair(values, without)[1].min() < BORDER)
        new.append(simultaneous.lowest(values, without, n).high < BORDER)
    assert np.mean(old) > 0.15
    assert np.mean(new) <= 0.045


def test_one_pair_at_the_border_does_not_pass_for_above_it(rng):
    truth = np.full(K, 0.95)
    truth[7] = BORDER
    holds = []
    for n in range(200):
        holds.append(simultaneous.lowest(*study(rng, truth), n).low >= BORDER)
    assert np.mean(holds) <= 0.045


def test_both_ends_find_what_is_far_enough_from_the_border(rng):
    found = [simultaneous.lowest(*study(rng, 0.9), n) for n in range(60)]
    assert np.mean([f.low >= BORDER for f in found]) > 0.9
    truth = np.full(K, 0.9)
    truth[3] = 0.55
    found = [simultaneous.lowest(*study(rng, truth), n) for n in range(60)]
    assert np.mean([f.high < BORDER for f in found]) > 0.9
    assert np.mean([f.deciding == 3 for f in found]) > 0.9


def test_the_estimate_is_not_low_by_selection(rng):
    found = [(simultaneous.lowest(*study(rng, 0.8), n).estimate, study(rng, 0.8)[0].min()) for n in range(200)]
    ours, plain = np.median(found, axis=0)
    assert plain < 0.76
    assert abs(ours - 0.8) < 0.015


def test_the_quantile_lies_between_students_and_bonferronis(rng):
    alike = np.repeat(rng.normal(size=(T, 1)), K, axis=1)
    apart = rng.normal(size=(T, K))
    student, bonferroni = stats.t.ppf(0.975, T - 1), stats.t.ppf(1 - 0.025 / K, T - 1)
    assert simultaneous.max_t(alike, 0.975, 0) == pytest.approx(student, abs=0.12)
    assert student + 0.5 < simultaneous.max_t(apart, 0.975, 0) <= bonferroni + 0.15


def test_pairs_that_cannot_be_judged_are_counted_and_do_not_move_the_ends(rng):
    values, without = study(rng, 0.9)
    more = np.append(values, [np.nan, 0.9])
    fewer = np.column_stack([without, without[:, 0], np.full(T, np.nan)])
    one, other = simultaneous.lowest(values, without, 0), simultaneous.lowest(more, fewer, 0)
    assert (other.n, other.n_unknown) == (K, 2)
    assert (other.low, other.high, other.deciding) == (one.low, one.high, one.deciding)
    assert simultaneous.lowest(np.array([np.nan]), np.full((T, 1), np.nan), 0) is None
