"""One passage against the others, by brute force on activations and where labels are planted or mean nothing."""

from itertools import permutations as orders

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.rsa import across_passages, gram, pairwise
from benchmarks import planted
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H = 7, 5, 20


def by_hand(x, y, design, triple):
    """(same, across) of one triple of units, written out."""
    unit, label = design.unit, design.label
    same = spearmanr(cosine_rdm(x, label, np.isin(unit, triple)), cosine_rdm(y, label, np.isin(unit, triple))).statistic
    across = []
    for i in triple:
        rest = np.isin(unit, [u for u in triple if u != i])
        across += [
            spearmanr(cosine_rdm(p, label, unit == i), cosine_rdm(q, label, rest)).statistic for p, q in ((x, y), (y, x))
        ]
    return same, np.mean(across)


@pytest.fixture
def two(rng):
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    return [means[design.label] + rng.normal(size=(E * T, H)) for _ in range(2)], design


def test_every_number_is_that_of_the_activations(two):
    (x, y), design = two
    chosen = across_passages.triples(T, 4, 0)
    found = across_passages.passages([gram.gram(x), gram.gram(y)], design, chosen, pairwise.label_permutations(E, 20, 0), 10, 0)
    hand = np.array([by_hand(x, y, design, list(triple)) for triple in chosen])
    assert (found.same[0, 1], found.across[0, 1]) == pytest.approx(tuple(hand.mean(axis=0)))
    assert np.allclose(across_passages.across_by_triple(gram.gram(x), gram.gram(y), design, chosen), hand[:, 1])
    own = [by_hand(x, x, design, list(triple))[1] for triple in chosen]
    assert found.across[0, 0] == pytest.approx(np.mean(own))


def test_triples_are_distinct_and_all_of_them_where_they_are_few():
    assert across_passages.triples(3, 100, 0).tolist() == [[0, 1, 2]]
    assert len(across_passages.triples(5, 100, 0)) == 10
    some = across_passages.triples(24, 30, 1)
    assert len({tuple(x) for x in some.tolist()}) == 30
    assert (np.diff(some, axis=1) > 0).all()
    with pytest.raises(ValueError, match="2 units have no three"):
        across_passages.triples(2, 5, 0)


def test_the_permutation_p_is_that_of_all_orders_of_the_labels(two, rng):
    design = crossed(5, 3)
    states = [rng.normal(size=(15, 8)) for _ in range(2)]
    every = np.array(list(orders(range(5))))
    chosen = across_passages.triples(3, 1, 0)
    found = across_passages.passages([gram.gram(s) for s in states], design, chosen, every, 5, 0)
    null = [by_hand(states[0], states[1][relabelled(design, p)], design, [0, 1, 2])[1] for p in every]
    observed = by_hand(*states, design, [0, 1, 2])[1]
    assert found.p_mantel[0, 1] == pytest.approx((1 + np.sum(np.array(null) >= observed - 1e-12)) / 121)


def relabelled(design, p):
    """Stories in the order that gives label e the stories of label p[e]."""
    return np.array(
        [np.flatnonzero((design.label == p[e]) & (design.unit == u))[0] for e, u in zip(design.label, design.unit, strict=True)]
    )


def test_shared_passages_alone_give_a_high_number_and_nothing_across(rng):
    """The title's question on three passages: labels mean nothing, and the published number is high all the same."""
    d, chosen = planted.design(topics=3), across_passages.triples(3, 1, 0)
    permutations = pairwise.label_permutations(planted.LABELS, 199, 0)
    nothing, shared = planted.without_labels(0.9, 3), planted.pair(0.9, 0.9, 4)
    of_nothing = [across_passages.passages(nothing.grams(d, (2, n)), d, chosen, permutations, 39, n) for n in range(8)]
    assert np.mean([f.same[0, 1] for f in of_nothing]) > 0.85
    assert abs(np.mean([f.across[0, 1] for f in of_nothing])) < 0.08
    assert np.mean([f.p[0, 1] <= 0.05 for f in of_nothing]) <= 0.25
    found = across_passages.passages(shared.grams(d, (2, 0)), d, chosen, permutations, 39, 0)
    assert found.across[0, 1] > 0.2
    assert found.p[0, 1] <= 0.05
