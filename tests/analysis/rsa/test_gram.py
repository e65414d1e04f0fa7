"""The Gram engine against the direct way on activations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.rsa import gram, rdm, split_half
from analysis.rsa.gram import Design
from pipeline.reading.components import neutral_components
from tests.conftest import crossed
from tests.reference import cosine_rdm


def rdm_of(x, design, draws=None, components=None):
    cells = gram.cells(gram.gram(x, components), design)
    draws = np.ones((1, len(design.units))) if draws is None else draws
    return rdm.rdms(gram.centred_products(gram.label_products(cells, design, draws)))


@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.integers(2, 5), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_rdms_of_any_draw_equal_the_direct_way(seed, n_labels, n_topics, per_cell):
    rng = np.random.default_rng(seed)
    design = crossed(n_labels, n_topics, per_cell)
    x = rng.normal(size=(len(design.label), 30)) + 50 * rng.normal(size=30)  # a mean that is large against the differences
    draws = rng.random((3, n_topics)) < 0.5
    draws[:, 0] = True
    found = rdm_of(x, design, draws)
    true = np.stack([cosine_rdm(x, design.label, draw[design.unit]) for draw in draws])
    assert np.abs(found - true).max() < 1e-9


def test_labels_with_unequal_numbers_of_stories_get_their_own_mean(rng):
    design = Design.of(["a", "a", "a", "b", "b", "c", "c"], ["s", "t", "t", "s", "t", "s", "t"])
    x = rng.normal(size=(7, 20))
    assert design.crossed
    assert np.allclose(rdm_of(x, design)[0], cosine_rdm(x, design.label), atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_scale_rotation_translation_and_order_of_stimuli_change_nothing(seed):
    rng = np.random.default_rng(seed)
    design = crossed(5, 4)
    x = rng.normal(size=(len(design.label), 16))
    rotation = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    true = rdm_of(x, design)
    assert np.allclose(rdm_of(3.7 * x @ rotation + rng.normal(size=16), design), true, atol=1e-9)
    order = rng.permutation(len(x))
    shuffled = Design(design.labels, design.units, design.label[order], design.unit[order], True)
    assert np.allclose(rdm_of(x[order], shuffled), true, atol=1e-9)


def test_removal_through_the_gram_equals_projection_of_the_activations(rng):
    design = crossed(5, 4)
    x = rng.normal(size=(len(design.label), 40))
    components = neutral_components(rng.normal(size=(12, 40)), 0.5)
    projected = x - (x @ components.T) @ components
    assert np.allclose(rdm_of(x, design, components=components), rdm_of(projected, design), atol=1e-9)


def test_stories_without_crossed_topics_are_ranked_within_their_label():
    design = Design.of(["a", "b", "a", "b"], ["x", "y", "x", "z"])
    assert (design.crossed, design.unit_name, design.units) == (False, "story", ["story 1", "story 2"])
    assert design.counts.tolist() == [[1, 1], [1, 1]]


def test_unequally_many_stories_are_dealt_out_to_folds_so_that_no_half_is_without_a_label(rng):
    labels = list("aaaaaaabbbbccccc")
    order = rng.permutation(len(labels))
    design = Design.of([labels[i] for i in order], [""] * len(labels))
    assert (design.crossed, design.unit_name, design.units) == (False, "fold", ["fold 1", "fold 2", "fold 3", "fold 4"])
    assert design.counts.tolist() == [[2, 2, 2, 1], [1, 1, 1, 1], [2, 1, 1, 1]]
    x = rng.normal(size=(len(labels), 6))
    halves = split_half.halvings(4, 10, 0)
    for found, half in zip(rdm_of(x, design, halves), halves, strict=True):
        assert np.allclose(found, cosine_rdm(x, design.label, half[design.unit]))
    assert np.isfinite(split_half.reliability(split_half.Halves.of(gram.cells(gram.gram(x), design), design, halves)).value)


def test_a_draw_that_leaves_a_label_without_stories_is_refused(rng):
    design = Design.of(["a", "a", "b", "b", "b"], ["p", "q", "p", "q", "r"], asked_of_every_label=True)
    cells = gram.cells(gram.gram(rng.normal(size=(5, 4))), design)
    with pytest.raises(ValueError, match="without stories"):
        gram.label_products(cells, design, np.array([[False, False, True]]))


def test_a_prompt_stays_a_unit_where_some_labels_text_is_missing():
    labels, prompts = ["a", "a", "b", "b", "b"], ["p", "q", "p", "q", "r"]
    assert not Design.of(labels, prompts).crossed
    asked = Design.of(labels, prompts, asked_of_every_label=True)
    assert (asked.crossed, asked.units) == (True, ["p", "q", "r"])
    assert asked.counts.tolist() == [[1, 1, 0], [1, 1, 1]]


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 50))
@settings(deadline=None, max_examples=40)
def test_the_first_component_equals_a_singular_value_decomposition(seed, n, hidden):
    x = np.random.default_rng(seed).normal(size=(n, hidden)) + 100
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    scores, share = gram.first_component(x @ x.T)
    assert share == pytest.approx(s[0] ** 2 / (s**2).sum(), abs=1e-7)
    if s[0] > 1.01 * s[1 if len(s) > 1 else 0] or len(s) == 1:
        assert abs(scores @ u[:, 0]) == pytest.approx(1, abs=1e-6)


def test_stories_that_do_not_differ_have_no_first_component(rng):
    assert gram.first_component(np.full((6, 6), 1e9 * rng.random())) is None
