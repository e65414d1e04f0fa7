"""Cells between two experiments: which there are, how their vectors are formed, and every distance by brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from analysis.confounds import factorial, shapley
from analysis.confounds.factorial import Cell
from analysis.rsa import gram, rdm, split_half
from analysis.rsa.split_half import Halves
from tests.conftest import crossed

READ = Cell("stories", None, "alone", "last", "best_layer_paper", "emotions", "fp16")
WROTE = Cell("matched", "int8", "prompted", "middle", "middle", "neutral unit norm", "int8")


def test_the_factors_are_what_differs_and_a_writer_comes_with_the_writing():
    assert factorial.factors_between(READ, WROTE) == ("source", "context", "position", "layer", "baseline", "precision")
    assert factorial.factors_between(WROTE, replace(WROTE, written="fp16", precision="fp16")) == ("written", "precision")
    assert factorial.factors_between(READ, READ) == ()


def test_every_mix_stands_once_and_stories_have_neither_writer_nor_prompt():
    factors = factorial.factors_between(READ, WROTE)
    mixed = factorial.mixed(READ, WROTE, factors)
    assert len(mixed) == 64
    assert (mixed[0], mixed[-1]) == (READ, WROTE)
    for bits, cell in enumerate(mixed):
        from_second = bool(bits >> factors.index("source") & 1)
        assert cell.source == ("matched" if from_second else "stories")
        assert cell.written == ("int8" if from_second else None)
        assert from_second or cell.context == "alone"
        assert cell.position == ("middle" if bits >> factors.index("position") & 1 else "last")
    assert len(set(mixed)) == 16 + 32  # without stories in two contexts


@pytest.mark.parametrize("baseline", ["emotions", "neutral", "emotions unit norm", "neutral unit norm"])
def test_vectors_are_formed_as_numpy_forms_them(baseline, rng):
    means = rng.normal(size=(6, 9)) + 3
    emotions, neutral = [0, 1, 2, 4, 5], 3
    vectors = means[emotions] - (means[neutral] if baseline.startswith("neutral") else means[emotions].mean(0))
    if baseline.endswith("unit norm"):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors -= vectors.mean(0)
    found = factorial.transform(emotions, neutral, baseline)((means - 7) @ (means - 7).T)  # a common translation moves nothing
    assert np.allclose(found, vectors @ vectors.T)


def test_after_post_centring_a_baseline_alone_changes_nothing(rng):
    means = rng.normal(size=(6, 9))
    products = means @ means.T
    one, other = (factorial.transform([0, 1, 2, 4, 5], 3, b)(products) for b in ("emotions", "neutral"))
    assert np.allclose(one, other)
    scaled = factorial.transform([0, 1, 2, 4, 5], 3, "neutral unit norm")(products)
    assert not np.allclose(scaled / np.trace(scaled), one / np.trace(one))


def test_without_neutral_texts_nothing_can_be_taken_against_them():
    with pytest.raises(ValueError, match="no neutral texts"):
        factorial.transform([0, 1], None, "neutral")


def halves(rng, means, n_units, noise=0.4):
    design = crossed(len(means), n_units)
    x = means[design.label] + noise * rng.normal(size=(len(design.label), means.shape[1]))
    return Halves.of(gram.cells(gram.gram(x), design), design, split_half.halvings(n_units, 20, 0))


def brute_rho(a, b, paired):
    """Mean over halves of A and other halves of B; over any halves where no unit is shared."""
    if paired:
        pairs = [(a.halves[n, i], b.halves[n, 1 - i]) for n in range(len(a.halves)) for i in (0, 1)]
    else:
        pairs = list(product(a.halves.reshape(-1, a.halves.shape[-1]), b.halves.reshape(-1, b.halves.shape[-1])))
    return np.mean([x @ y for x, y in pairs])


def brute_distance(a, b, paired):
    rel = [split_half.reliability(h).value for h in (a, b)]
    return 1 - brute_rho(a, b, paired) / np.sqrt(rel[0] * rel[1])


def test_every_distance_is_the_mean_over_its_pairs_of_halves(rng):
    means = rng.normal(size=(8, 6))
    made = [halves(rng, means, 6), halves(rng, means + rng.normal(size=(8, 6)), 6), halves(rng, means, 4)]
    units = ["stories", "stories", "prompts"]
    found = factorial.distances(made, units)
    for i, j in product(range(3), range(3)):
        expected = 0.0 if i == j else brute_distance(made[i], made[j], units[i] == units[j])
        assert found.whole[i, j] == pytest.approx(expected, abs=1e-12)
    assert found.without["stories"].shape == (6, 3, 3)
    assert found.without["prompts"].shape == (4, 3, 3)
    # what has no story in it does not move when a story goes
    assert np.array_equal(found.without["stories"][:, 2, 2], np.zeros(6))
    assert np.allclose(found.without["prompts"][:, 0, 1], found.whole[0, 1])
    for d in (found.whole, *found.without.values()):
        assert np.allclose(d, d.swapaxes(-1, -2))


def test_a_distance_without_a_unit_drops_it_in_place_on_its_own_side(rng):
    means = rng.normal(size=(8, 6))
    a, b = halves(rng, means, 6), halves(rng, means, 4)
    found = factorial.distances([a, b], ["stories", "prompts"])
    other = np.where(a.first[:, :, None], a.halves[:, 1][:, None], a.halves[:, 0][:, None])
    for t in range(6):
        mean = np.mean(np.concatenate([a.deleted[:, t], other[:, t]]), axis=0)
        rho = mean @ b.halves.mean(axis=(0, 1))
        rel = np.mean((a.deleted[:, t] * other[:, t]).sum(-1)) * split_half.reliability(b).value
        assert found.without["stories"][t, 0, 1] == pytest.approx(1 - rho / np.sqrt(rel))


def test_a_cell_that_was_not_measured_takes_the_shares_with_it(rng):
    means = rng.normal(size=(8, 6))
    made = [halves(rng, means, 6), None, halves(rng, means, 6), halves(rng, means, 6)]
    found = factorial.distances(made, ["stories"] * 4)
    distance, left_out = found.among([0, 1, 2, 3])
    attribution = shapley.attribute(distance, left_out, ("a", "b"))
    assert np.isnan(attribution.shares).all()
    assert attribution.missing == (1,)
    assert np.isfinite(attribution.total)


def test_a_planted_effect_of_the_text_is_found_between_sources_of_different_units(rng):
    """Position changes nothing; what a model writes has another geometry than what it reads."""
    read, wrote = rng.normal(size=(2, 12, 8))
    made = [halves(rng, m, t, 1.0) for m, t in ((read, 16), (wrote, 8), (read, 16), (wrote, 8))]
    found = factorial.distances(made, ["stories", "prompts", "stories", "prompts"])
    attribution = shapley.attribute(*found.among([0, 1, 2, 3]), ("source", "position"))
    assert attribution.shares.sum() == pytest.approx(attribution.total, abs=1e-12)
    (low, high), (position_low, position_high) = attribution.interval()
    true = 1 - rdm.spearman(*(rdm.rdms(gram.centred_products(m @ m.T)) for m in (read, wrote)))
    assert low < true < high
    assert position_low < 0 < position_high
