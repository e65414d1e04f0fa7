import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from analysis import inference, layers, rsa
from analysis.inference import Reliability
from pipeline import opening, store, tables
from tests.conftest import Project, crossed
from tests.reference import cosine_rdm

EMOTIONS = [e for e in Project.emotions if e != "neutral"]


def pair(table, a, b, **at):
    return table.filter(model_a=a[0], precision_a=a[1], model_b=b[0], precision_b=b[1], **at).row(0, named=True)


def test_every_pair_stands_once_under_every_rule(in_finished):
    table = opening.table("rsa")
    rules = 3 + 3  # paper, cv, cross-fitted, and three depths
    assert table.height == (7 * 6 // 2) * rules * 2 * 2  # six conditions and a reader of words
    ends = [pl.struct(f"{k}_{s}" for k in ("model", "seed", "precision")) for s in "ab"]
    assert table.filter(ends[0] == ends[1]).is_empty()


def test_the_numbers_of_a_pair_equal_numpy_on_the_stored_activations(in_finished):
    row = pair(
        opening.table("rsa"),
        ("tiny-llama-3.2", "fp32"),
        ("tiny-qwen2.5", "fp16"),
        position="mean50",
        variant="centred",
        layer_rule=layers.DEPTH,
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
    for half in inference.halvings(6, 100, 20260):
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
    row = pair(opening.table("rsa"), ("tiny-llama-3.2", "fp32"), ("tiny-qwen2.5", "fp32"), layer_rule=layers.CV, **at)
    for side, model in (("a", "tiny-llama-3.2"), ("b", "tiny-qwen2.5")):
        here = {"model": model, "precision": "fp32", **at}
        layer = chosen.filter(pl.col("halving").is_null(), layer_rule=layers.CV, **here)["layer"][0]
        assert row[f"layer_{side}"] == layer
        own = geometry.filter(layer=layer, **here)["reliability"][0]
        assert row[f"reliability_{side}"] == pytest.approx(own, abs=1e-12)


def test_the_cross_fitted_rule_has_no_rho_same_and_says_so(in_finished):
    rows = opening.table("rsa").filter(layer_rule=layers.CROSS_FITTED)
    assert rows["rho_same"].null_count() == rows.height
    assert rows["rho_cross"].null_count() == 0
    assert rows["reason"].str.contains("chosen on one half").all()


def test_two_precisions_of_one_model_agree_on_the_same_stories(in_finished):
    at = {"position": "mean50", "variant": "centred", "layer_rule": layers.DEPTH, "depth": 0.5}
    row = pair(opening.table("rsa"), ("tiny-qwen2.5", "fp32"), ("tiny-qwen2.5", "fp16"), **at)
    assert row["rho_same"] > 0.99


def side(value, se, vector, reason=None):
    half = np.stack([vector, vector])[None]
    halves = inference.Halves(vector, half, half, np.ones((1, 2), bool), np.zeros((1, 2), bool))
    return rsa.Side(0, halves, Reliability(value, se), reason)


def test_rho_dis_is_null_with_a_reason_where_a_side_is_unreliable_and_never_clipped(rng):
    x = rng.normal(size=10)
    x = (x - x.mean()) / np.linalg.norm(x - x.mean())
    good, bad = side(0.64, 0.01, x), side(0.2, 0.15, x)
    assert rsa.compare(good, good)["rho_dis"] == pytest.approx(1 / 0.64)
    row = rsa.compare(good, bad)
    assert row["rho_dis"] is None
    assert row["reason"] == "rho_dis: b: reliability 0.20 is within two standard errors (0.15) of 0"
    assert row["ceiling"] == pytest.approx(np.sqrt(0.64 * 0.2))
    lost = rsa.Side(3, None, None, "not finite in 4 stories and 0 neutral texts")
    row = rsa.compare(lost, good)
    assert row["rho_same"] is row["rho_cross"] is None
    assert row["reason"] == "a: not finite in 4 stories and 0 neutral texts"
    assert row["layer_a"] == 3


def test_passages_alone_look_like_a_shared_geometry_until_the_topics_differ(rng):
    # No emotion effect at all: two random linear "models" of the same stories.
    from analysis import gram

    design = crossed(21, 4)
    first = inference.halvings(4, 100, 0)
    same, half, cross = [], [], []
    for _ in range(30):
        stories = rng.normal(size=(84, 40))
        sides = []
        for _ in range(2):
            x = stories @ np.linalg.qr(rng.normal(size=(200, 40)))[0].T
            sides.append(inference.Halves.of(gram.cells(gram.gram(x), design), design, first))
        same.append(inference.rho_same(*sides))
        half.append(inference.rho_same_half(*sides))
        cross.append(inference.rho_cross(*sides))
    assert np.mean(same) > 0.9
    assert np.mean(half) > 0.9
    assert abs(np.mean(cross)) < 0.05


def test_the_tables_are_the_same_bytes_every_time(in_finished, tmp_path, monkeypatch):
    from analysis import corpus, geometry

    before = {name: tables.table_path(name).read_bytes() for name in tables.SCHEMAS}
    layers_table = opening.table("layers")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(store, "SCRATCH", tmp_path / "scratch")
    geometry.main([])
    corpus.main([])
    assert opening.table("layers").equals(layers_table)
    rsa.main([])
    assert {name: tables.table_path(name).read_bytes() for name in tables.SCHEMAS} == before


def test_the_table_has_the_schema_of_the_store(in_finished):
    assert opening.table("rsa").schema == tables.RSA
