"""Rows of single labels against brute force, and a label that is planted to break the agreement."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.rsa import gram, pairwise, per_emotion, split_half
from analysis.rsa.split_half import Halves
from benchmarks import planted
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H = 6, 6, 15


def square(x, design, keep):
    i, j = np.triu_indices(E, 1)
    full = np.zeros((E, E))
    full[i, j] = full[j, i] = cosine_rdm(x, design.label, keep)
    return full


def row_cross(x, y, design, first, label, without=None):
    others = [k for k in range(E) if k != label]
    rhos = []
    for half in first:
        halves = [h[design.unit] & (design.unit != without) for h in (half, ~half)]
        for a, b in (halves, halves[::-1]):
            rhos.append(spearmanr(square(x, design, a)[label, others], square(y, design, b)[label, others]).statistic)
    return np.mean(rhos)


def test_rows_equal_brute_force_on_activations(rng):
    design, first = crossed(E, T), split_half.halvings(T, 5, 0)
    means = rng.normal(size=(E, H))
    x, y = (means[design.label] + 0.5 * rng.normal(size=(E * T, H)) for _ in range(2))
    cells = [gram.cells(gram.gram(s), design) for s in (x, y)]
    found = per_emotion.per_emotion(*cells, design, first)
    for label in range(E):
        assert found.rho_cross[label] == pytest.approx(row_cross(x, y, design, first, label))
        assert found.reliability_b[label] == pytest.approx(row_cross(y, y, design, first, label))
    theta = np.array([row_cross(x, y, design, first, 2, without=u) for u in range(T)])
    assert found.se[2] == pytest.approx(np.sqrt((T - 1) / T * np.square(theta - theta.mean()).sum()))


def test_the_label_that_was_moved_in_one_reader_breaks_its_row():
    world = planted.pair(0.97, 0.9, 8)
    rng = np.random.default_rng(0)
    moved = world.readers[1].meaning.copy()
    moved[4] = planted.geometry(rng)[4]
    other = planted.Reader(moved, world.readers[1].sight, world.readers[1].noise)
    d, first = planted.design(), split_half.halvings(planted.TOPICS, 8, 0)
    grams = planted.World((world.readers[0], other)).grams(d, (1,))
    found = per_emotion.per_emotion(*(gram.cells(k, d) for k in grams), d, first)
    assert int(np.argmin(found.rho_cross)) == 4
    assert found.rho_cross[4] + 2 * found.se[4] < np.median(found.rho_cross)
    assert min(found.reliability_a[4], found.reliability_b[4]) > 0.5  # it is measured well: it is not noise that breaks it


def test_the_curve_ends_at_the_number_of_all_labels_and_centres_every_subset_anew():
    world = planted.pair(0.8, 0.7, 8)
    d, first = planted.design(), split_half.halvings(planted.TOPICS, 5, 0)
    cells = [gram.cells(k, d) for k in world.grams(d, (1,))]
    found = per_emotion.curve(cells, d, first, wanted=6, seed=0)
    assert [s.n_labels for s in found] == list(range(5, 21))
    assert found[-1].rho_cross.shape == (1, 2, 2)
    whole = pairwise.pairwise([Halves.of(c, d, first) for c in cells])
    assert np.allclose(found[-1].rho_cross[0], whole.rho_cross.value)
    assert np.allclose(found[-1].rho_dis[0], whole.rho_dis.value)
    spread = [s.rho_cross[:, 0, 1].std() for s in (found[0], found[10])]
    assert spread[0] > spread[1]
    # a subset is a study of these labels alone
    k = np.sort(np.random.default_rng((0, 7)).permutation(20)[:7])
    states = world.states(d, (1,))
    rows = np.isin(d.label, k)
    fewer = planted.design(7)
    alone = [gram.cells(gram.gram(s[rows]), fewer) for s in states]
    assert np.allclose(found[2].rho_cross[0], pairwise.pairwise([Halves.of(c, fewer, first) for c in alone]).rho_cross.value)
