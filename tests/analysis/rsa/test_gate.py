"""The gate on planted vectors: meaning, no meaning, little meaning."""

import numpy as np
import pytest

from analysis.confounds import factorial
from analysis.rsa import floor, gate, gram, split_half
from analysis.rsa.gate import Gate
from benchmarks import planted
from tests.reference import cosine_rdm


def test_vectors_with_meaning_pass_and_those_without_do_not():
    d, first = planted.design(), split_half.halvings(planted.TOPICS, 5, 0)
    passed = []
    for n in range(12):
        states = [*planted.pair(0.8, 0.6, 3).states(d, (n,)), *planted.without_labels(0.5, 3).states(d, (n,))]
        passed.append([g.reason is None for g in gate.gates(states, d, first, 60, n)])
    assert np.mean(passed, axis=0).tolist() == [1, 1, 0, 0]


def test_the_quantile_is_that_of_shuffled_reliabilities(rng):
    d, first = planted.design(6, 8), split_half.halvings(8, 4, 0)
    x = rng.normal(size=(48, 10))
    (found,) = gate.gates([x], d, first, 20, 1)

    def reliability(label):
        halves = [(h[d.unit], ~h[d.unit]) for h in first]
        r = [[np.argsort(np.argsort(cosine_rdm(x, label, k))) for k in pair] for pair in halves]
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in r])

    assert found.reliability == pytest.approx(reliability(d.label))
    assert found.shuffled == pytest.approx(max(reliability(s) for s in floor.shuffles(d, 20, 1)))  # of 20 none is too high


@pytest.mark.parametrize(
    ("reliability", "shuffled", "reason"),
    [
        (0.5, 0.2, None),
        (0.22, 0.02, "reliability 0.22 is not above 0.3"),  # passed two standard errors of .10
        (0.4, 0.45, "reliability 0.40: labels that mean nothing reach 0.45"),
        (np.nan, 0.1, "a label's vector is zero in some half: no reliability"),
    ],
)
def test_both_conditions_are_asked(reliability, shuffled, reason):
    assert Gate(reliability, shuffled).reason == reason


def test_vectors_formed_in_any_way_have_the_same_gate(rng):
    d, first = planted.design(8, 8), split_half.halvings(8, 4, 0)
    x = rng.normal(size=(8, 10))[d.label] + 0.5 * rng.normal(size=(64, 10))
    shuffles = floor.shuffles(d, 20, 1)
    (plain,) = gate.gates([x - x.mean(0)], d, first, 20, 1)
    found = gate.of_products(gram.gram(x), d, first, shuffles)
    assert found.reliability == pytest.approx(plain.reliability)
    assert found.shuffled == pytest.approx(plain.shuffled)
    emotions = list(range(1, 8))  # the first label is the neutral one
    made = factorial.transform(emotions, 0, "neutral unit norm")
    kept = floor.shuffles(d, 20, 1, kept=0)
    assert all(np.array_equal(s == 0, d.label == 0) for s in kept)
    assert not np.array_equal(kept[0], d.label)

    def reliability(label):
        def rdm(half):
            means = np.stack([x[(label == e) & half[d.unit]].mean(0) for e in range(8)])
            v = means[1:] - means[0]
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            v -= v.mean(0)
            u = v / np.linalg.norm(v, axis=1, keepdims=True)
            return np.argsort(np.argsort(1 - (u @ u.T)[np.triu_indices(7, 1)]))

        return np.mean([np.corrcoef(rdm(h), rdm(~h))[0, 1] for h in first])

    found = gate.of_products(gram.gram(x), d, first, kept, made)
    assert found.reliability == pytest.approx(reliability(d.label))
    assert found.shuffled == pytest.approx(max(reliability(s) for s in kept))


def test_a_reliability_that_is_too_low_as_it_stands_is_not_shuffled(rng):
    d, first = planted.design(6, 8), split_half.halvings(8, 4, 0)
    found = gate.of_products(gram.gram(rng.normal(size=(48, 10))), d, first, floor.shuffles(d, 20, 1))
    assert np.isnan(found.shuffled)
    assert found.reason == f"reliability {found.reliability:.2f} is not above 0.3"
