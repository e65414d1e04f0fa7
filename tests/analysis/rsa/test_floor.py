"""The stimulus floor against numpy, and against models in which the truth was planted."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.rsa import floor, gram
from tests.conftest import crossed
from tests.reference import cosine_rdm


def test_shuffled_labels_stay_within_their_topic_and_keep_their_numbers():
    design = crossed(5, 4, per_cell=2)
    made = floor.shuffles(design, 50, seed=1)
    for u in range(4):
        own = made[:, design.unit == u]
        assert (np.sort(own, axis=1) == np.sort(design.label[design.unit == u])).all()
    assert len(np.unique(made, axis=0)) == 50
    assert np.array_equal(made, floor.shuffles(design, 50, seed=1))


def test_the_floor_is_rho_same_under_the_same_meaningless_labels_on_both_sides(rng):
    design = crossed(6, 4)
    x, y = rng.normal(size=(2, 24, 30))
    found = floor.floors([gram.gram(x), gram.gram(y)], design, 20, seed=2)
    for n, assigned in enumerate(floor.shuffles(design, 20, seed=2)):
        expected = spearmanr(cosine_rdm(x, assigned), cosine_rdm(y, assigned)).statistic
        assert found[n, 0, 1] == pytest.approx(expected)
    assert np.allclose(found[:, 0, 0], 1)


def test_the_floor_explains_what_passages_alone_share_and_not_what_emotions_do(rng):
    design = crossed(20, 3)
    stories = rng.normal(size=(60, 40))
    emotions = (rng.normal(size=(20, 2)) @ rng.normal(size=(2, 40)))[design.label]  # two axes, as valence and arousal

    def two_models(content):
        states = [content @ np.linalg.qr(rng.normal(size=(200, 40)))[0].T for _ in range(2)]
        same = spearmanr(*(cosine_rdm(x, design.label) for x in states)).statistic
        return same, np.quantile(floor.floors([gram.gram(x) for x in states], design, 200, 0)[:, 0, 1], 0.95)

    passages, floor_95 = two_models(stories)
    assert passages > 0.9  # no emotion at all, and yet
    assert passages <= floor_95
    noisy = [2 * emotions + 5 * rng.normal(size=(60, 40)) for _ in range(2)]  # what the two share is the labels alone
    same = spearmanr(*(cosine_rdm(x, design.label) for x in noisy)).statistic
    assert same > np.quantile(floor.floors([gram.gram(x) for x in noisy], design, 200, 0)[:, 0, 1], 0.95)


@pytest.mark.parametrize(("n", "level"), [(199, 0.95), (199, 0.975), (39, 0.95), (99, 0.975)])
def test_what_lies_above_the_quantile_has_a_permutation_p_of_no_more_than_its_level(rng, n, level):
    drawn = rng.normal(size=(n, 3))
    above = np.nextafter(floor.quantile(drawn, level), np.inf)
    p = (1 + (drawn >= above).sum(axis=0)) / (1 + n)
    assert (p <= 1 - level + 1e-12).all()
