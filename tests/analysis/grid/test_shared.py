"""The stage `shared`: planted models whose agreement is known, emotion by emotion and story by story; and the small project."""

import numpy as np
import polars as pl
import pytest

from analysis.grid import prediction, shared
from analysis.readers.kinds import Kinds
from analysis.readers.pattern_sets import ReaderGrams
from analysis.readers.readers import Reader
from analysis.rsa import gram, names, per_emotion, split_half
from pipeline import opening
from pipeline.params.corpus import Corpus
from pipeline.params.geometry import Geometry
from pipeline.params.shared import Shared
from pipeline.schemas.choices import CHOICES, EMOTIONS
from pipeline.store import parts
from tests.conftest import ROOT, crossed

E, T, H = 10, 12, 40
ODD = 3
"""The label that stands elsewhere for the second model."""


class Params:
    geometry = Geometry(positions=["p"])
    corpus = Corpus(emotions=ROOT / "data/stimuli/emotions.csv")
    shared = Shared(orders=39)


def planted(rng):
    """Two models of one geometry, each in its own rotated space, but for one label; a reader of words that knows nothing."""
    design = crossed(E, T)
    common = rng.normal(size=(E, H))
    other = common.copy()
    other[ODD] = rng.normal(size=H)
    turned = np.linalg.qr(rng.normal(size=(H, H)))[0]
    states = (common[design.label], other[design.label] @ turned, 0.0 * common[design.label])
    noise = (0.5, 0.5, 1.0)
    grams = [gram.gram(x + n * rng.normal(size=x.shape)) for x, n in zip(states, noise, strict=True)]
    readers = [Reader("m1", None, "fp32"), Reader("m2", None, "fp32"), Reader("tfidf", None, None)]
    group = [ReaderGrams(r, [], design, 1, {names.CV: 0}, [], {0: k}, {}) for r, k in zip(readers, grams, strict=True)]
    lineage = {"m1": "one", "m2": "two"}
    return group, Kinds(lineage, lineage, frozenset(), {"m1": "fp32", "m2": "fp32"})


def test_the_label_that_stands_elsewhere_breaks_the_agreement(rng):
    group, kinds = planted(rng)
    rows = [r for r in shared.emotion_rows(group, kinds, split_half.halvings(T, 20, 0)) if r["model_b"] == "m2"]
    assert len(rows) == E
    by_label = {r["emotions"].removeprefix("with "): r for r in rows}
    odd = by_label.pop(group[0].design.labels[ODD])
    others = [r["rho_cross"] for r in by_label.values()]  # each has one distance of nine from the odd one
    assert odd["rho_cross"] < min(others)
    assert np.mean(others) > odd["rho_cross"] + 0.3
    assert odd["rho_cross_low"] < odd["rho_cross"] < odd["rho_cross_high"]
    assert odd["reliability_a"] > 0.6  # it is no noise


def test_subsets_of_all_emotions_are_the_pair_itself_and_few_vary_more(rng):
    group, kinds = planted(rng)
    first = split_half.halvings(T, 20, 0)
    rows = [r for r in shared.subset_rows(group, kinds, first, 30, 0) if r["model_b"] == "m2"]
    assert [r["n_emotions"] for r in rows] == list(range(per_emotion.SMALLEST, E + 1))
    assert rows[-1]["n_drawn"] == 1
    assert rows[-1]["drawn_5"] == rows[-1]["rho_dis"] == rows[-1]["drawn_95"]
    spread = [r["drawn_95"] - r["drawn_5"] for r in rows]
    assert spread[0] > spread[-2] > 0


def test_one_models_centroids_name_the_others_stories_and_words_that_know_nothing_do_not(rng):
    group, kinds = planted(rng)
    rows = {(r["model_a"], r["model_b"]): r for r in prediction.rows(group, kinds, Params)}
    assert set(rows) == {("m1", "m2"), ("m2", "m1"), ("tfidf", "m1"), ("tfidf", "m2")}
    one, words = rows["m1", "m2"], rows["tfidf", "m2"]
    assert one["decoded"] > 0.9
    assert one["decoded_new"] > one["decoded_new_chance"] + 0.2
    assert one["p_new"] <= 0.05
    assert words["decoded_new"] < one["decoded_new"] - 0.2
    assert one["where_words_fail"] > 0.9
    assert words["unique"] is None


def test_what_a_model_predicts_beyond_controls_is_its_own_where_these_know_nothing(rng):
    group, kinds = planted(rng)
    rows = {(r["model_a"], r["model_b"]): r for r in prediction.rows(group, kinds, Params)}
    own = rows["m1", "m2"]
    assert own["controls_named"] == ""  # the reader of words has no geometry
    assert own["unique_low"] < own["unique"] < own["unique_high"]
    assert own["unique"] > 0.3
    assert own["common"] == pytest.approx(0, abs=1e-9)


def test_the_small_project_has_every_pair_and_direction(in_finished):
    part, found = parts.read_part(CHOICES, EMOTIONS), opening.table("prediction")
    emotions = part.filter(choice="one_emotion")
    readers = 2 + 1 + 2 + 2  # models, a twin, input embeddings, words
    pairs = 2 * (readers - 2) + 1  # with a trained model
    assert emotions.height == pairs * 4
    assert (emotions["rho_cross"].is_null() == emotions["reason"].is_not_null()).all()
    assert found.height == 2 * (readers - 2)  # of either model, by all that are not its own
    assert found.filter(pl.col("model_a") == pl.col("model_b")).is_empty()
    assert found["decoded"].is_between(0, 1).all()
    assert set(emotions["emotions"]) == {"with angry", "with calm", "with happy", "with sad"}
    assert part.filter(choice="fewer_emotions").is_empty()  # four emotions have no subset of five
