"""What is left beyond a control, and several predictors at once, where it is known what words give."""

import numpy as np
import pytest

from analysis.rsa import beyond, gram, pairwise, predictors, rdm, split_half
from analysis.rsa.pairwise import Estimate
from benchmarks import planted

MARGIN = 0.1
NO_NORMS = np.zeros((0, 190))


@pytest.fixture(scope="module")
def first():
    return split_half.halvings(planted.TOPICS, 10, 0)


def left_of(world, first, seed):
    d = planted.design()
    return beyond.beyond(pairwise.pairwise(world.halves(d, first, (seed,))).rho_dis, control=2)


def test_where_words_are_all_there_is_nothing_is_left_and_the_verdict_is_explained(first):
    for seed in range(3):
        found = left_of(planted.words_and_more(0.0, seed, 0.5), first, seed)
        assert abs(found.value[0, 1]) < 0.06
        assert beyond.verdict(*found.interval((0, 1)), MARGIN) == beyond.EXPLAINED


def test_what_is_shared_beside_words_is_left(first):
    world = planted.words_and_more(0.5, 1)
    found = left_of(world, first, 1)
    truth = beyond.left(world.truth, 2)[0, 1]
    low, high = found.interval((0, 1))
    assert truth > 0.3
    assert low < truth < high
    assert beyond.verdict(low, high, MARGIN) == beyond.MORE


def test_the_partial_correlation_is_undefined_where_words_explain_everything_and_d_is_not(first):
    """The old rule: no partial, no row, and the claim held."""
    d = planted.design()
    undefined, decided = 0, 0
    for seed in range(4):
        world = planted.words_and_more(0.0, seed)
        alone = planted.World((world.readers[2], world.readers[0], world.readers[2]))  # one model is words to the last digit
        dis = pairwise.pairwise(alone.halves(d, first, (9, seed))).rho_dis
        a, b = dis.without_topic[:, 0, 2], dis.without_topic[:, 1, 2]
        undefined += bool(((1 - a**2) * (1 - b**2) <= 0).any())  # what the partial divides by the root of
        decided += bool(np.isfinite(beyond.beyond(dis, 2).interval((0, 1))).all())
    assert undefined >= 1
    assert decided == 4


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.05, 0.09, beyond.EXPLAINED), (0.02, 0.2, beyond.UNDECIDED), (0.1, 0.4, beyond.MORE), (np.nan, 0.0, beyond.UNDECIDED)],
)
def test_an_interval_that_straddles_the_margin_decides_nothing(low, high, verdict):
    assert beyond.verdict(low, high, MARGIN) == verdict


def test_d_and_its_error_are_those_of_the_formula(rng):
    value, without = rng.uniform(0.2, 0.9, (3, 3)), rng.uniform(0.2, 0.9, (6, 3, 3))
    found = beyond.beyond(Estimate(value, None, None, None, without), 2)
    assert found.value[0, 1] == pytest.approx(value[0, 1] - value[0, 2] * value[1, 2])
    d = without[:, 0, 1] - without[:, 0, 2] * without[:, 1, 2]
    assert found.se[0, 1] == pytest.approx(np.sqrt(5 / 6 * np.square(d - d.mean()).sum()))
    with pytest.raises(ValueError, match="each topic"):
        beyond.beyond(Estimate(value, None, None, None), 2)


def test_what_no_mixture_of_controls_gives_is_left(rng):
    """Both readers are half of one control and half of another: each alone leaves as much as both give, the two leave nothing.
    Against the residuals of a regression in float64."""
    one, other, noise_a, noise_b = rng.normal(size=(4, 20000))
    a, b = one + other + 0.5 * noise_a, one + other + 0.5 * noise_b
    controls = np.stack([one, 0.6 * one + 0.8 * other])
    r = np.corrcoef([a, b, *controls])
    found = beyond.not_given_by_all(r[0, 1], r[0, 2:], r[1, 2:], r[2:, 2:])
    x = (controls - controls.mean(1, keepdims=True)).T
    residuals = [y - y.mean() - x @ np.linalg.lstsq(x, y - y.mean(), rcond=None)[0] for y in (a, b)]
    assert found == pytest.approx(np.mean(residuals[0] * residuals[1]) / (a.std() * b.std()))
    assert abs(found) < 0.01
    assert beyond.not_given(r[0, 1], r[0, 2], r[1, 2]) > 0.3
    assert beyond.not_given_by_all(r[0, 1], r[0, 2:3], r[1, 2:3], r[2:3, 2:3]) == pytest.approx(
        beyond.not_given(r[0, 1], r[0, 2], r[1, 2])
    )


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_where_two_readers_of_words_give_all_together_each_alone_is_no_control(first, share):
    d = planted.design()
    for seed in range(4):
        world = planted.halves_of_words(share, seed)
        dis = pairwise.pairwise(world.halves(d, first, (seed,))).rho_dis
        r = np.concatenate([dis.value[None], dis.without_topic])
        ends = {}
        for name, controls in {"alone": [2], "together": [2, 3]}.items():
            left = beyond.not_given_by_all(r[:, 0, 1], r[:, 0, controls], r[:, 1, controls], r[:, controls][:, :, controls])
            half = split_half.t_quantile(0.975, planted.TOPICS - 1) * split_half.jackknife_se(left[1:])
            ends[name] = (left[0] - half, left[0] + half)
        true = world.truth
        truth = beyond.not_given_by_all(true[0, 1], true[0, 2:], true[1, 2:], true[2:, 2:])
        assert ends["together"][0] - 0.03 < truth < ends["together"][1] + 0.03  # ranks of sums are not quite sums of ranks
        assert (truth > 0.2) == (share > 0)
        assert beyond.verdict(*ends["alone"], MARGIN) == beyond.MORE
        assert (beyond.verdict(*ends["together"], MARGIN) == beyond.MORE) == (share > 0)


def test_controls_that_cannot_be_told_apart_have_no_fit():
    among = np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, 1.02], [1.02, 1.0]]])
    ab, ac, bc = np.full(2, 0.9), np.full((2, 2), 0.8), np.full((2, 2), 0.7)
    found = beyond.not_given_by_all(ab[:1], ac[:1], bc[:1], among[:1])
    assert found == pytest.approx(0.9 - 2 * 0.8 * 0.7 / 1.5)
    assert [beyond.are_apart(cc) for cc in among] == [True, False]
    with pytest.raises(ValueError, match="told apart"):
        beyond.not_given_by_all(ab, ac, bc, among)


# --- several at once -----------------------------------------------------------------------------------------------------


def measured(world, fixed=NO_NORMS, controls=(2,)):
    d, masks = planted.design(), predictors.quarters(planted.TOPICS, 6, 4, 0)
    ((parts, errors, dof),) = predictors.with_errors(world.states(d, (4,)), d, masks, fixed, [(1, 0, list(controls))])
    assert dof == planted.TOPICS - 1
    return parts, errors


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_unique_and_common_parts_are_those_that_were_planted(share):
    world = planted.words_and_more(share, 1)
    truth = predictors.parts(np.broadcast_to(world.truth, (1, 2, 3, 3)), target=1, model=0, controls=[2])
    found, errors = measured(world)
    for name in predictors.NAMES:
        assert abs(getattr(found, name) - getattr(truth, name)) < 0.03 + 3 * getattr(errors, name)
    assert (found.unique > 0.2) == (share > 0)


def test_a_reader_of_noise_adds_nothing_and_a_norm_that_explains_takes_its_part(rng):
    world = planted.words_and_more(0.5, 1)
    own = world.readers[1].meaning
    fixed = np.stack([rdm.ranks(rdm.rdms(gram.centred_products(own @ own.T))), rdm.ranks(rng.normal(size=190))])
    with_noise, _ = measured(world, fixed[1:], controls=(2, 3))
    without, _ = measured(world)
    assert with_noise.unique == pytest.approx(without.unique, abs=0.05)
    everything, _ = measured(world, fixed, controls=(2, 3))
    assert abs(everything.unique) < 0.05
    assert everything.controls > 0.9


def test_two_predictors_parts_are_those_of_regression_on_true_correlations():
    r = np.array([[1.0, 0.7, 0.5], [0.7, 1.0, 0.6], [0.5, 0.6, 1.0]])
    found = predictors.parts(np.broadcast_to(r, (1, 2, 3, 3)), target=1, model=0, controls=[2])
    whole = float(r[1, [0, 2]] @ np.linalg.solve(r[np.ix_([0, 2], [0, 2])], r[[0, 2], 1]))
    assert (found.whole, found.controls) == pytest.approx((whole, 0.36))
    assert (found.unique, found.common) == pytest.approx((whole - 0.36, 0.49 - (whole - 0.36)))


def test_quarters_share_no_topic_and_too_few_topics_are_refused():
    masks = predictors.quarters(24, 5, 3, 0)
    assert (masks[:, 0].sum(axis=2) + masks[:, 1].sum(axis=2) == 1).all()
    assert (masks.sum(axis=-1) == 6).all()
    with pytest.raises(ValueError, match="7 units"):
        predictors.quarters(7, 5, 3, 0)


def test_unreliable_readers_have_no_parts():
    readers = planted.words_and_more(0.5, 1).readers
    parts, _ = measured(planted.World(tuple(planted.Reader(0 * x.meaning, x.sight, 1.0) for x in readers)))
    assert np.isnan(parts.unique)
