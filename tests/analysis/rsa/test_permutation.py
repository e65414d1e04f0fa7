"""Permutation tests against brute force on activations, and on planted worlds: what each is right for and wrong for."""

import numpy as np
import pytest

from analysis.rsa import floor, gram, pairwise, permutation, split_half
from analysis.rsa.split_half import Halves
from benchmarks import planted
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H = 6, 6, 25


def spearman(a, b):
    return float(np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1])


def cross(x, y, label_x, label_y, unit, first):
    rhos = []
    for half in first:
        one, two = half[unit], ~half[unit]
        rhos += [spearman(cosine_rdm(x, label_x, a), cosine_rdm(y, label_y, b)) for a, b in ((one, two), (two, one))]
    return np.mean(rhos)


@pytest.fixture
def two(rng):
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    states = [means[design.label] + 0.7 * rng.normal(size=(E * T, H)) for _ in range(2)]
    return states, design, split_half.halvings(T, 8, 0)


def test_both_tests_equal_brute_force_on_activations(two):
    (x, y), design, first = two
    permutations = pairwise.label_permutations(E, 40, 3)
    found = permutation.both_tests([gram.gram(x), gram.gram(y)], design, (first, ~first), permutations, 30, 5)
    observed = cross(x, y, design.label, design.label, design.unit, first)
    assert found.rho_cross[0, 1] == pytest.approx(observed)
    mantel = [cross(x, y, design.label, np.argsort(p)[design.label], design.unit, first) for p in permutations]
    assert found.p_mantel[0, 1] == (1 + np.sum(np.array(mantel) >= observed - 1e-12)) / 41
    shuffled = [cross(x, y, s, s, design.unit, first) for s in floor.shuffles(design, 30, 5)]
    assert np.allclose(found.shuffled[:, 0, 1], shuffled)
    assert found.p_shuffle[0, 1] == (1 + np.sum(np.array(shuffled) >= observed - 1e-12)) / 31
    assert found.p_cross[0, 1] == max(found.p_mantel[0, 1], found.p_shuffle[0, 1])
    assert np.isnan(np.diag(found.p_cross)).all()


def test_patterns_from_a_gram_matrix_are_as_good_as_the_activations(two):
    (x, _), design, first = two
    halves = Halves.of(gram.cells(gram.gram(x), design), design, first)
    assert np.allclose(permutation.split_ranks(permutation.factor(gram.gram(x)), design, first, ~first), halves.halves)


def test_several_stories_of_a_cell_are_shuffled_one_by_one(rng):
    design = crossed(4, 5, per_cell=2)
    f = rng.normal(size=(40, 12))
    label = floor.shuffles(design, 1, 0)[0]
    half = np.array([[True, True, False, False, False]])
    ranks = permutation.split_ranks(f, design, half, ~half, label)
    one = half[0][design.unit]
    for got, kept in ((ranks[0, 0], one), (ranks[0, 1], ~one)):
        assert (np.argsort(got) == np.argsort(cosine_rdm(f, label, kept))).all()


def test_pairs_that_nobody_asked_for_are_left_out(two):
    (x, y), design, first = two
    asked = np.zeros((3, 3), dtype=bool)
    asked[0, 2] = True
    grams = [gram.gram(x), gram.gram(y), gram.gram(x + y)]
    found = permutation.both_tests(grams, design, (first, ~first), pairwise.label_permutations(E, 20, 3), 10, 5, asked)
    assert np.isfinite(found.p_cross[0, 2])
    assert np.isnan(found.p_cross[0, 1])
    assert found.shuffled.shape == (10, 3, 3)


def rejections(worlds, n_sets):
    """Shares of p <= .05: p_mantel, p_shuffle, p_cross."""
    d, first = planted.design(topics=12), split_half.halvings(12, 2, 0)
    permutations = pairwise.label_permutations(planted.LABELS, 199, 0)
    p = []
    for n in range(n_sets):
        found = permutation.both_tests(worlds(n).grams(d, (1, n)), d, (first, ~first), permutations, 39, n)
        p.append((found.p_mantel[0, 1], found.p_shuffle[0, 1], found.p_cross[0, 1]))
    return np.mean(np.array(p) <= 0.05, axis=0)


def test_each_test_alone_is_wrong_somewhere_and_the_larger_p_nowhere():
    """40 sets: a level of 5% gives 6 rejections or more in 1.4%; the full size is in benchmarks/levels.py."""
    nothing = planted.without_labels(0.9, 3)
    assert rejections(lambda _: nothing, 40)[2] <= 0.125
    _, shuffle, both = rejections(planted.unrelated(5), 40)
    assert shuffle > 0.125  # strong geometries that have nothing in common differ from no geometry
    assert both <= 0.125
    shared = planted.pair(0.6, 0.5, 6)
    assert rejections(lambda _: shared, 10)[2] >= 0.8
