import numpy as np
import pytest

from analysis.rsa import gram, layers, split_half
from tests.conftest import crossed

E, T, H = 5, 6, 12


@pytest.fixture
def planted(rng):
    design = crossed(E, T)
    x = rng.normal(size=(E, H))[design.label] + 1.2 * rng.normal(size=(E * T, H)) + 9
    return x, design


def nearest_centroid(x, design, members):
    """Held-out accuracy per unit, story by story."""
    accuracy = np.full(T, np.nan)
    for t in np.flatnonzero(members):
        train = members[design.unit] & (design.unit != t)
        centroids = np.stack([x[train & (design.label == e)].mean(0) for e in range(E)])
        centre = centroids.mean(0)
        hits = []
        for s in np.flatnonzero(design.unit == t):
            v, c = x[s] - centre, centroids - centre
            hits.append(np.argmax(c @ v / np.linalg.norm(c, axis=1) / np.linalg.norm(v)) == design.label[s])
        accuracy[t] = np.mean(hits)
    return accuracy


def test_held_out_accuracy_equals_a_loop_over_stories(planted):
    x, design = planted
    first = split_half.halvings(T, 100, seed=0)
    draws = np.concatenate([np.ones((1, T), bool), first, ~first])
    k = gram.gram(x)
    found = layers.held_out_accuracy(k, gram.cells(k, design), design, draws)
    true = np.stack([nearest_centroid(x, design, draw) for draw in draws])
    assert np.array_equal(found, true, equal_nan=True)
    assert 0.3 < np.nanmean(found[0]) < 1


def test_stories_have_no_guess_where_a_label_has_no_direction(rng):
    design = crossed(3, T)
    v = rng.normal(size=H)
    x = np.stack([v, -v, np.zeros(H)])[design.label] + 3  # the third label's vector is the mean of all
    k = gram.gram(x)
    guesses = layers.held_out_guesses(k, gram.cells(k, design), design, np.ones((1, T), bool))
    assert (guesses == -1).all()


def test_accuracy_of_labels_without_meaning_is_near_chance(rng):
    design = crossed(10, 20)
    k = gram.gram(rng.normal(size=(200, 300)))
    accuracy = layers.held_out_accuracy(k, gram.cells(k, design), design, np.ones((1, 20), bool)).mean()
    assert abs(accuracy - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 200)


def test_accuracy_and_error_ignore_units_outside_the_draw():
    mean, se = layers.accuracy_and_se(np.array([[0.2, np.nan, 0.4, 0.6], [np.nan] * 4]))
    assert mean[0] == pytest.approx(0.4)
    assert se[0] == pytest.approx(np.std([0.2, 0.4, 0.6], ddof=1) / np.sqrt(3))
    assert np.isnan(mean[1])


def test_the_smallest_layer_within_one_standard_error_is_chosen():
    mean = np.array([0.1, 0.42, 0.5, 0.45, np.nan, 0.3])
    assert layers.best_layer_cv(mean, np.full(6, 0.1)) == layers.Choice(1, 1, 3)
    assert layers.best_layer_cv(mean, np.full(6, 0.01)) == layers.Choice(2, 2, 2)
    assert layers.best_layer_cv(np.full(3, np.nan), np.full(3, np.nan)) is None


def test_the_published_rule_follows_norms_not_meaning(rng):
    # Layer 0: random directions of equal length. Layer 1: a strong geometry with one long vector. The rule picks noise.
    noise = np.linalg.qr(rng.normal(size=(40, 8)))[0].T
    strong = np.repeat(np.eye(2, 40), 4, axis=0) + 0.1 * rng.normal(size=(8, 40))
    strong[0] *= 6
    cosines = []
    for vectors in (noise, strong):
        centred = vectors - vectors.mean(0)
        units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        cosines.append(((units @ units.T).sum() - 8) / 56)
        found = layers.mean_pairwise_cosine(gram.centred_products(vectors @ vectors.T))
        assert found == pytest.approx(cosines[-1])
    assert cosines[0] == pytest.approx(-1 / 7, abs=1e-3)
    assert layers.best_layer_paper(np.array(cosines)) == layers.Choice(0, 0, 0)


@pytest.mark.parametrize(("depth", "layer"), [(0.0, 0), (0.5, 15), (0.97, 29), (1.0, 29)])
def test_depth_is_layer_over_number_of_layers(depth, layer):
    assert layers.layer_at(depth, 30) == layer
