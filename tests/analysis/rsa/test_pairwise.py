"""All-pairs estimators against brute force on activations, pair by pair."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from analysis.rsa import gram, pairwise, split_half
from analysis.rsa.rdm import EVERY, Entries, pairs
from analysis.rsa.split_half import Halves
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H, B = 6, 5, 25, 40


@pytest.fixture
def three(rng):
    """Three readers that share some of their geometry, their design and halvings, and bootstrap draws."""
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    states = [means[design.label] + 0.7 * rng.normal(size=(E * T, H)) for _ in range(3)]
    return states, design, split_half.halvings(T, 100, 0), split_half.bootstrap(T, B, 0)


def sides(three, entries=EVERY):
    states, design, first, draws = three
    return [Halves.of(gram.cells(gram.gram(x), design), design, first, entries=entries, draws=draws) for x in states]


def rho(a, b):
    return spearmanr(a, b).statistic


def rdm_of(x, design, units, labels=None):
    """The RDM over `labels` from the stories of `units` (with repetitions), centred over these labels alone."""
    labels = range(E) if labels is None else labels
    means = np.stack([np.mean([x[(design.label == e) & (design.unit == u)].mean(0) for u in units], axis=0) for e in labels])
    means = means - means.mean(0)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    return 1 - (unit @ unit.T)[pairs(len(means))]


def cross(x, y, design, first, labels=None, without=None):
    halves = [[[u for u in np.flatnonzero(m) if u != without] for m in (h, ~h)] for h in first]
    rhos = [
        (
            rho(rdm_of(x, design, a, labels), rdm_of(y, design, b, labels))
            + rho(rdm_of(x, design, b, labels), rdm_of(y, design, a, labels))
        )
        / 2
        for a, b in halves
    ]
    return np.mean(rhos)


def jackknife(theta):
    return np.sqrt((len(theta) - 1) / len(theta) * np.square(theta - np.mean(theta)).sum())


def test_every_number_of_every_pair_equals_brute_force(three):
    states, design, first, _ = three
    found = pairwise.pairwise(sides(three))
    for i in range(3):
        for j in range(3):
            x, y = states[i], states[j]
            everything = range(T)
            assert found.rho_same.value[i, j] == pytest.approx(
                rho(rdm_of(x, design, everything), rdm_of(y, design, everything))
            )
            assert found.rho_cross.value[i, j] == pytest.approx(cross(x, y, design, first))
            half = [rho(rdm_of(x, design, u), rdm_of(y, design, u)) for h in first for u in map(np.flatnonzero, (h, ~h))]
            assert found.rho_same_half[i, j] == pytest.approx(np.mean(half))
            dis = cross(x, y, design, first) / np.sqrt(cross(x, x, design, first) * cross(y, y, design, first))
            assert found.rho_dis.value[i, j] == pytest.approx(dis)
            fewer = [[cross(p, q, design, first, without=t) for t in range(T)] for p, q in ((x, y), (x, x), (y, y))]
            assert found.rho_cross.se_topic[i, j] == pytest.approx(jackknife(np.array(fewer[0])))
            theta = np.array(fewer[0]) / np.sqrt(np.array(fewer[1]) * np.array(fewer[2]))
            assert found.rho_dis.se_topic[i, j] == pytest.approx(jackknife(theta))


def test_a_label_is_left_out_with_its_share_of_the_mean(three):
    states, design, first, _ = three
    found = pairwise.pairwise(sides(three))
    x, y = states[0], states[2]
    left = [[e for e in range(E) if e != out] for out in range(E)]
    same = [rho(rdm_of(x, design, range(T), k), rdm_of(y, design, range(T), k)) for k in left]
    across = [cross(x, y, design, first, k) for k in left]
    assert np.allclose(found.rho_same.without_label[:, 0, 2], same)
    assert np.allclose(found.rho_cross.without_label[:, 0, 2], across)
    assert found.rho_same.se_label[0, 2] == pytest.approx(jackknife(np.array(same)))
    assert found.rho_cross.se_label[0, 2] == pytest.approx(jackknife(np.array(across)))


def test_rho_sames_error_over_topics_is_the_spread_of_topics_drawn_alike_on_both_sides(three):
    states, design, _, draws = three
    found = pairwise.pairwise(sides(three))
    drawn = [np.repeat(np.arange(T), counts) for counts in draws]
    assert all(len(d) == T for d in drawn)
    values = [rho(rdm_of(states[0], design, d), rdm_of(states[1], design, d)) for d in drawn]
    assert found.rho_same.se_topic[0, 1] == pytest.approx(np.std(values, ddof=1))


def test_what_is_taken_out_of_the_ranks_makes_a_partial_correlation(three, rng):
    states, design, _, _ = three
    nuisance = rng.normal(size=E * (E - 1) // 2)
    kept = np.arange(len(nuisance)) % 5 > 0
    made = sides(three, Entries(kept, nuisance))
    a, b, c = (rankdata(v[kept]) for v in (rdm_of(states[0], design, range(T)), rdm_of(states[1], design, range(T)), nuisance))
    r = np.corrcoef([a, b, c])
    partial = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert split_half.rho_same(made[0], made[1]) == pytest.approx(partial)
    left = [e for e in range(E) if e != 2]
    i, j = pairs(E)
    some = kept & (i != 2) & (j != 2)
    inner = some[(i != 2) & (j != 2)]
    a, b = (rankdata(rdm_of(states[k], design, range(T), left)[inner]) for k in (0, 1))
    c = rankdata(nuisance[some])
    r = np.corrcoef([a, b, c])
    partial = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    found = pairwise.pairwise(made)
    assert found.rho_same.without_label[2, 0, 1] == pytest.approx(partial)


def test_intervals_use_student_quantiles_over_topics_and_over_labels():
    one = np.ones((1, 1))
    estimate = pairwise.Estimate(0.5 * one, 0.3 * one, 0.4 * one, None)
    found = estimate.intervals(n_units=24, n_labels=20)
    assert {k: dof for k, (_, dof) in found.items()} == {"topics": 23, "labels": 19}
    assert found["topics"][0][0, 0] == pytest.approx(0.3 * 2.068658, abs=1e-6)
    assert found["labels"][0][0, 0] == pytest.approx(0.4 * 2.093024, abs=1e-6)
    assert pairwise.Estimate(one, 0.3 * one, None, None).intervals(24, 20).keys() == {"topics"}


def test_the_noise_ceiling_leaves_a_lineage_out_and_needs_three(three):
    a, b, c = sides(three)
    assert pairwise.noise_ceiling([[a], [b]]) is None
    found = pairwise.noise_ceiling([[a], [b], [c]])
    lower, upper = [], []
    for own, others in ((a, (b, c)), (b, (a, c)), (c, (a, b))):
        for n in range(len(own.halves)):
            for one, two in ((0, 1), (1, 0)):
                rest = sum(o.halves[n, two] for o in others)
                lower.append(np.corrcoef(own.halves[n, one], rest)[0, 1])
                upper.append(np.corrcoef(own.halves[n, one], rest + own.halves[n, two])[0, 1])
    assert found.lower == pytest.approx(np.mean(lower))
    assert found.upper == pytest.approx(np.mean(upper))
    assert found.lower_se > 0
    # two members of one lineage count as their mean
    assert pairwise.noise_ceiling([[a, a], [b], [c]]).lower == pytest.approx(found.lower)
    assert cosine_rdm(three[0][0], three[1].label).shape == (15,)


def test_disattenuation_is_never_clipped_and_asks_for_positive_reliabilities():
    found = pairwise.disattenuated(np.array([[[0.3, 0.5, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, -0.2]]]))
    assert found[0, 0, 1] == pytest.approx(0.5 / np.sqrt(0.12))
    assert found[0, 0, 0] == pytest.approx(1)
    assert np.isnan(found[0, :, 2]).all()
