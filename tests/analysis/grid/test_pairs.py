import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr, t

from analysis.grid import by_depth, headline
from analysis.grid.beyond import beyond_rows
from analysis.grid.numbers import numbers
from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, TWO_WORDS, WORDS, Kinds
from analysis.readers.pattern_sets import HalfRdms, Plan, ReaderGrams
from analysis.readers.readers import Reader
from analysis.rsa import gram, names, pairwise, split_half
from analysis.rsa.rdm import EVERY
from analysis.rsa.split_half import Halves, Reliability
from pipeline import opening
from pipeline.params.geometry import Geometry
from pipeline.params.rsa import Rsa
from pipeline.schemas.choices import CHOICES, READOUTS
from pipeline.schemas.every import TABLES
from pipeline.schemas.pairs import PAIRS
from pipeline.store import layout, parts, tables
from tests.conftest import CONCLUDE, Project, crossed
from tests.reference import cosine_rdm

EMOTIONS = [e for e in Project.emotions if e != "neutral"]


def pair(table, a, b, **at):
    return table.filter(model_a=a[0], precision_a=a[1], model_b=b[0], precision_b=b[1], **at).row(0, named=True)


def every_readout():
    return parts.read_part(CHOICES, READOUTS)


N_PAIRS = 10 * 9 // 2  # two models at two precisions, two draws of a twin, two input embeddings, two readers of words


def test_every_pair_stands_once_under_every_rule(in_finished):
    table = every_readout()
    rules = 3 + 3 + 1 + 3  # cv and paper with three kinds of pairs of labels, cross-fitted, three depths
    assert table.height == N_PAIRS * rules * 2 * 2
    for rows in (table, opening.table("pairs")):
        ends = [pl.struct(f"{k}_{s}" for k in ("model", "seed", "precision", "setting")) for s in "ab"]
        assert rows.filter(ends[0] == ends[1]).is_empty()
    table = opening.table("pairs")
    assert table.group_by("position", "is_headline").len().sort("position").rows() == [
        ("last", False, N_PAIRS),
        ("mean50", True, N_PAIRS),
    ]


def test_the_headline_is_one_row_of_every_readout_with_more_beside_it(in_finished):
    here = {"variant": "centred", "layer_rule": names.CV, "emotions": "all"}
    both = opening.table("pairs").join(every_readout().filter(**here), on=PAIRS.keys, nulls_equal=True, suffix="_there")
    assert both.height == 2 * N_PAIRS
    for number in ("rho_same", "rho_same_half", "rho_cross", "reliability_a", "rho_dis", "rho_dis_low", "rho_dis_high"):
        assert both[number].equals(both[f"{number}_there"]), number


def test_the_numbers_of_a_pair_equal_numpy_on_the_stored_activations(in_finished):
    row = pair(
        every_readout(),
        ("tiny-llama-3.2", "fp32"),
        ("tiny-qwen2.5", "fp16"),
        position="mean50",
        variant="centred",
        layer_rule=names.DEPTH,
        depth=0.5,
    )
    assert row["layer_a"] == row["layer_b"] == 2
    a, b = (opening.activations(m, p, "stories") for m, p in (("tiny-llama-3.2", "fp32"), ("tiny-qwen2.5", "fp16")))
    keep = a["emotion"] != "neutral"
    x, y = (d["activation"].sel(position="mean50", layer=2).values[keep.values] for d in (a, b))
    label = np.array([EMOTIONS.index(e) for e in a["emotion"].values[keep.values]])
    unit = np.unique(a["topic"].values[keep.values].tolist(), return_inverse=True)[1]

    def rho(p, q):
        return spearmanr(p, q).statistic

    assert row["rho_same"] == pytest.approx(rho(cosine_rdm(x, label), cosine_rdm(y, label)), abs=1e-9)
    cross, own_a, own_b = [], [], []
    for half in split_half.halvings(6, 100, 20260):
        x1, x2, y1, y2 = (cosine_rdm(z, label, m[unit]) for z in (x, y) for m in (half, ~half))
        cross += [rho(x1, y2), rho(x2, y1)]
        own_a.append(rho(x1, x2))
        own_b.append(rho(y1, y2))
    assert row["rho_cross"] == pytest.approx(np.mean(cross), abs=1e-9)
    assert row["reliability_a"] == pytest.approx(np.mean(own_a), abs=1e-9)
    assert row["reliability_b"] == pytest.approx(np.mean(own_b), abs=1e-9)
    if row["rho_dis"] is None:
        assert "reliability" in row["reason"]
    else:
        assert row["rho_dis"] == pytest.approx(np.mean(cross) / np.sqrt(np.mean(own_a) * np.mean(own_b)), abs=1e-9)


def test_best_layers_and_reliability_are_those_of_the_geometry_tables(in_finished):
    geometry, chosen = opening.table("geometry"), opening.table("layers")
    at = {"position": "mean50", "variant": "centred"}
    row = pair(every_readout(), ("tiny-llama-3.2", "fp32"), ("tiny-qwen2.5", "fp32"), layer_rule=names.CV, **at)
    for side, model in (("a", "tiny-llama-3.2"), ("b", "tiny-qwen2.5")):
        here = {"model": model, "precision": "fp32", **at}
        layer = chosen.filter(pl.col("halving").is_null(), layer_rule=names.CV, **here)["layer"][0]
        assert row[f"layer_{side}"] == layer
        own = geometry.filter(layer=layer, **here)["reliability"][0]
        assert row[f"reliability_{side}"] == pytest.approx(own, abs=1e-12)


def test_the_cross_fitted_rule_has_no_rho_same_and_says_so(in_finished):
    rows = every_readout().filter(layer_rule=names.CROSS_FITTED)
    assert rows["rho_same"].null_count() == rows.height
    assert rows["rho_cross"].null_count() == 0
    assert rows["reason"].str.contains("chosen on one half").all()


def test_two_precisions_of_one_model_agree_on_the_same_stories(in_finished):
    at = {"position": "mean50", "variant": "centred", "layer_rule": names.DEPTH, "depth": 0.5}
    row = pair(every_readout(), ("tiny-qwen2.5", "fp32"), ("tiny-qwen2.5", "fp16"), **at)
    assert row["rho_same"] > 0.99


def test_rho_dis_is_null_with_a_reason_where_a_side_is_unreliable(rng):
    design = crossed(6, 4)
    first = split_half.halvings(4, 100, 0)
    x = rng.normal(size=(6, 30))[design.label] + 0.1 * rng.normal(size=(24, 30))
    halves = Halves.of(gram.cells(gram.gram(x), design), design, first)
    found = pairwise.pairwise([halves, halves])
    good, bad = HalfRdms(0, halves, Reliability(0.64, 0.01)), HalfRdms(0, halves, Reliability(0.2, 0.15))
    assert numbers(found, (0, 1), good, good)["rho_dis"] == pytest.approx(1)
    row = numbers(found, (0, 1), good, bad)
    assert row["rho_dis"] is None
    assert row["reason"] == "rho_dis: b: reliability 0.20 is within two standard errors (0.15) of 0"
    assert row["rho_cross"] == pytest.approx(found.rho_cross.value[0, 1])


def test_a_layer_that_is_not_finite_is_null_on_its_side_and_says_so(rng):
    design = crossed(6, 4)
    chosen = {names.CV: 3, names.PAPER: 3}
    good, lost = (
        ReaderGrams(Reader(m, None, "fp16"), [], design, 8, chosen, [], grams, reasons)
        for m, grams, reasons in (
            ("a", {3: gram.gram(rng.normal(size=(24, 9)))}, {}),
            ("b", {}, {3: "not finite in 4 stories and 0 neutral texts"}),
        )
    )
    plan = Plan(split_half.halvings(4, 100, 0), split_half.bootstrap(4, 9, 0), np.zeros((1, 6), int), {"all": EVERY}, {})
    (row,) = by_depth.grid([good, lost], (names.CV, None), "all", plan, {"position": "p", "variant": "centred"})
    rsa, geometry, kinds = Rsa(depths=[]), Geometry(positions=["p"]), Kinds({}, {"a": "a", "b": "b"}, frozenset(), {})
    (headlined,), sides = headline.rows([good, lost], rsa, geometry, plan, kinds)
    for found in (row, headlined):
        assert found["rho_same"] is found["rho_cross"] is None
        assert found["reason"] == "b: not finite in 4 stories and 0 neutral texts"
        assert found["layer_a"] == found["layer_b"] == 3
    assert headlined["kind"] == TWO_LINEAGES
    assert sides[0].halves is not None


def headlined(rng, shared=1.0):
    """Rows of `pairs` of two models and a reader of words that share a geometry of 8 labels on 10 topics, and what went in."""
    design = crossed(8, 10)
    common = rng.normal(size=(8, 30))[design.label]
    readers = [Reader("m1", None, "fp32"), Reader("m2", None, "fp32"), Reader("tfidf", None, None)]
    grams = [
        gram.gram(shared * common + 0.8 * rng.normal(size=(8, 30))[design.label] + 0.3 * rng.normal(size=(80, 30)))
        for _ in readers
    ]
    group = [ReaderGrams(r, [], design, 1, {names.CV: 0}, [], {0: k}, {}) for r, k in zip(readers, grams, strict=True)]
    first = split_half.halvings(10, 60, 0)
    permutations = pairwise.label_permutations(8, 199, 0)
    plan = Plan(first, split_half.bootstrap(10, 200, 0), permutations, {"all": EVERY, "valence_removed": EVERY}, {})
    lineage = {"m1": "one", "m2": "two"}
    kinds = Kinds(lineage, lineage, frozenset(), {"m1": "fp32", "m2": "fp32"})
    rows, _ = headline.rows(group, Rsa(depths=[], shuffles=39), Geometry(positions=["p"]), plan, kinds)
    return rows, kinds, (grams, design, first)


def test_intervals_are_students_over_topics_and_the_jackknife_stands_beside(rng):
    rows, _, (grams, design, first) = headlined(rng)
    found = pairwise.pairwise([Halves.of(gram.cells(k, design), design, first) for k in grams])
    row = rows[0]
    assert row["rho_dis"] == pytest.approx(found.rho_dis.value[0, 1])
    theta = found.rho_dis.without_topic[:, 0, 1]
    assert row["rho_dis_jackknife"] == pytest.approx(theta)
    half = t.ppf(0.975, 9) * np.sqrt(9 / 10 * np.square(theta - theta.mean()).sum())
    assert (row["rho_dis_low"], row["rho_dis_high"]) == pytest.approx((row["rho_dis"] - half, row["rho_dis"] + half))
    assert row["valence_removed"] == row["rho_dis"]  # of the same entries
    assert row["valence_removed_jackknife"] == row["rho_dis_jackknife"]
    assert row["within_sign"] is None
    for number in ("rho_same", "rho_cross"):
        assert row[f"{number}_low"] < row[number] < row[f"{number}_high"]
    assert row["rho_dis_without_label_low"] < row["rho_dis"] < row["rho_dis_without_label_high"]
    assert 0 < row["floor_95"] < 1  # what the stories share is shared under any labels


def test_the_words_that_explain_most_stand_beside_the_pair(rng):
    rows, kinds, _ = headlined(rng)
    left = beyond_rows(rows, kinds)
    more = left[0] | {"control": "words:char_ngrams", "left": 0.01, "left_low": -0.2, "left_high": left[0]["left_high"] - 0.01}
    headline.add_words(rows, [*left, more, left[0] | {"control": "untrained", "left_high": -1.0}])
    assert (rows[0]["beyond_words"], rows[0]["words"]) == (0.01, "char_ngrams")
    assert rows[1]["words"] is None  # a reader of words is not held against words


def test_labels_that_mean_nothing_and_unrelated_geometries_are_not_found(rng):
    assert headlined(rng)[0][0]["p_cross"] < 0.05
    assert np.mean([headlined(rng, shared=0.0)[0][0]["p_cross"] > 0.05 for _ in range(6)]) > 0.6


def test_the_test_is_of_trained_models_and_words_and_is_adjusted_over_the_declared_family_alone(in_finished):
    table = opening.table("pairs").filter("is_headline")
    tested = table.filter(pl.col("p_cross").is_not_null())
    assert set(tested["kind"]) == {TWO_LINEAGES, WORDS, TWO_WORDS, ONE_MODEL}
    assert tested["is_reference"].all()
    family = table.drop_nulls("q_cross")
    assert family.select("model_a", "model_b", "precision_a", "precision_b").rows() == [
        ("tiny-llama-3.2", "tiny-qwen2.5", "fp32", "fp32")
    ]
    assert (family["q_cross"] >= family["p_cross"]).all()
    assert tested["p_cross"].is_between(1 / 40, 1).all()


def test_kinds_of_pairs_that_cannot_be_ranked_say_so(in_finished):
    # of four emotions, two pairs are of one sign
    rows = every_readout().filter(emotions="within_sign")
    assert rows["rho_same"].null_count() == rows.height
    assert rows["reason"].str.contains("2 pairs of labels of the same sign of valence: no rank order").all()
    removed = every_readout().filter(emotions="valence_removed", layer_rule=names.CV, position="mean50")
    assert removed["rho_same"].null_count() == 0


def test_the_noise_ceiling_asks_for_three_lineages(in_finished):
    table = opening.table("lineages").filter(position="mean50")
    assert set(table["precision"]) == {"fp32", "fp16"}
    assert table.filter(estimator="rho_cross")["ceiling_low"].null_count() == 2
    # on the same stories two models are enough; leaving one out leaves the other
    own = table.filter(precision="fp32", estimator="rho_same").row(0, named=True)
    row = opening.pair("tiny-llama-3.2", "tiny-qwen2.5").row(0, named=True)
    assert own["ceiling_low"] == pytest.approx(row["rho_same"])
    assert row["rho_same"] < own["ceiling_high"] < 1
    assert (own["lowest"], own["n_pairs"], own["n_lineages"]) == (row["rho_same"], 1, 2)


def test_passages_alone_look_like_a_shared_geometry_until_the_topics_differ(rng):
    # No emotion effect at all: two random linear "models" of the same stories.
    design = crossed(21, 4)
    first = split_half.halvings(4, 100, 0)
    same, half, cross = [], [], []
    for _ in range(30):
        stories = rng.normal(size=(84, 40))
        sides = []
        for _ in range(2):
            x = stories @ np.linalg.qr(rng.normal(size=(200, 40)))[0].T
            sides.append(split_half.Halves.of(gram.cells(gram.gram(x), design), design, first))
        same.append(split_half.rho_same(*sides))
        half.append(split_half.rho_same_half(*sides))
        cross.append(split_half.rho_cross(*sides))
    assert np.mean(same) > 0.9
    assert np.mean(half) > 0.9
    assert abs(np.mean(cross)) < 0.05


def test_the_tables_are_the_same_bytes_every_time(in_finished, tmp_path, monkeypatch):
    def contents():
        return {path.name: path.read_bytes() for table in TABLES.values() for path in parts.paths(table)}

    before = contents()
    layers_table = opening.table("layers")
    monkeypatch.setattr(layout, "CHOSEN_LAYERS", tmp_path / "layers")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(layout, "SCRATCH", tmp_path / "scratch")
    in_finished.run(*CONCLUDE[:-1])
    assert opening.table("layers").equals(layers_table)
    assert contents() == before


def test_the_tables_have_the_schema_of_the_store(in_finished):
    assert every_readout().schema == CHOICES.columns
    assert opening.table("pairs").schema == PAIRS.columns
