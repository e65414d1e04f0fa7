"""What must not change a number: properties of the whole way from activations to the numbers of a pair.

Values are drawn from continuous distributions, so that no entries of an RDM are tied and rounding moves no rank.
"""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.rsa import distances, gram, pairwise, rdm, split_half
from analysis.rsa.gram import Design
from analysis.rsa.split_half import Halves
from tests.conftest import crossed

CONDITIONS, HIDDEN, DRAWS = 3, 20, 12
sizes = st.tuples(st.integers(0, 2**32 - 1), st.integers(4, 6), st.integers(4, 6), st.integers(1, 2))
few = settings(deadline=None, max_examples=20, derandomize=True)


@dataclass(frozen=True)
class Case:
    """Readers that share some of their geometry: activations of each (S, H), one design, all halvings, some draws."""

    states: list[np.ndarray]
    design: Design
    draws: np.ndarray
    rng: np.random.Generator


def drawn(seed, n_labels, n_topics, per_cell):
    rng = np.random.default_rng(seed)
    design = crossed(n_labels, n_topics, per_cell)
    means, topics = rng.normal(size=(n_labels, HIDDEN)), rng.normal(size=(n_topics, HIDDEN))
    shared = means[design.label] + topics[design.unit]
    states = [shared + 0.5 * rng.normal(size=shared.shape) for _ in range(CONDITIONS)]
    return Case(states, design, split_half.bootstrap(n_topics, DRAWS, seed), rng)


def everything(case):
    """All that is computed of a case: every array by its name."""
    first = split_half.halvings(len(case.design.units), 1000, 0)
    cells = [gram.cells(gram.gram(x), case.design) for x in case.states]
    pairs = pairwise.pairwise([Halves.of(c, case.design, first, draws=case.draws) for c in cells])
    crossvalidated = [distances.cross_validated(c, case.design, first) for c in cells]
    # Of few entries a reliability may be 0: rounding then says whether there is a rho_dis, and nothing is to be compared.
    for reliabilities in (pairs.rho_cross.without_label, pairs.rho_cross.without_topic, pairs.rho_cross.value[None]):
        assume(np.abs(np.diagonal(reliabilities, axis1=1, axis2=2)).min() > 1e-9)
    whole = np.ones((1, len(case.design.units)))
    found = {
        "rdm": np.concatenate([rdm.rdms(gram.centred_products(gram.label_products(c, case.design, whole))) for c in cells]),
        "rho_same_half": pairs.rho_same_half,
    }
    for name in ("rho_same", "rho_cross", "rho_dis"):
        estimate = getattr(pairs, name)
        found |= {f"{name}.{part}": getattr(estimate, part) for part in ("value", "se_topic", "se_label", "without_label")}
    for name in ("cos_cv", "cos_cv_se", "euclid_cv", "euclid_cv_se", "square_cv"):
        found[name] = np.stack([getattr(c, name) for c in crossvalidated])
    return found


def assert_equal(found, true):
    assert found.keys() == true.keys()
    for name, value in true.items():
        size = np.nanmax(np.abs(value), initial=1.0)
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-9 * size, err_msg=name)


@few
@given(sizes, st.lists(st.floats(-3, 3), min_size=CONDITIONS, max_size=CONDITIONS), st.booleans())
def test_scale_rotation_and_translation_of_a_conditions_space_change_nothing(size, powers, wider):
    """Each reader in its own way, as models differ in the scale and the axes of their residual streams, and in width."""
    case = drawn(*size)
    moved = []
    for x, power in zip(case.states, powers, strict=True):
        rows = np.linalg.qr(case.rng.normal(size=(HIDDEN + 7 * wider, HIDDEN)))[0].T  # orthonormal
        moved.append(10**power * (x @ rows + 5 * case.rng.normal(size=rows.shape[1])))
    found = everything(replace(case, states=moved))
    for name in ("euclid_cv", "euclid_cv_se", "square_cv"):  # squares of the units that the activations have
        found[name] = found[name] / 100 ** np.array(powers)[:, None]
    assert_equal(found, everything(case))


@few
@given(sizes)
def test_what_a_topic_adds_to_all_its_stories_changes_nothing(size):
    """Every draw has the same topics for every label, and is centred over the labels."""
    case = drawn(*size)
    topics = 3 * case.rng.normal(size=(CONDITIONS, len(case.design.units), HIDDEN))
    moved = [x + added[case.design.unit] for x, added in zip(case.states, topics, strict=True)]
    assert_equal(everything(replace(case, states=moved)), everything(case))


@few
@given(sizes)
def test_the_order_of_stimuli_changes_nothing(size):
    case = drawn(*size)
    order = case.rng.permutation(len(case.design.label))
    design = replace(case.design, label=case.design.label[order], unit=case.design.unit[order])
    moved = replace(case, states=[x[order] for x in case.states], design=design)
    assert_equal(everything(moved), everything(case))


@few
@given(sizes)
def test_renaming_emotions_permutes_their_rdms_and_changes_no_number_of_a_pair(size):
    case = drawn(*size)
    n = len(case.design.labels)
    new = case.rng.permutation(n)  # label e gets the name, and so the place, of label new[e]
    names = [case.design.labels[new[e]] for e in case.design.label]
    design = Design.of(names, [case.design.units[u] for u in case.design.unit])
    true, found = everything(case), everything(replace(case, design=design))
    i, j = rdm.pairs(n)
    place = np.zeros((n, n), dtype=int)
    place[i, j] = place[j, i] = np.arange(len(i))
    for name in ("rdm", "cos_cv", "cos_cv_se", "euclid_cv", "euclid_cv_se"):
        found[name] = found[name][:, place[new[i], new[j]]]
    found["square_cv"] = found["square_cv"][:, new]
    for name in ("rho_same", "rho_cross", "rho_dis"):
        found[f"{name}.without_label"] = found[f"{name}.without_label"][new]
    assert_equal(found, true)


@few
@given(sizes)
def test_the_order_of_topics_changes_nothing_where_all_halvings_are_taken(size):
    case = drawn(*size)
    n = len(case.design.units)
    new = case.rng.permutation(n)
    design = replace(case.design, unit=new[case.design.unit])
    draws = case.draws[:, np.argsort(new)]  # a topic is drawn as often as under its old name
    assert_equal(everything(replace(case, design=design, draws=draws)), everything(case))


@few
@given(sizes)
def test_an_rdm_is_symmetric_with_a_zero_diagonal_and_within_0_and_2(size):
    case = drawn(*size)
    n = len(case.design.labels)
    weights = np.concatenate([np.ones((1, len(case.design.units))), case.draws])
    for x in case.states:
        products = gram.centred_products(gram.label_products(gram.cells(gram.gram(x), case.design), case.design, weights))
        lengths = np.sqrt(np.einsum("dee->de", products))
        full = 1 - products / (lengths[:, :, None] * lengths[:, None, :])
        assert np.allclose(full, full.swapaxes(1, 2), atol=1e-9)
        assert np.allclose(np.einsum("dee->de", full), 0, atol=1e-9)
        found = rdm.rdms(products)
        assert ((found >= 0) & (found <= 2)).all()
        assert np.allclose(found, full[:, *rdm.pairs(n)], atol=1e-9)


@few
@given(sizes)
def test_a_reader_agrees_with_itself_and_pairs_are_symmetric_and_within_one(size):
    case = drawn(*size)
    again = replace(case, states=[case.states[0], 2 * case.states[0] + 1, case.states[1]])
    found = everything(again)
    assert np.allclose(found["rho_same.value"][:2, :2], 1, atol=1e-9)
    assert np.allclose(found["rho_same_half"][:2, :2], 1, atol=1e-9)
    reliable = found["rho_cross.value"][0, 0] > 0
    assert np.allclose(found["rho_dis.value"][:2, :2], 1 if reliable else np.nan, atol=1e-9, equal_nan=True)
    assert np.allclose(found["rho_same.se_topic"][:2, :2], 0, atol=1e-9)
    for name in ("rho_same.value", "rho_same_half", "rho_cross.value", "rho_dis.value"):
        assert np.allclose(found[name], found[name].T, atol=1e-12, equal_nan=True)
        assert name == "rho_dis.value" or np.abs(found[name]).max() <= 1 + 1e-9
