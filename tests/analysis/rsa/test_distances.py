"""Cross-validated distances against activations, and against truths that are known because they were simulated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.rsa import distances, gram, split_half
from analysis.rsa.gram import Design
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H = 5, 6, 30
ROW, COLUMN = np.triu_indices(E, 1)


def found_of(x, design, first):
    return distances.cross_validated(gram.cells(gram.gram(x), design), design, first)


def label_means(x, design, units):
    """Means of each label's stories in `units` (bool), centred over the labels."""
    inside = units[design.unit]
    means = np.stack([x[(design.label == e) & inside].mean(0) for e in range(len(design.labels))])
    return means - means.mean(0)


def by_hand(x, design, first, without=None):
    """From activations, halving by halving: cos_cv, euclid_cv, square_cv; the halvings in which a factor is not positive."""
    left = np.arange(len(design.units)) != without
    i, j = np.triu_indices(len(design.labels), 1)
    numerators, squares, euclid = [], [], []
    for half in first:
        a, b = (label_means(x, design, units & left) for units in (half, ~half))
        numerators.append((a[i] * b[j] + a[j] * b[i]).sum(1) / 2)
        squares.append((a * b).sum(1))
        euclid.append(((a[i] - a[j]) * (b[i] - b[j])).sum(1))
    mean = np.mean(squares, axis=0)
    roots = np.sqrt(np.where(mean > 0, mean, np.nan))
    undefined = np.array(squares) <= 0
    cosines = np.mean(numerators, 0) / (roots[i] * roots[j])
    return cosines, np.mean(euclid, 0), mean, (undefined[:, i] | undefined[:, j]).sum(0)


def jackknife(theta):
    return np.sqrt((len(theta) - 1) / len(theta) * np.square(theta - np.mean(theta, axis=0)).sum(0))


def assert_errors_are_those_of_topics_dropped_in_place(found, x, design, first):
    theta = [by_hand(x, design, first, without=t)[:3] for t in range(len(design.units))]
    errors = found.cos_cv_se, found.euclid_cv_se, found.square_cv_se
    for error, values in zip(errors, zip(*theta, strict=True), strict=True):
        np.testing.assert_allclose(error, jackknife(values), rtol=1e-9)


def simulated(rng, design, means, noise=1.0, topic_effect=3.0):
    """Stories with the label means given (E, H), a mean of their topic, and noise of their own."""
    shape = len(design.units), means.shape[1]
    stories = means[design.label] + topic_effect * rng.normal(size=shape)[design.unit]
    return stories + noise * rng.normal(size=stories.shape)


@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.sampled_from([0.0, 0.3, 2.0]))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_distances_from_the_gram_equal_those_of_activations(seed, per_cell, effect):
    rng = np.random.default_rng(seed)
    design = crossed(E, T, per_cell)
    x = simulated(rng, design, effect * rng.normal(size=(E, H))) + 50 * rng.normal(size=H)
    first = split_half.halvings(T, 100, 0)
    found = found_of(x, design, first)
    cos, euclid, square, undefined = by_hand(x, design, first)
    # Near a factor of 0 a cosine is as uncertain as one over it; an equal NaN is equal.
    np.testing.assert_allclose(found.cos_cv, cos, rtol=1e-9, atol=1e-9 * max(1, np.nanmax(np.abs(cos), initial=0)))
    np.testing.assert_allclose(found.euclid_cv, euclid, rtol=1e-9, atol=1e-9 * np.abs(euclid).max())
    np.testing.assert_allclose(found.square_cv, square, rtol=1e-9, atol=1e-9 * np.abs(square).max())
    assert np.array_equal(found.n_undefined, undefined)


def test_labels_with_unequal_numbers_of_stories_get_their_own_mean(rng):
    cells = [(e, t) for e in range(E) for t in range(T) for _ in range(1 + (e * t) % 3)]
    design = Design.of([f"e{e}" for e, _ in cells], [f"t{t}" for _, t in cells])
    x = simulated(rng, design, rng.normal(size=(E, H)))
    first = split_half.halvings(T, 100, 0)
    assert len(np.unique(design.counts)) == 3
    found = found_of(x, design, first)
    for value, true in zip((found.cos_cv, found.euclid_cv, found.square_cv), by_hand(x, design, first)[:3], strict=True):
        np.testing.assert_allclose(value, true, rtol=1e-9)
    assert_errors_are_those_of_topics_dropped_in_place(found, x, design, first)


@pytest.mark.parametrize("n_topics", [5, 6])
def test_the_errors_are_those_of_topics_dropped_in_place(rng, n_topics):
    design = crossed(E, n_topics)
    x = simulated(rng, design, rng.normal(size=(E, H)))
    first = split_half.halvings(n_topics, 7, 0)
    assert_errors_are_those_of_topics_dropped_in_place(found_of(x, design, first), x, design, first)


def test_over_all_halvings_the_distance_is_the_mean_over_pairs_of_different_topics(rng):
    design = crossed(E, T)
    x = simulated(rng, design, rng.normal(size=(E, H)))
    d = x.reshape(E, T, H)[ROW] - x.reshape(E, T, H)[COLUMN]
    products = np.einsum("pth,puh->ptu", d, d)
    different = ~np.eye(T, dtype=bool)
    assert np.allclose(found_of(x, design, split_half.halvings(T, 100, 0)).euclid_cv, products[:, different].mean(1), rtol=1e-9)


def test_without_a_label_effect_the_distance_is_zero_on_average_and_the_plain_one_is_not(rng):
    design = crossed(E, T)
    first = split_half.halvings(T, 100, 0)
    crossvalidated, plain = [], []
    for _ in range(300):
        x = simulated(rng, design, np.zeros((E, H)))
        crossvalidated.append(found_of(x, design, first).euclid_cv.mean())
        means = label_means(x, design, np.ones(T, bool))
        plain.append(np.square(means[ROW] - means[COLUMN]).sum(1).mean())
    for values, low, high in ((crossvalidated, -3, 3), (plain, 20, np.inf)):
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert low < np.mean(values) / error < high
    assert np.mean(plain) == pytest.approx(2 * H / T, rel=0.05)  # two labels' noise, of T stories each


def test_noise_shrinks_the_plain_cosine_and_leaves_the_crossvalidated_one(rng):
    design = crossed(E, 12)
    first = split_half.halvings(12, 60, 0)
    # Labels 0 and 1 are near, the sum over labels is zero: centring changes nothing, and the true cosines are known. There
    # are enough dimensions for every squared length to stand well above its error; a cosine's expectation needs that.
    means = rng.normal(size=(E, 200))
    means[1] = means[0] + 0.5 * means[1]
    means -= means.mean(0)
    units = means / np.linalg.norm(means, axis=1, keepdims=True)
    true = (units @ units.T)[ROW, COLUMN]
    crossvalidated, plain = [], []
    for _ in range(60):
        x = simulated(rng, design, means, noise=2.0)
        crossvalidated.append(found_of(x, design, first).cos_cv)
        plain.append(1 - cosine_rdm(x, design.label))
    assert np.abs(true).max() > 0.6
    assert np.abs(np.mean(plain, 0) - true).max() > 0.15
    assert np.abs(np.mean(crossvalidated, 0) - true).max() < 0.05
    near = np.abs(true) > 0.5
    assert np.abs(np.array(crossvalidated) - true)[:, near].mean() < np.abs(np.array(plain) - true)[:, near].mean()


def test_without_noise_both_are_the_plain_ones(rng):
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    x = simulated(rng, design, means, noise=0)
    found = found_of(x, design, split_half.halvings(T, 100, 0))
    assert np.allclose(found.cos_cv, 1 - cosine_rdm(x, design.label), atol=1e-9)
    assert np.allclose(found.euclid_cv, np.square(means[ROW] - means[COLUMN]).sum(1), rtol=1e-9)
    assert np.allclose([found.cos_cv_se, found.euclid_cv_se], 0, atol=1e-6)
    assert not found.n_undefined.any()


def test_a_label_whose_halves_point_apart_has_no_cosine_and_keeps_its_distance(rng):
    design = crossed(E, 4)
    means = 5 * rng.normal(size=(E, H))
    x = means[design.label]
    own = design.label == 0
    x[own] = means[1:].mean(0) + np.array([1, -1, 1, -1])[:, None] * rng.normal(size=H)  # its mean is that of the others
    found = found_of(x, design, split_half.halvings(4, 100, 0))
    assert np.array_equal(np.isnan(found.cos_cv), ROW == 0)
    assert np.array_equal(np.isnan(found.cos_cv_se), ROW == 0)
    assert np.isfinite(found.euclid_cv).all()
    assert not found.readable[ROW == 0].any()
    assert found.readable[ROW > 0].all()
    assert (found.n_undefined[ROW == 0] > 0).all()
    assert not found.n_undefined[ROW > 0].any()


def test_labels_without_any_difference_have_no_cosines_and_zero_distances(rng):
    design = crossed(E, T)
    x = rng.normal(size=(T, H))[design.unit]
    found = found_of(x, design, split_half.halvings(T, 100, 0))
    assert np.isnan(found.cos_cv).all()
    assert (found.n_undefined == 10).all()  # every halving of six topics
    assert np.allclose(found.euclid_cv, 0, atol=1e-9)


def test_halves_that_are_left_without_a_topic_are_refused(rng):
    design = crossed(E, 3)
    with pytest.raises(ValueError, match="leaves a label without stories"):
        found_of(rng.normal(size=(E * 3, H)), design, split_half.halvings(3, 100, 0))


def test_only_cosines_of_labels_that_stand_above_their_errors_are_readable(rng):
    """One label is much weaker than its noise: its cosines are numbers in many sets, and often beyond 1."""
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    means -= means.mean(0)
    means[0] *= 0.2
    weak = []
    for _ in range(60):
        found = found_of(simulated(rng, design, means), design, split_half.halvings(T, 100, 0))
        stands = found.square_cv > 2 * found.square_cv_se
        assert np.array_equal(found.readable, stands[ROW] & stands[COLUMN])
        weak.append(np.array([np.abs(found.cos_cv), found.readable])[:, ROW == 0])
    values, readable = np.concatenate(weak, axis=1)
    assert np.isfinite(values).mean() > 0.6
    assert (values[np.isfinite(values)] > 1).any()
    assert readable.mean() < 0.5
    assert np.all(values[readable == 1] < np.nanmax(values))
