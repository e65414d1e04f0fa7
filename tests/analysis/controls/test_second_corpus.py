"""Another author's stories: planted geometries, a brute-force mean over halves, and what a file without enough gives."""

from itertools import product

import numpy as np
import pytest

from analysis.controls import second_corpus
from analysis.rsa import gram, rdm, split_half
from tests.conftest import crossed


def made(rng, means, n_topics, noise):
    """Halves of stories around label means (E, H), crossed with topics."""
    design = crossed(len(means), n_topics)
    x = means[design.label] + noise * rng.normal(size=(len(design.label), means.shape[1]))
    labels = [design.labels[i] for i in design.label]
    topics = [design.units[i] for i in design.unit]
    return gram.gram(x), labels, topics


def test_rho_cross_is_the_mean_over_all_pairs_of_halves(rng):
    means = rng.normal(size=(6, 5))
    a, b = (second_corpus.common(*made(rng, means, t, 1.0), {f"e{i:02}" for i in range(6)}, 20, 1)[0] for t in (6, 4))
    pairs = product(a.halves.reshape(-1, 15), b.halves.reshape(-1, 15))
    assert second_corpus.numbers(a, b)["rho_cross"] == pytest.approx(np.mean([x @ y for x, y in pairs]), abs=1e-12)


def test_only_the_labels_in_common_are_compared_and_they_are_centred_anew(rng):
    means = rng.normal(size=(6, 5))
    k, labels, topics = made(rng, means, 4, 0.1)
    wanted = {"e00", "e02", "e03", "e05"}
    halves, design = second_corpus.common(k, labels, topics, wanted, 20, 1)
    assert design.labels == sorted(wanted)
    keep = np.array([e in wanted for e in labels])
    left = [[x for x, k in zip(names, keep, strict=True) if k] for names in (labels, topics)]
    alone, _ = second_corpus.common(k[np.ix_(keep, keep)], *left, wanted, 20, 1)
    assert np.array_equal(halves.whole, alone.whole)


def test_one_geometry_in_two_sources_is_found_within_the_interval_and_two_are_not_one(rng):
    means, others = rng.normal(size=(2, 12, 8))
    labels = {f"e{i:02}" for i in range(12)}
    ours, _ = second_corpus.common(*made(rng, means, 16, 1.5), labels, 50, 1)
    theirs, _ = second_corpus.common(*made(rng, means, 10, 1.5), labels, 50, 1)
    strange, _ = second_corpus.common(*made(rng, others, 10, 1.5), labels, 50, 1)
    same, other = second_corpus.numbers(ours, theirs), second_corpus.numbers(ours, strange)
    assert same["rho_dis_low"] <= 1 <= same["rho_dis_high"]
    assert other["rho_dis_high"] < 1
    assert other["rho_dis_low"] < 0 < other["rho_dis_high"]


def test_the_jackknife_drops_each_unit_in_place(rng):
    k, labels, topics = made(rng, rng.normal(size=(5, 6)), 5, 1.0)
    halves, design = second_corpus.common(k, labels, topics, set(labels), 10, 1)
    mean, without = second_corpus.mean_ranks(halves)
    cells = gram.cells(k, design)

    def ranks(mask):
        return rdm.ranks(rdm.rdms(gram.centred_products(gram.label_products(cells, design, mask[None]))))[0]

    for t in range(5):
        brute = []
        for first in split_half.halvings(5, 10, 1):
            for half in (first, ~first):
                left = half.copy()
                left[t] = False
                brute.append(ranks(left))
        assert np.allclose(without[t], np.mean(brute, axis=0), atol=1e-12)
    assert np.allclose(mean, np.mean([ranks(h) for f in split_half.halvings(5, 10, 1) for h in (f, ~f)], axis=0), atol=1e-12)


def test_noise_has_no_rho_dis_and_says_why(rng):
    labels = {f"e{i:02}" for i in range(6)}
    a, b = (second_corpus.common(*made(rng, np.zeros((6, 5)), 4, 1.0), labels, 3, 1)[0] for _ in range(2))
    row = second_corpus.numbers(a, b)
    assert "rho_dis" not in row
    assert row["reason"].startswith("rho_dis: a: reliability")


def test_a_side_that_could_not_be_had_is_a_row_with_the_reason():
    row = second_corpus.row({"position": "p"}, "too few topics", "no label", 2)
    assert row["reason"] == "a: too few topics; b: no label"
    assert row["rho_dis"] is None
