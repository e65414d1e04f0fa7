"""Cross-model decoding against scipy's Procrustes on activations, and on planted geometries: shared, unrelated, meaningless."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from analysis.rsa import decoding, gram
from benchmarks import planted
from tests.conftest import crossed

E, T, H = 6, 6, 12


def by_hand(x, y, design, held_out, order, fitted, named):
    """Guesses on held-out stories from activations of one width, with an explicit map."""
    keep = ~np.isin(design.unit, held_out)
    a, b = (np.stack([s[keep & (design.label == e)].mean(0) for e in range(E)]) for s in (x, y))
    a = a[order]
    mean_a, mean_b = a[fitted].mean(0), b[fitted].mean(0)
    # inside the spaces that centroids span: elsewhere a fit on few centroids leaves the map open
    (va, vb) = (np.linalg.svd(c[fitted] - m, full_matrices=False)[2][: fitted.sum() - 1] for c, m in ((a, mean_a), (b, mean_b)))
    turn, _ = orthogonal_procrustes((a[fitted] - mean_a) @ va.T, (b[fitted] - mean_b) @ vb.T)
    turned = (a - mean_a) @ va.T @ turn
    stories = (y[~keep] - mean_b) @ vb.T
    scores = stories @ (turned / np.linalg.norm(turned, axis=1, keepdims=True)).T
    scores[:, ~named] = -np.inf
    return scores.argmax(axis=1)


def test_guesses_are_those_of_an_explicit_map(rng):
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    x, y = (
        means[design.label] + rng.normal(size=(36, H)),
        means[design.label] @ rng.normal(size=(H, H)) + rng.normal(size=(36, H)),
    )
    (fold, *_) = decoding.folds(gram.gram(x), gram.gram(y), design, 3, 0)
    held_out = np.unique(design.unit[fold.at])
    everyone, some = np.ones(E, dtype=bool), np.arange(E) < 4
    order = np.array([2, 0, 1, 5, 4, 3])
    for fitted, named in ((everyone, everyone), (some, ~some)):
        for o in (np.arange(E), order):
            found = decoding.guesses(fold, o[None], fitted, named)[0]
            assert (found == by_hand(x, y, design, held_out, o, fitted, named)).all()


def test_widths_may_differ_and_a_turn_changes_nothing(rng):
    design = crossed(E, T)
    x = rng.normal(size=(E, H))[design.label] + 1.6 * rng.normal(size=(36, H))
    wider = x @ np.linalg.qr(rng.normal(size=(3 * H, H)))[0].T + 3.0
    found = decoding.decode(gram.gram(x), gram.gram(wider), design, 20, 0, n_folds=3, n_new=2)
    own = decoding.decode(gram.gram(x), gram.gram(x), design, 20, 0, n_folds=3, n_new=2)
    assert (found.right == own.right).all()
    assert 0.4 < found.accuracy < 1
    assert found.where(np.arange(36) < 9) == pytest.approx(found.right[:9].mean())
    assert np.isnan(found.where(np.zeros(36, dtype=bool)))


def test_a_shared_geometry_names_labels_that_the_map_never_saw():
    d = planted.design()
    found = decoding.decode(*planted.pair(0.9, 0.8, 3).grams(d, (1,)), d, 39, 0)
    assert found.accuracy > found.by_chance.max()
    assert found.new > 0.5 > found.new_by_chance.max()
    assert (found.p, found.p_new) == (1 / 40, 1 / 40)


def test_accuracy_alone_shows_nothing_where_geometries_are_unrelated():
    """Any twenty centroids can be turned onto any other twenty: seven in ten right, with nothing in common."""
    d = planted.design()
    found = [decoding.decode(*planted.unrelated(5)(n).grams(d, (1, n)), d, 19, n) for n in range(3)]
    assert np.mean([f.accuracy for f in found]) > 0.4
    assert abs(np.mean([f.accuracy - f.by_chance.mean() for f in found])) < 0.05
    assert np.mean([f.new for f in found]) == pytest.approx(0.2, abs=0.1)


def test_meaningless_labels_are_named_by_chance():
    d = planted.design()
    found = [decoding.decode(*planted.without_labels(0.9, 3).grams(d, (1, n)), d, 5, n) for n in range(2)]
    assert np.mean([f.accuracy for f in found]) == pytest.approx(0.05, abs=0.03)
