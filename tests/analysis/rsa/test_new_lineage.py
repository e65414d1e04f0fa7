"""Prediction intervals against lineages that were drawn after them, and the formula against a balanced analysis by hand."""

import numpy as np
import pytest

from analysis.rsa import new_lineage

MEAN = 0.85


def drawn(rng, f, sd_lineage, sd_pair):
    """Numbers of f lineages and one more, which nobody has read."""
    u = sd_lineage * rng.normal(size=f + 1)
    e = np.triu(sd_pair * rng.normal(size=(f + 1, f + 1)), 1)
    return MEAN + u[:, None] + u[None, :] + e + e.T


@pytest.mark.parametrize(("f", "sd_lineage", "sd_pair"), [(3, 0.05, 0.0), (5, 0.05, 0.02), (5, 0.02, 0.05), (12, 0.05, 0.05)])
def test_a_new_lineage_lies_in_its_interval_as_often_as_is_said(rng, f, sd_lineage, sd_pair):
    of_mean, of_pair = [], []
    for _ in range(1500):
        y = drawn(rng, f, sd_lineage, sd_pair)
        found = new_lineage.predict(y[:f, :f])
        of_mean.append(found.low <= y[f, :f].mean() <= found.high)
        of_pair.append(found.pair_low <= y[f, rng.integers(f)] <= found.pair_high)
    assert 0.92 <= np.mean(of_mean) <= 0.985
    assert 0.92 <= np.mean(of_pair) <= 0.985


def test_an_interval_of_the_mean_would_miss_most_new_lineages(rng):
    """Why it is a prediction that is asked for."""
    inside = []
    for _ in range(500):
        y = drawn(rng, 10, 0.05, 0.01)
        own = y[:10, :10][np.triu_indices(10, 1)]
        half = 2 * own.std(ddof=1) / np.sqrt(len(own))
        inside.append(abs(y[10, :10].mean() - own.mean()) <= half)
    assert np.mean(inside) < 0.5


def test_variances_are_those_that_were_planted(rng):
    found = [new_lineage.predict(drawn(rng, 8, 0.06, 0.03)[:8, :8]) for _ in range(400)]
    assert np.sqrt(np.mean([f.sd_lineage**2 for f in found])) == pytest.approx(0.06, rel=0.1)
    assert np.sqrt(np.mean([f.sd_pair**2 for f in found])) == pytest.approx(0.03, rel=0.05)


def test_topics_that_all_pairs_share_widen_the_interval():
    y = np.array([[0, 0.8, 0.9], [0.8, 0, 0.85], [0.9, 0.85, 0]])
    plain, wide = new_lineage.predict(y), new_lineage.predict(y, se=0.05)
    assert wide.high - wide.mean == pytest.approx(np.hypot(plain.high - plain.mean, 0.05 * 4.302653), abs=1e-6)


def test_fewer_than_three_lineages_or_a_pair_without_a_number_predict_nothing():
    assert new_lineage.predict(np.full((2, 2), 0.9)) is None
    y = np.full((4, 4), 0.9)
    y[0, 3] = y[3, 0] = np.nan
    assert new_lineage.predict(y) is None


def test_pairs_of_models_become_pairs_of_lineages():
    matrix, names = new_lineage.of_lineages(
        np.array([0.9, 0.7, 0.5, 0.99, np.nan]), ["q", "l", "q", "q", "l"], ["l", "q", "s", "q", "s"]
    )
    assert names == ["l", "q", "s"]
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(0.8)
    assert matrix[1, 2] == 0.5
    assert np.isnan(matrix[0, 2])
    assert np.isnan(np.diag(matrix)).all()
