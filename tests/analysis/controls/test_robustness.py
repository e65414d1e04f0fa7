"""One choice made otherwise: each against a few lines of numpy on the activations."""

import numpy as np
import pytest

from analysis.controls import robustness
from analysis.readers.readers import Headline, Reader, Readout
from analysis.rsa import gram
from pipeline.schemas.choices import LAST_LAYER, LAST_QUARTER, LENGTH_REMOVED, TOPIC_REMOVED, UNIT_NORM


@pytest.fixture
def readout(rng):
    """3 emotions and a neutral label x 4 topics, 8 layers of 6 dimensions."""
    labels = [e for e in ("calm", "neutral", "proud", "sad") for _ in range(4)]
    topics = ["a", "b", "c", "d"] * 4
    states = rng.normal(size=(16, 8, 6)).astype(np.float32)
    calm = rng.normal(size=(5, 8, 6)).astype(np.float32)
    whole = np.ones((16, 8), dtype=bool)
    tokens = rng.integers(90, 130, size=16)
    names = [f"s{i}" for i in range(16)]
    return Readout(Reader("m", None, "fp32"), "p", labels, topics, names, tokens, states, whole, calm, whole[:5])


@pytest.fixture
def headline(readout):
    return Headline.of(readout, "neutral")


def products(x, headline):
    """Inner products of emotion means, centred over emotions, from states (S, H) of all stories."""
    own = x[headline.rows]
    means = np.stack([own[headline.design.label == e].mean(0) for e in range(3)])
    means -= means.mean(0)
    return means @ means.T


def found(k, headline):
    draw = np.ones((1, len(headline.design.units)))
    return gram.centred_products(gram.label_products(gram.cells(k, headline.design), headline.design, draw))[0]


def test_unit_norm_scales_each_story_before_anything_else(readout, headline):
    x = readout.states[:, 3].astype(float)
    true = products(x / np.linalg.norm(x, axis=1, keepdims=True), headline)
    assert np.allclose(found(robustness.within(readout, headline, 3, UNIT_NORM), headline), true, atol=1e-12)


def test_last_layer_and_last_quarter_do_not_depend_on_the_chosen_layer(readout, headline):
    x = readout.states.astype(float)
    for choice, states in ((LAST_LAYER, x[:, 7]), (LAST_QUARTER, (x[:, 6] + x[:, 7]) / 2)):
        k = robustness.within(readout, headline, 1, choice)
        assert np.allclose(found(k, headline), products(states, headline), atol=1e-12)
        assert np.array_equal(k, robustness.within(readout, headline, 5, choice))


def test_length_taken_out_equals_regression_of_the_activations(readout, headline):
    x = readout.states[:, 2].astype(float)[headline.rows]
    tokens = readout.n_tokens[headline.rows].astype(float)
    design = np.column_stack([np.ones(len(tokens)), tokens])
    left = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    k = robustness.within(readout, headline, 2, LENGTH_REMOVED)
    assert np.allclose(k, left @ left.T, atol=1e-10)


def test_what_length_explains_is_gone_and_what_it_does_not_explain_stays(readout, headline, rng):
    tokens = readout.n_tokens.astype(float)
    readout.states[:, 0] = (tokens[:, None] * rng.normal(size=(1, 6))).astype(np.float32)
    k = robustness.within(readout, headline, 0, LENGTH_REMOVED)
    assert np.abs(k).max() < 1e-6 * np.abs(gram.gram(readout.states[:, 0])).max()


def test_topics_that_are_crossed_take_nothing_from_the_emotions(readout, headline):
    plain = headline.gram(gram.gram(readout.states[:, 2]))
    k = robustness.within(readout, headline, 2, TOPIC_REMOVED)
    assert not np.allclose(k, plain)
    assert np.allclose(found(k, headline), found(plain, headline), atol=1e-10)


def test_topics_that_are_not_crossed_are_taken_out(readout):
    # all stories of an emotion share a topic: whatever emotion shows, topic explains
    alone = Readout(**{**readout.__dict__, "topics": readout.emotions})
    headline = Headline.of(alone, "neutral")
    k = robustness.within(alone, headline, 2, TOPIC_REMOVED)
    assert np.abs(found(k, headline)).max() < 1e-10


def test_a_choice_that_means_nothing_here_is_left_out(readout, headline):
    one_layer = Readout(**{**readout.__dict__, "states": readout.states[:, :1], "finite": readout.finite[:, :1]})
    assert robustness.within(one_layer, headline, 0, LAST_LAYER) is None
    assert robustness.within(one_layer, headline, 0, UNIT_NORM) is not None
    readout.finite[3, 7] = False
    assert robustness.within(readout, headline, 2, LAST_QUARTER) is None
    assert robustness.within(readout, headline, 2, LENGTH_REMOVED) is not None


def test_a_constant_covariate_takes_nothing_out(readout, headline):
    readout.n_tokens[:] = 100
    k = robustness.within(readout, headline, 2, LENGTH_REMOVED)
    plain = headline.gram(gram.gram(readout.states[:, 2]))
    assert np.allclose(found(k, headline), found(plain, headline), atol=1e-10)


def test_a_quarter_of_few_layers_is_one():
    assert robustness.last_quarter(2) == slice(1, 2)
    assert robustness.last_quarter(30) == slice(22, 30)
