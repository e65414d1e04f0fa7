"""The variance view: sums of squares against least squares and RDMs by hand, its test against permuted responses."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import rankdata, spearmanr

from analysis.confounds import variance
from analysis.rsa import gram
from tests.conftest import crossed
from tests.reference import cosine_rdm

few = settings(deadline=None, max_examples=30, derandomize=True)


def standardised(values):
    ranks = rankdata(values, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    return ranks / np.linalg.norm(ranks, axis=-1, keepdims=True)


def explained(y, *columns):
    """What indicators of the combinations of `columns` (N each) explain of y (N, P) by least squares: a sum of squares."""
    codes = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)[1].ravel()
    indicators = np.eye(codes.max() + 1)[codes]
    return np.square(indicators @ np.linalg.lstsq(indicators, y, rcond=None)[0]).sum()


def main_effect(y, axis):
    levels = np.moveaxis(y, axis, 0).reshape(y.shape[axis], -1, y.shape[-1]).mean(1)
    return np.square(levels - levels.mean(0)).sum()


@few
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(6, 8), st.integers(0, 2**32 - 1))
def test_shares_are_those_of_least_squares_on_the_factors_and_blocks(levels, n_blocks, seed):
    y = standardised(np.random.default_rng(seed).normal(size=(*levels, n_blocks, 10)))
    flat = y.reshape(-1, 10)
    codes = np.indices((*levels, n_blocks)).reshape(len(levels) + 1, -1)
    nothing = explained(flat, np.zeros(len(flat)))
    names = [f"f{n}" for n in range(len(levels))]
    found = variance.variance_view(y, names, wanted=5, seed=0)
    assert [f.factor for f in found] == names
    for factor, code in zip(found, codes[:-1], strict=True):
        ss = explained(flat, code) - nothing
        by_block = explained(flat, code, codes[-1]) - explained(flat, code) - explained(flat, codes[-1]) + nothing
        assert factor.share == pytest.approx(ss / (np.square(flat).sum() - nothing), abs=1e-12)
        assert factor.against_blocks == pytest.approx(ss / (ss + by_block), abs=1e-12)


def test_sums_of_squares_are_of_dissimilarities_between_rdms_of_activations(rng):
    """Two readers, six blocks of three topics: SS_total is the mean over all pairs of responses of 2 (1 - rho)."""
    design = crossed(5, 18)
    states = rng.normal(size=(2, 90, 12))
    members = variance.blocks(18, 6, seed=4)
    y = np.stack([variance.block_ranks(gram.cells(gram.gram(x), design), design, members) for x in states])
    by_hand = [[cosine_rdm(x, design.label, b[design.unit]) for b in members] for x in states]
    rdms = np.array(by_hand).reshape(12, -1)
    rho = spearmanr(rdms, axis=1).statistic
    assert np.allclose(np.square(y.reshape(12, 1, -1) - y.reshape(1, 12, -1)).sum(-1), 2 * (1 - rho), atol=1e-12)
    between = 2 * (1 - rho[:6, 6:]).sum() / 36
    within = 2 * (1 - rho[:6, :6]).sum() / 72 + 2 * (1 - rho[6:, 6:]).sum() / 72
    (found,) = variance.variance_view(y, ["reader"], wanted=5, seed=0)
    # of squared distances: between groups, minus within them, is the squared distance of the means
    assert found.share == pytest.approx(12 / 4 * (between - within) / (2 * (1 - rho).sum() / 24), abs=1e-12)


def test_blocks_hold_every_unit_once_and_are_as_even_as_can_be():
    for n_units, n_blocks in ((24, 6), (23, 6), (6, 6), (5, 1)):
        members = variance.blocks(n_units, n_blocks, seed=1)
        assert members.shape == (n_blocks, n_units)
        assert (members.sum(axis=0) == 1).all()
        assert np.ptp(members.sum(axis=1)) <= 1
    assert not np.array_equal(variance.blocks(24, 6, seed=1), variance.blocks(24, 6, seed=2))
    assert not np.array_equal(variance.blocks(24, 6, seed=1), np.arange(24) % 6 == np.arange(6)[:, None])
    with pytest.raises(ValueError, match="3 units do not fill 4 blocks"):
        variance.blocks(3, 4, seed=0)


# --- the test ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((2, 2, 9), 0), ((2, 2, 9), 1), ((3, 2, 6), 0)])
def test_p_counts_permutations_of_a_factors_levels_within_blocks(rng, shape, axis):
    """Every permutation of the responses themselves, the same at all levels of the other factor in a block."""
    y = standardised(
        rng.normal(size=(*shape, 10)) + np.array([0.4] * 3 + [0] * 7) * (np.arange(shape[0]) == 1)[:, None, None, None]
    )
    levels, n_blocks = shape[axis], shape[-1]
    front = np.moveaxis(y, axis, 0)
    every = list(permutations(range(levels)))
    choices = product(every, repeat=n_blocks)
    if len(every) ** n_blocks > 1000:
        choices = [[every[i] for i in row] for row in rng.integers(len(every), size=(1000, n_blocks))]
    permuted = []
    for orders in choices:
        moved = np.stack([front[list(order), :, b] for b, order in enumerate(orders)], axis=2)
        permuted.append(main_effect(moved, 0))
    true = np.mean(np.array(permuted) >= main_effect(y, axis) - 1e-12)
    found = variance.variance_view(y, ["a", "b"], wanted=6000, seed=0)[axis]
    if len(permuted) == 2**n_blocks:
        assert found.n_permutations == 2 ** (n_blocks - 1) - 1
        assert found.p == pytest.approx(true)  # each value of all permutations comes twice among them
    else:
        assert found.n_permutations == 6000
        assert abs(found.p - true) < 5 * np.sqrt(true * (1 - true) / 1000) + 5e-3


def test_a_full_list_of_permutations_is_taken_where_it_is_not_longer_than_what_is_wanted(rng):
    means = rng.normal(size=(3, 4, 5))
    observed = main_effect(means, 0)
    every = [
        main_effect(np.stack([means[list(order), b] for b, order in enumerate(orders)], 1), 0)
        for orders in product(permutations(range(3)), repeat=4)
    ]
    assert len(np.unique(np.round(every, 9))) == variance.distinct_permutations(3, 4) == 6**3
    p, m = variance.permutation_p(means, wanted=6**3 - 1, seed=0)
    assert (p, m) == (pytest.approx(np.mean(np.array(every) >= observed - 1e-12)), 6**3 - 1)
    assert variance.permutation_p(means, wanted=6**3 - 2, seed=0)[1] == 6**3 - 2
    means[:, 1:] = 0.1  # levels that differ in one block: whatever is exchanged, SS_f is the same but for rounding
    assert variance.permutation_p(means, wanted=99, seed=0)[0] == 1


def of_rdms(rng, effect, noise=(1.0, 1.0)):
    """Responses of 2 x 2 cells in 10 blocks: the first factor moves the RDM by `effect`, and has noise of its own; what a block
    does to the RDM, it does to all cells alike."""
    base, other, block = rng.normal(size=20), rng.normal(size=20), rng.normal(size=(10, 20))
    values = np.broadcast_to(base + block, (2, 2, 10, 20)) + effect * np.arange(2)[:, None, None, None] * other
    return standardised(values + np.array(noise)[:, None, None, None] * rng.normal(size=values.shape))


def test_factors_without_effect_are_found_as_often_as_the_level_says_and_an_effect_nearly_always(rng):
    """300 sets; the bounds are what a test of exactly that level passes but once in ten thousand runs."""
    p = np.array([[f.p for f in variance.variance_view(of_rdms(rng, 0.0), ["a", "b"], 199, 0)] for _ in range(300)])
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 300, 0.05)
    assert ((low <= (p <= 0.05).sum(axis=0)) & ((p <= 0.05).sum(axis=0) <= high)).all()
    found = [variance.variance_view(of_rdms(rng, 1.0), ["a", "b"], 199, 0) for _ in range(50)]
    assert np.mean([a.p <= 0.05 for a, _ in found]) > 0.9
    assert all(a.share > 2 * b.share and a.against_blocks > b.against_blocks for a, b in found)


def test_a_factor_that_changes_nothing_but_the_noise_is_an_effect_here(rng):
    """Which is why the shares stand beside reliabilities."""
    p = [variance.variance_view(of_rdms(rng, 0.0, noise=(0.3, 3.0)), ["a", "b"], 199, 0)[0].p for _ in range(40)]
    assert np.mean(np.array(p) <= 0.05) > 0.5


# --- what cannot be told -------------------------------------------------------------------------------------------------


def test_too_few_permutations_leave_the_shares_but_no_p(rng):
    two, three = variance.variance_view(standardised(rng.normal(size=(2, 3, 8, 10))), ["two", "three"], 99, 0)
    assert two.reason == "p: 2 levels in 8 blocks: 128 distinct permutations, fewer than 200"
    assert (two.p, two.n_permutations) == (None, 0)
    assert 0 < two.share < two.against_blocks < 1
    assert (three.reason, three.n_permutations) == (None, 99)
    assert 1 / 100 <= three.p <= 1


def test_too_few_blocks_or_a_cell_without_an_rdm_leave_nothing(rng):
    y = standardised(rng.normal(size=(3, 2, 6, 10)))
    for given_, reason in ((y[:, :, :5], "5 blocks of topics; 6 are the fewest"), (y, "a cell has no RDM in some block")):
        if given_ is y:
            given_[1, 0, 3] = np.nan
        found = variance.variance_view(given_, ["a", "b"], 99, 0)
        assert [(f.share, f.against_blocks, f.p, f.reason) for f in found] == [(None, None, None, reason)] * 2
    same = variance.variance_view(np.broadcast_to(standardised(np.arange(10)), y.shape), ["a", "b"], 99, 0)
    assert [(f.share, f.reason) for f in same] == [(None, "all cells have one RDM in all blocks")] * 2
    only_a = standardised(rng.normal(size=(3, 1, 6, 10))).repeat(2, axis=1)
    a, b = variance.variance_view(only_a, ["a", "b"], 99, 0)
    assert (a.reason, b.share, b.against_blocks, b.p) == (None, pytest.approx(0, abs=1e-15), None, None)
    assert b.reason == "the factor changes no RDM in any block"


@pytest.mark.parametrize(("shape", "factors"), [((2, 2, 6, 10), ["a"]), ((2, 1, 6, 10), ["a", "b"]), ((6, 10), [])])
def test_responses_that_are_no_factorial_are_refused(shape, factors):
    with pytest.raises(ValueError, match=f"for {len(factors)} factors of at least two levels"):
        variance.variance_view(np.zeros(shape), factors, 99, 0)
