import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from analysis.grid import pairs
from analysis.readers.pattern_sets import HalfRdms, Plan, ReaderGrams
from analysis.readers.readers import Reader
from analysis.rsa import gram, names, pairwise, split_half
from analysis.rsa.rdm import EVERY
from analysis.rsa.split_half import Halves, Reliability
from pipeline import opening
from pipeline.schemas.every import TABLES
from pipeline.schemas.pairs import RSA
from pipeline.store import layout, tables
from tests.conftest import CONCLUDE, Project, crossed
from tests.reference import cosine_rdm

EMOTIONS = [e for e in Project.emotions if e != "neutral"]


def pair(table, a, b, **at):
    return table.filter(model_a=a[0], precision_a=a[1], model_b=b[0], precision_b=b[1], **at).row(0, named=True)


PAIRS = 10 * 9 // 2  # two models at two precisions, two draws of a twin, two input embeddings, two readers of words


def test_every_pair_stands_once_under_every_rule(in_finished):
    table = opening.table("rsa")
    rules = 3 + 3 + 1 + 3  # cv and paper with three kinds of pairs of labels, cross-fitted, three depths
    assert table.height == PAIRS * rules * 2 * 2
    ends = [pl.struct(f"{k}_{s}" for k in ("model", "seed", "precision", "setting")) for s in "ab"]
    assert table.filter(ends[0] == ends[1]).is_empty()


def test_the_numbers_of_a_pair_equal_numpy_on_the_stored_activations(in_finished):
    row = pair(
        opening.table("rsa"),
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
    row = pair(opening.table("rsa"), ("tiny-llama-3.2", "fp32"), ("tiny-qwen2.5", "fp32"), layer_rule=names.CV, **at)
    for side, model in (("a", "tiny-llama-3.2"), ("b", "tiny-qwen2.5")):
        here = {"model": model, "precision": "fp32", **at}
        layer = chosen.filter(pl.col("halving").is_null(), layer_rule=names.CV, **here)["layer"][0]
        assert row[f"layer_{side}"] == layer
        own = geometry.filter(layer=layer, **here)["reliability"][0]
        assert row[f"reliability_{side}"] == pytest.approx(own, abs=1e-12)


def test_the_cross_fitted_rule_has_no_rho_same_and_says_so(in_finished):
    rows = opening.table("rsa").filter(layer_rule=names.CROSS_FITTED)
    assert rows["rho_same"].null_count() == rows.height
    assert rows["rho_cross"].null_count() == 0
    assert rows["reason"].str.contains("chosen on one half").all()


def test_two_precisions_of_one_model_agree_on_the_same_stories(in_finished):
    at = {"position": "mean50", "variant": "centred", "layer_rule": names.DEPTH, "depth": 0.5}
    row = pair(opening.table("rsa"), ("tiny-qwen2.5", "fp32"), ("tiny-qwen2.5", "fp16"), **at)
    assert row["rho_same"] > 0.99


def test_rho_dis_is_null_with_a_reason_where_a_side_is_unreliable(rng):
    design = crossed(6, 4)
    first = split_half.halvings(4, 100, 0)
    x = rng.normal(size=(6, 30))[design.label] + 0.1 * rng.normal(size=(24, 30))
    halves = Halves.of(gram.cells(gram.gram(x), design), design, first)
    found = pairwise.pairwise([halves, halves])
    good, bad = HalfRdms(0, halves, Reliability(0.64, 0.01)), HalfRdms(0, halves, Reliability(0.2, 0.15))
    assert pairs.numbers(found, (0, 1), good, good)["rho_dis"] == pytest.approx(1)
    row = pairs.numbers(found, (0, 1), good, bad)
    assert row["rho_dis"] is None
    assert row["reason"] == "rho_dis: b: reliability 0.20 is within two standard errors (0.15) of 0"
    assert row["ceiling"] == pytest.approx(np.sqrt(0.64 * 0.2))
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
    plan = Plan(split_half.halvings(4, 100, 0), split_half.bootstrap(4, 9, 0), np.zeros((1, 6), int), {"all": EVERY}, {}, 0.1)
    rows, intervals, sides = pairs.grid([good, lost], (names.CV, None), "all", plan, {"position": "p", "variant": "centred"})
    assert rows[0]["rho_same"] is rows[0]["rho_cross"] is None
    assert rows[0]["reason"] == "b: not finite in 4 stories and 0 neutral texts"
    assert rows[0]["layer_a"] == rows[0]["layer_b"] == 3
    assert intervals == []
    assert sides[0].halves is not None


def test_intervals_over_topics_and_over_labels_lie_around_their_estimates(in_finished):
    table = opening.table("intervals").filter(layer_rule=names.CV, pairs="all", estimator="rho_same", position="mean50")
    assert (table["ci_low"] + table["ci_high"] - 2 * table["estimate"]).abs().max() < 1e-12
    assert table.group_by("over").len().sort("over").rows() == [("labels", PAIRS * 2), ("topics", PAIRS * 2)]
    assert (table["ci_high"] >= table["ci_low"]).all()
    same = opening.table("rsa").filter(layer_rule=names.CV, pairs="all", position="mean50")
    joined = table.filter(over="topics").join(same, on=RSA.keys, nulls_equal=True)
    assert joined.height == same.height
    assert (joined["estimate"] == joined["rho_same"]).all()


def test_the_test_is_made_at_best_layer_cv_and_adjusted_over_the_declared_family_alone(in_finished):
    table = opening.table("rsa")
    tested = table.filter(pl.col("p_mantel_cross").is_not_null())
    assert set(tested["layer_rule"]) == {names.CV}
    assert set(tested["pairs"]) == {"all"}
    family = table.filter("in_family")
    # two trained models of two lineages, at each of two precisions
    assert family.group_by("position", "variant").len()["len"].to_list() == [2] * 4
    assert (family["q_mantel_cross"] >= family["p_mantel_cross"]).all()
    assert table.filter(~pl.col("in_family"))["q_mantel_cross"].null_count() == table.height - family.height
    same_model = (pl.col("model_a") == pl.col("model_b")) & pl.col("seed_a").eq_missing(pl.col("seed_b"))
    assert tested.filter(same_model & (pl.col("setting_a") == pl.col("setting_b"))).is_empty()
    assert set(tested.filter(~pl.col("in_family"))["precision_a"].drop_nulls()) == {"fp32"}
    cka = table.filter(layer_rule=names.CV, pairs="all", position="mean50")["cka"]
    assert cka.null_count() == 0
    assert cka.is_between(0, 1).all()


def test_kinds_of_pairs_that_cannot_be_ranked_say_so(in_finished):
    # of four emotions, two pairs are of one sign
    rows = opening.table("rsa").filter(pairs="within_sign")
    assert rows["rho_same"].null_count() == rows.height
    assert rows["reason"].str.contains("2 pairs of labels of the same sign of valence: no rank order").all()
    removed = opening.table("rsa").filter(pairs="valence_removed", layer_rule=names.CV, position="mean50")
    assert removed["rho_same"].null_count() == 0


def test_the_noise_ceiling_asks_for_three_lineages(in_finished):
    table = opening.table("noise_ceiling")
    assert set(table["reason"]) == {"2 lineages; three are needed"}
    assert set(table["precision"]) == {"fp32", "fp16"}
    # on the same stories two models are enough; leaving one out leaves the other
    own = table.filter(precision="fp32", position="mean50", variant="centred").row(0, named=True)
    row = pair(
        opening.table("rsa"),
        ("tiny-llama-3.2", "fp32"),
        ("tiny-qwen2.5", "fp32"),
        position="mean50",
        variant="centred",
        layer_rule=names.CV,
        pairs="all",
    )
    assert own["same_story_lower"] == pytest.approx(row["rho_same"])
    assert row["rho_same"] < own["same_story_upper"] < 1


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
    before = {name: tables.table_path(name).read_bytes() for name in TABLES}
    layers_table = opening.table("layers")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(layout, "SCRATCH", tmp_path / "scratch")
    in_finished.run(*CONCLUDE[:-1])
    assert opening.table("layers").equals(layers_table)
    assert {name: tables.table_path(name).read_bytes() for name in TABLES} == before


def test_the_table_has_the_schema_of_the_store(in_finished):
    assert opening.table("rsa").schema == RSA.columns
