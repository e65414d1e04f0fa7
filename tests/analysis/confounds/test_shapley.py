"""Shapley attribution: its identities on any distances, and a planted effect through the project's own estimators."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from analysis.confounds import shapley
from analysis.rsa import gram, pairwise, split_half
from analysis.rsa.split_half import Halves
from tests.conftest import crossed
from tests.reference import cosine_rdm

FACTORS = ("meaning", "noise", "basis")
few = settings(deadline=None, max_examples=60, derandomize=True)


def values(n):
    return hnp.arrays(np.float64, n, elements=st.floats(-2, 2))


@st.composite
def distances(draw, lowest=1, highest=4):
    """k, and any symmetric distances of 2^k cells with a diagonal of 0; they need not be a metric, nor positive."""
    k = draw(st.integers(lowest, highest))
    d = draw(values((2**k, 2**k)))
    d = d + d.T
    np.fill_diagonal(d, 0)
    return k, d


def moved(k, new):
    """Each cell's bitmask after factor f has become factor new[f]."""
    return np.array([sum((cell >> f & 1) << new[f] for f in range(k)) for cell in range(2**k)])


def shares_of(d):
    return shapley.shares(shapley.worth(d))


def near(a, b):
    return np.abs(a - b).max() <= 1e-12


def brute_force(v):
    """Marginal worth of every factor, averaged over all k! orders."""
    k = len(v).bit_length() - 1
    found = np.zeros(k)
    orders = list(permutations(range(k)))
    for order in orders:
        cell = 0
        for f in order:
            found[f] += v[cell | 1 << f] - v[cell]
            cell |= 1 << f
    return found / len(orders)


# --- identities ----------------------------------------------------------------------------------------------------------


@few
@given(st.integers(1, 4).flatmap(lambda k: values((2, 3, 2**k))))
def test_shares_are_marginal_worths_averaged_over_every_order(v):
    assert near(shapley.shares(v), np.array([[brute_force(x) for x in row] for row in v]))


@few
@given(distances(highest=8))
def test_worth_goes_from_nothing_to_the_distance_and_shares_sum_to_it(case):
    k, d = case
    v = shapley.worth(np.stack([d, 2 * d]))
    by_hand = [(d[0, s] + d[0, 2**k - 1] - d[s, 2**k - 1]) / 2 for s in range(2**k)]
    assert near(v, np.array([by_hand, 2 * np.array(by_hand)]))  # half of the smallest number is rounded
    assert (v[0, 0], v[0, -1]) == (0, d[0, -1])
    assert near(shapley.shares(v).sum(axis=-1), v[:, -1])


@few
@given(distances())
def test_swapping_the_experiments_changes_no_share(case):
    swapped = case[1][::-1, ::-1]  # of a bitmask, the complement counts from the other end
    assert near(shares_of(swapped), shares_of(case[1]))


@few
@given(distances(), st.data())
def test_the_order_of_factors_changes_no_share(case, data):
    k, d = case
    new = data.draw(st.permutations(range(k)))
    there = moved(k, new)
    assert near(shares_of(d[np.ix_(there, there)]), shares_of(d)[new])


@few
@given(distances(), st.data())
def test_a_factor_that_changes_no_cell_gets_nothing_and_takes_nothing(case, data):
    k, d = case
    f = data.draw(st.integers(0, k))
    cells = np.arange(2 ** (k + 1))
    without = (cells & (1 << f) - 1) | (cells >> (f + 1) << f)  # the cell's bitmask over the other factors
    assert near(shares_of(d[np.ix_(without, without)]), np.insert(shares_of(d), f, 0))


@few
@given(distances(lowest=2), st.data())
def test_two_factors_with_the_same_marginal_effects_get_the_same_share(case, data):
    k, d = case
    one, two = data.draw(st.permutations(range(k)))[:2]
    new = list(range(k))
    new[one], new[two] = two, one
    there = moved(k, new)
    found = shares_of(d + d[np.ix_(there, there)])
    assert near(found[one], found[two])


@few
@given(values(5))
def test_displacements_that_add_up_at_right_angles_are_shared_by_their_squared_lengths(lengths):
    """Squared Euclidean distances of cells at sums of orthogonal displacements: every order gives the same."""
    on = (np.arange(32)[:, None] >> np.arange(5) & 1) * lengths
    assert near(shares_of(np.square(on[:, None] - on).sum(-1)), lengths**2)


@pytest.mark.parametrize("n", [0, 3, 6, 12])
def test_worths_that_are_not_of_all_subsets_are_refused(n):
    with pytest.raises(ValueError, match=f"2\\^k values, not {n}"):
        shapley.shares(np.zeros((2, n)))


# --- errors, intervals and what is missing -------------------------------------------------------------------------------


@pytest.fixture
def measured(rng):
    """Distances of the cells of three factors; the same without each of 7 topics, and without each of 5 prompts."""
    noisy = [np.abs(rng.normal(1, 0.2, size=(n, 8, 8))) for n in (1, 7, 5)]
    d, topics, prompts = ((x + x.swapaxes(1, 2)) * (1 - np.eye(8)) for x in noisy)
    return d[0], topics, prompts


def test_the_variances_over_sets_of_units_add_up_and_the_smallest_set_gives_the_degrees_of_freedom(measured):
    d, topics, prompts = measured
    found = shapley.attribute(d, [topics, prompts], FACTORS)
    variance = np.zeros(4)
    for left_out in (topics, prompts):
        theta = np.array([[*brute_force(shapley.worth(x)), x[0, 7]] for x in left_out])
        u = len(theta)
        variance += (u - 1) / u * ((theta - theta.mean(0)) ** 2).sum(0)
    assert near(found.shares, brute_force(shapley.worth(d)))
    assert np.allclose(found.se, np.sqrt(variance[:3]))
    assert found.total == d[0, 7]
    assert found.total_se == pytest.approx(np.sqrt(variance[3]))
    assert (found.missing, found.reason, found.dof) == ((), None, 4)
    for level in (0.95, 0.8):
        half = -stats.t(4).ppf((1 - level) / 2)
        assert np.allclose(found.interval(level).T, [found.shares - half * found.se, found.shares + half * found.se])
        assert found.total_interval(level) == pytest.approx((d[0, 7] - half * found.total_se, d[0, 7] + half * found.total_se))


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("cell", range(8))
def test_a_cell_without_distances_leaves_no_shares_and_is_named_alone(measured, cell, which):
    measured[which][..., cell, :] = measured[which][..., :, cell] = np.nan
    d, topics, prompts = measured
    found = shapley.attribute(d, [topics, prompts], FACTORS)
    assert np.isnan([found.shares, found.se, *found.interval().T]).all()
    assert found.missing == (cell,)
    assert (np.isnan(found.total), np.isnan(found.total_se)) == (cell in (0, 7) and which == 0, cell in (0, 7) and which > 0)


def test_one_distance_without_one_topic_is_enough_to_leave_no_shares_if_it_is_needed(measured):
    d, topics, prompts = measured
    whole = shapley.attribute(d, [topics, prompts], FACTORS)
    topics[3, [2, 5], [5, 2]] = np.nan
    assert np.array_equal(shapley.attribute(d, [topics, prompts], FACTORS).se, whole.se)
    topics[3, [7, 5], [5, 7]] = np.nan
    found = shapley.attribute(d, [topics, prompts], FACTORS)
    assert (found.missing, found.total, found.total_se) == ((5,), whole.total, whole.total_se)
    assert np.isnan(found.shares).all()
    prompts[0, 0, 7] = prompts[0, 7, 0] = np.nan
    assert shapley.attribute(d, [topics, prompts], FACTORS).missing == (0, 5, 7)


def test_both_experiments_or_all_cells_can_be_missing_and_no_cell_is_blamed_for_another(measured):
    (d, topics, prompts), unknown = measured, np.full((8, 8), np.nan)
    names = "none; meaning; noise; meaning + noise; basis; meaning + basis; noise + basis; meaning + noise + basis"
    assert shapley.attribute(unknown, [topics, prompts], FACTORS).reason == f"no distance for the cells that change: {names}"
    unknown[5, 5] = 0  # a cell with a distance to itself exists, though there is none to compare it with
    assert shapley.attribute(unknown, [topics, prompts], FACTORS).missing == (0, 1, 2, 3, 4, 6, 7)
    for cells, own in (((0, 7), 0), ((0, 7), np.nan), ((3,), 0)):  # each beside the last
        for cell in cells:
            d[cell] = d[:, cell] = np.nan
            d[cell, cell] = own
        assert shapley.attribute(d, [topics, prompts], FACTORS).missing == ((0, 7) if 3 not in cells else (0, 3, 7))


def test_what_is_no_set_of_distances_is_refused_with_the_fault(measured):
    d, topics, prompts = measured
    lopsided = topics.copy()
    lopsided[2, 1, 4] += 0.1
    for arguments, fault in (
        ((d, [topics], ("a", "b")), r"shape \(8, 8\) where \(4, 4\)"),
        ((d, [d], FACTORS), r"shape \(8, 8\) where \(8, 8, 8\)"),
        ((d, [topics, prompts[:1]], FACTORS), "two units, not 1"),
        ((d, [], FACTORS), "no resampling units"),
        ((d, [topics], ("a", "b", "a")), "names of their own"),
        ((np.zeros((1, 1)), [np.zeros((3, 1, 1))], ()), "names of their own"),
        ((d, [lopsided], FACTORS), "not symmetric"),
        ((1 - d, [1 - topics], FACTORS), "not at distance 0 from itself but at 1"),
    ):
        with pytest.raises(ValueError, match=fault):
            shapley.attribute(*arguments)


# --- a planted effect ----------------------------------------------------------------------------------------------------

E, T, H = 10, 12, 40


def planted(rng, meanings, turned, d, first):
    """Attribution over topics of one set of stories read in all cells. `meaning` exchanges what labels mean, `noise` makes
    readings half as noisy again, `basis` turns the space: only the first changes the geometry of the labels."""
    seen, cells = 3 * rng.normal(size=(T, H))[d.unit] + rng.normal(size=(E * T, H)), []
    for cell in range(8):
        meaning, noise, basis = (cell >> f & 1 for f in range(3))
        stories = meanings[meaning][d.label] + seen + (1.5 if noise else 1.0) * rng.normal(size=seen.shape)
        cells.append(stories @ turned if basis else stories)
    found = pairwise.pairwise([Halves.of(gram.cells(gram.gram(x), d), d, first) for x in cells]).rho_dis
    return shapley.attribute(1 - found.value, [1 - found.without_topic], FACTORS)


def test_a_planted_share_is_found_and_factors_that_change_no_geometry_get_none(rng):
    """60 sets, against shares of the geometry without noise. A nominal interval falls short of the bound once in 10,000."""
    meanings = 1.5 * (rng.normal(size=(E, H)) + 0.8 * rng.normal(size=(2, E, H)))
    turned = np.linalg.qr(rng.normal(size=(H, H)))[0]
    without_noise = [cosine_rdm(m, np.arange(E)) for m in meanings]
    truth = np.array([1 - stats.spearmanr(*without_noise).statistic, 0, 0])
    d, first = crossed(E, T), split_half.halvings(T, 10, 0)
    found = [planted(rng, meanings, turned, d, first) for _ in range(60)]
    intervals = np.stack([f.interval() for f in found])
    covers = ((intervals[..., 0] <= truth) & (truth <= intervals[..., 1])).sum(axis=0)
    assert (covers >= stats.binom.ppf(1e-4, 60, 0.95)).all()
    assert (intervals[:, 0, 0] > 0).mean() > 0.9
    # an interval that always covers because it is far too wide would pass the above
    spread = np.std([f.shares for f in found], axis=0, ddof=1)
    told = np.sqrt(np.mean([f.se**2 for f in found], axis=0))
    assert (told < 2 * spread).all()
