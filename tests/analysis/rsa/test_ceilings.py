"""The same-story noise ceiling by hand; against rsatoolbox in test_to_rsatoolbox."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from analysis.rsa import rdm
from analysis.rsa.ceilings import same_story_noise_ceiling


def by_hand(rdms):
    ranked = rankdata(rdms, axis=1)
    others = [np.delete(ranked, m, axis=0).mean(0) for m in range(len(ranked))]
    lower = [spearmanr(r, o).statistic for r, o in zip(ranked, others, strict=True)]
    upper = [spearmanr(r, ranked.mean(0)).statistic for r in ranked]
    return np.mean(lower), np.mean(upper)


@pytest.mark.parametrize("n_models", [2, 3, 8])
def test_the_ceiling_is_the_mean_rho_with_the_mean_ranks_of_all_and_of_the_others(rng, n_models):
    rdms = rng.normal(size=15) + 0.8 * rng.normal(size=(n_models, 15))
    total = rankdata(rdms, axis=1).sum(0)
    assert len(np.unique(total)) < 15  # mean ranks that are tied, as they often are
    lower, upper = same_story_noise_ceiling(rdm.ranks(rdms))
    assert np.allclose((lower, upper), by_hand(rdms), atol=1e-12)
    assert lower < upper


def test_no_other_rank_order_correlates_better_with_the_rdms(rng):
    rdms = rng.normal(size=(4, 21))
    ranks = rdm.ranks(rdms)
    _, upper = same_story_noise_ceiling(ranks)
    guesses = [*rng.normal(size=(2000, 21)), *rdms, rdms.mean(0)]
    assert max((ranks @ rdm.ranks(guess)).mean() for guess in np.array(guesses)) <= upper + 1e-12


def test_equal_rdms_reach_one_and_a_constant_one_has_no_ceiling(rng):
    one = rng.normal(size=15)
    assert np.allclose(same_story_noise_ceiling(rdm.ranks(np.stack([one] * 3))), 1)
    assert np.isnan(same_story_noise_ceiling(rdm.ranks(np.stack([one, one, np.ones(15)])))).all()


def test_one_model_has_no_ceiling(rng):
    with pytest.raises(ValueError, match="at least two models"):
        same_story_noise_ceiling(rdm.ranks(rng.normal(size=(1, 15))))
