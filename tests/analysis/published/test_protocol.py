"""The published protocol's numbers against a few lines of numpy, texts one by one."""

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from analysis.published import protocol
from analysis.readers.readers import Reader, Readout
from analysis.rsa import gram
from analysis.rsa.gram import Design
from tests.conftest import crossed
from tests.reference import cosine_rdm


def made(design, states, crossed_with_topics=True):
    """A readout of states (S, L, H) with a neutral reading of noise."""
    neutral = np.random.default_rng(1).normal(size=(5, *states.shape[1:])).astype(np.float32)
    n = len(states)
    return Readout(
        reader=Reader("m", None, "fp32"),
        position="last",
        emotions=[design.labels[i] for i in design.label],
        topics=[design.units[i] if crossed_with_topics else "" for i in design.unit],
        stimuli=[f"s{i}" for i in range(n)],
        n_tokens=np.full(n, 9),
        states=states.astype(np.float32),
        finite=np.isfinite(states).all(axis=-1),
        neutral=neutral,
        neutral_finite=np.ones((5, states.shape[1]), dtype=bool),
    )


def test_the_curve_over_layers_is_the_mean_cosine_of_vectors_centred_over_all_labels(rng):
    design = crossed(5, 3)
    states = rng.normal(size=(15, 4, 7)) + 3
    states[4, 2, 0] = np.inf  # one text overflows at one layer
    found = protocol.mean_cosines(made(design, states), design)
    states = states.astype(np.float32).astype(float)
    for layer in (0, 1, 3):
        means = np.array([states[design.label == e, layer].mean(0) for e in range(5)])
        assert found[layer] == pytest.approx(1 - pdist(means - means.mean(0), "cosine").mean(), abs=1e-9)
    assert np.isnan(found[2])


def test_the_spread_without_each_topic_is_that_of_the_layer_which_the_rule_takes_then(rng):
    design = crossed(5, 3, 2)
    states = rng.normal(size=(30, 6, 7)) + 3
    states[4, 2, 0] = np.inf
    here = made(design, states)
    states = here.states.astype(float)
    by_hand = []
    for unit in range(3):
        rdms = {}
        for layer in (0, 1, 3, 4, 5):
            means = np.array([states[(design.label == e) & (design.unit != unit), layer].mean(0) for e in range(5)])
            rdms[layer] = pdist(means - means.mean(0), "cosine")
        layer = max(rdms, key=lambda n: rdms[n].mean())  # the lowest cosine
        by_hand.append((layer, rdms[layer].std()))
    assert len({layer for layer, _ in by_hand}) > 1
    assert protocol.rdm_std_without_each(here, design) == pytest.approx([sd for _, sd in by_hand], abs=1e-9)
    with pytest.raises(ValueError, match="without stories"):
        protocol.rdm_std_without_each(*protocol.on_first_units(here, 1))


def test_the_anisotropy_without_each_neutral_text_is_that_of_the_others(rng):
    x = (rng.normal(size=(5, 7)) + 1).astype(np.float32)
    by_hand = [1 - pdist(np.delete(x, n, axis=0).astype(float), "cosine").mean() for n in range(5)]
    assert protocol.anisotropy_without_each(x) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("topics", [True, False])
def test_the_first_topics_are_taken_whole_and_in_sorted_order(rng, topics):
    design = crossed(4, 6)
    order = rng.permutation(24)  # a file in any order
    shuffled = Design(design.labels, design.units, design.label[order], design.unit[order], True)
    here = made(shuffled, rng.normal(size=(24, 1, 5)), topics)
    some, small = protocol.on_first_units(here, 3)
    assert small.crossed == topics
    assert (small.counts == 1).all()
    assert small.counts.shape == (4, 3)
    assert [small.labels[i] for i in small.label] == some.emotions
    rows = [here.stimuli.index(s) for s in some.stimuli]
    assert np.array_equal(some.states, here.states[rows])
    if topics:
        assert set(some.topics) == {"t00", "t01", "t02"}
    else:  # each label's first three in the file
        for label in small.labels:
            own = [s for s, e in zip(here.stimuli, here.emotions, strict=True) if e == label]
            assert [s for s, e in zip(some.stimuli, some.emotions, strict=True) if e == label] == own[:3]


def test_where_labels_have_unequally_many_texts_three_passages_are_three_texts_of_each(rng):
    design = Design.of(list("aaaaaaaaabbbbccccc"), [""] * 18)
    assert (design.unit_name, len(design.units)) == ("fold", 4)
    here = made(design, rng.normal(size=(18, 1, 5)), crossed_with_topics=False)
    some, small = protocol.on_first_units(here, 3)
    assert (small.counts == 1).all()
    assert small.unit_name == "story"
    assert some.stimuli == [here.stimuli[i] for i in (0, 1, 2, 9, 10, 11, 13, 14, 15)]
    every, whole = protocol.on_first_units(here, 4)
    assert every.stimuli == here.stimuli
    assert whole.unit_name == "fold"


def test_post_centring_takes_the_mean_of_the_kept_labels_out_again(rng):
    vectors = rng.normal(size=(6, 9))
    vectors -= vectors.mean(0)
    keep = [0, 1, 3, 5]
    own = vectors[keep] - vectors[keep].mean(0)
    found = protocol.post_centred(vectors @ vectors.T, keep)
    assert np.allclose(found, pdist(own, "cosine"))
    assert not np.allclose(found, pdist(vectors[keep], "cosine"), atol=1e-3)


@pytest.mark.parametrize("per_cell", [1, 2])
def test_the_reliability_of_one_passage_is_the_mean_over_all_pairs_of_single_texts(rng, per_cell):
    design = crossed(6, 4, per_cell)
    x = rng.normal(size=(6, 8))[design.label] + rng.normal(size=(len(design.label), 8))
    texts = [[x[np.flatnonzero(design.label == e)[n]] for e in range(6)] for n in range(4 * per_cell)]
    rdms = [cosine_rdm(np.array(t), np.arange(6)) for t in texts]
    every = [spearmanr(rdms[i], rdms[j]).statistic for i in range(len(rdms)) for j in range(i)]
    assert protocol.reliability_one(gram.gram(x), design) == pytest.approx(np.mean(every))


def test_one_text_of_each_label_has_no_reliability_and_three_have_no_halves(rng):
    x = rng.normal(size=(15, 8))
    assert np.isnan(protocol.reliability_one(gram.gram(x[:5]), crossed(5, 1)))
    assert np.isfinite(protocol.reliability_one(gram.gram(x), crossed(5, 3)))
    assert np.isnan(protocol.reliability(gram.gram(x), crossed(5, 3), 50, 0).value)
    assert np.isnan(protocol.reliability_three(gram.gram(x), crossed(5, 3), 0).value)


def every_two_threes(x, design):
    """Spearman of the RDMs of every two disjoint threes of units, and the six units of each."""
    n = len(design.units)
    rdms = {}
    for three in combinations(range(n), 3):
        own = np.isin(design.unit, three)
        rdms[three] = cosine_rdm(x[own], design.label[own])
    both = [(a, b) for a, b in combinations(rdms, 2) if not {*a} & {*b}]
    return np.array([spearmanr(rdms[a], rdms[b]).statistic for a, b in both]), [{*a, *b} for a, b in both]


def test_the_reliability_of_three_is_between_disjoint_threes_and_its_error_over_units(rng):
    design = crossed(6, 8)
    x = rng.normal(size=(6, 9))[design.label] + rng.normal(size=(48, 9))
    values, held = every_two_threes(x, design)
    without = np.array([np.mean([v for v, own in zip(values, held, strict=True) if t not in own]) for t in range(8)])
    se = np.sqrt(7 / 8 * np.sum((without - without.mean()) ** 2))
    found = protocol.reliability_three(gram.gram(x), design, 5)
    assert found.value == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(protocol.DRAWS))
    assert found.se == pytest.approx(se, rel=0.1)  # of 280 pairs 2,000 are drawn
    assert protocol.reliability_three(gram.gram(x), design, 5) == found
    six = protocol.reliability_three(gram.gram(x[design.unit < 6]), crossed(6, 6), 5)
    assert np.isfinite(six.value)
    assert np.isnan(six.se)  # no two threes of six lack a unit


def test_three_passages_agree_with_themselves_less_than_many_do(rng):
    design = crossed(15, 24)
    x = rng.normal(size=(15, 20))[design.label] + 3 * rng.normal(size=(360, 20))
    k = gram.gram(x)
    one, three, half = (
        protocol.reliability_one(k, design),
        protocol.reliability_three(k, design, 0).value,
        protocol.reliability(k, design, 50, 0).value,
    )
    assert one < three < half
