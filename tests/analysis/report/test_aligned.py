import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import ClassicalMDS

from analysis.report.aligned import ellipse, layout, onto, spreads, together


@pytest.fixture
def points():
    return np.random.default_rng(3).normal(size=(8, 2))


def distances(points):
    return squareform(pdist(points))


def test_points_of_a_plane_come_back_up_to_turn_size_and_place(points):
    found, share = layout(distances(points))
    assert share == pytest.approx(1)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert procrustes(points, found)[2] == pytest.approx(0, abs=1e-12)


def test_a_map_is_that_of_another_library():
    rdm = distances(np.random.default_rng(1).normal(size=(7, 5)))
    theirs = ClassicalMDS(n_components=2, metric="precomputed").fit_transform(rdm)
    assert procrustes(theirs, layout(rdm)[0])[2] == pytest.approx(0, abs=1e-10)


def test_a_turned_map_is_turned_back_and_a_mirrored_one_too(points):
    angle = 1.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert onto(points @ turn, points) == pytest.approx(points)
    first, second = together([points, points @ turn @ np.diag([1, -1])])
    assert first == pytest.approx(second)


def test_exact_distances_leave_no_spread_and_noisy_ones_some(points):
    rdm = distances(points)
    exact, target = np.zeros_like(rdm), layout(rdm)[0]
    assert spreads(rdm, exact, target) == pytest.approx(np.zeros((8, 2, 2)), abs=1e-12)
    assert np.trace(spreads(rdm, exact + 0.1, target), axis1=1, axis2=2).min() > 0


def test_an_ellipse_has_the_spread_of_its_covariance():
    corners = ellipse(np.array([1.0, 2.0]), np.diag([4.0, 1.0]))
    assert corners.min(axis=0) == pytest.approx([-1, 1])
    assert corners.max(axis=0) == pytest.approx([3, 3])
