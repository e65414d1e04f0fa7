"""Estimators against brute force on activations."""

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from analysis.rsa import gram, split_half
from analysis.rsa.rdm import Entries
from analysis.rsa.split_half import Halves, Reliability
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H = 6, 5, 25


@pytest.fixture
def two(rng):
    """Two readers that share some of their geometry: activations and their design."""
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    x, y = (means[design.label] + 1.5 * rng.normal(size=(E * T, H)) for _ in range(2))
    return x, y, design


def halves_of(x, design, first):
    return Halves.of(gram.cells(gram.gram(x), design), design, first)


def rho(a, b):
    return spearmanr(a, b).statistic


@given(st.integers(2, 12), st.integers(1, 200), st.integers(0, 99))
def test_halvings_are_distinct_halves_and_never_each_others_complement(n, wanted, seed):
    first = split_half.halvings(n, wanted, seed)
    every = comb(n, n // 2) // (2 if n % 2 == 0 else 1)
    assert len(first) == min(wanted, every)
    assert (first.sum(1) == n // 2).all()
    seen = {tuple(row) for row in first}
    assert len(seen) == len(first)
    if n % 2 == 0:
        assert not any(tuple(~row) in seen for row in first)


def test_halvings_of_many_topics_are_a_repeatable_sample():
    first = split_half.halvings(24, 100, seed=7)
    assert first.shape == (100, 24)
    assert np.array_equal(first, split_half.halvings(24, 100, seed=7))
    assert not np.array_equal(first, split_half.halvings(24, 100, seed=8))
    assert first[:, 0].all()


def test_rho_same_rho_cross_and_reliability_equal_brute_force(two):
    x, y, design = two
    first = split_half.halvings(T, 100, seed=0)
    a, b = halves_of(x, design, first), halves_of(y, design, first)

    def half(z, mask):
        return cosine_rdm(z, design.label, mask[design.unit])

    cross = np.mean([(rho(half(x, h), half(y, ~h)) + rho(half(x, ~h), half(y, h))) / 2 for h in first])
    own = np.mean([rho(half(x, h), half(x, ~h)) for h in first])
    assert np.isclose(split_half.rho_same(a, b), rho(cosine_rdm(x, design.label), cosine_rdm(y, design.label)), atol=1e-12)
    same = np.mean([rho(half(x, m), half(y, m)) for h in first for m in (h, ~h)])
    assert np.isclose(split_half.rho_cross(a, b), cross, atol=1e-12)
    assert np.isclose(split_half.rho_same_half(a, b), same, atol=1e-12)
    assert np.isclose(split_half.reliability(a).value, own, atol=1e-12)


def test_the_jackknife_drops_a_topic_in_place_and_keeps_the_halvings(two):
    x, _, design = two
    first = split_half.halvings(T, 100, seed=0)
    theta = []
    for t in range(T):
        left = np.arange(T) != t
        rhos = [
            rho(cosine_rdm(x, design.label, (h & left)[design.unit]), cosine_rdm(x, design.label, (~h & left)[design.unit]))
            for h in first
        ]
        theta.append(np.mean(rhos))
    se = sqrt((T - 1) / T * np.square(np.array(theta) - np.mean(theta)).sum())
    assert np.isclose(split_half.reliability(halves_of(x, design, first)).se, se, atol=1e-12)


def test_reliability_of_smaller_sets_and_of_some_pairs_equals_brute_force(two):
    x, _, design = two
    first, second = split_half.disjoint(T, 2, 30, seed=1)
    assert (first.sum(1) == 2).all()
    assert (second.sum(1) == 2).all()
    assert not (first & second).any()
    assert len(np.unique(first, axis=0)) > 5
    some = np.arange(E * (E - 1) // 2) % 3 > 0

    def mean_rho(left):
        halves = [
            [cosine_rdm(x, design.label, (m & left)[design.unit])[some] for m in pair]
            for pair in zip(first, second, strict=True)
        ]
        return np.mean([rho(a, b) for a, b in halves])

    found = split_half.reliability(Halves.of(gram.cells(gram.gram(x), design), design, first, second, Entries(some)))
    theta = np.array([mean_rho(np.arange(T) != t) for t in range(T)])
    assert np.isclose(found.value, mean_rho(np.ones(T, bool)), atol=1e-12)
    assert np.isclose(found.se, sqrt((T - 1) / T * np.square(theta - theta.mean()).sum()), atol=1e-12)
    with pytest.raises(ValueError, match="two sets of 3 do not fit into 5 units"):
        split_half.disjoint(T, 3, 30, seed=1)


def test_a_cross_fitted_half_comes_from_the_layer_chosen_on_the_other_half(two):
    x, y, design = two
    first = split_half.halvings(T, 100, seed=0)
    by_layer = {3: halves_of(x, design, first), 8: halves_of(y, design, first)}
    chosen = np.where(np.arange(2 * len(first)).reshape(-1, 2) % 3 == 0, 3, 8)
    found = split_half.cross_fitted(by_layer, chosen)
    for n, (on_first, on_second) in enumerate(chosen):
        assert np.array_equal(found.halves[n, 0], by_layer[on_second].halves[n, 0])
        assert np.array_equal(found.halves[n, 1], by_layer[on_first].halves[n, 1])
        for t in range(T):
            layer = on_second if first[n, t] else on_first
            assert np.array_equal(found.deleted[n, t], by_layer[layer].deleted[n, t])
    assert np.isnan(found.whole).all()


def test_the_same_layer_on_both_halves_is_no_cross_fitting_at_all(two):
    x, _, design = two
    first = split_half.halvings(T, 100, seed=0)
    h = halves_of(x, design, first)
    found = split_half.cross_fitted({0: h}, np.zeros((len(first), 2), dtype=np.int64))
    assert split_half.reliability(found) == split_half.reliability(h)


@pytest.mark.parametrize(
    ("value", "se", "reason"),
    [
        (0.5, 0.1, None),
        (0.5, 0.3, "within two standard errors"),
        (0.08, 0.01, "below 0.1"),
        (float("nan"), 0.1, "zero in some half"),
    ],
)
def test_a_reliability_says_why_nothing_may_be_divided_by_it(value, se, reason):
    found = Reliability(value, se).reason
    assert found is None if reason is None else reason in found
