"""The stage on activations that were really read, and on planted ones, against numpy."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from analysis.grid import geometry
from analysis.readers.readers import Reader, Readout, mean_cosine, readouts, uncrossed_in_words
from analysis.rsa import names, split_half
from pipeline import opening
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params
from pipeline.schemas.geometry import GEOMETRY
from pipeline.store import layout, roots, tables
from tests.conftest import Project
from tests.reference import cosine_rdm

EMOTIONS = [e for e in Project.emotions if e != "neutral"]


def states(model, precision, position, layer, reading="stories"):
    found = opening.activations(model, precision, reading).sel(position=position, layer=layer)
    return found["activation"].values.astype(np.float64), found["emotion"].values.tolist(), found["topic"].values.tolist()


def test_every_reader_has_every_layer_once(in_finished):
    table = opening.table("geometry")
    models = table.filter(setting="stories").drop_nulls("precision")
    assert models.height == (2 * 2 + 2) * 2 * 2 * 4  # readers x positions x variants x layers
    assert table.height - models.height == 4 * 2 * 2  # two readers of words and two input embeddings have one layer each
    assert models["reason"].null_count() == models.height


def test_shape_and_reliability_equal_numpy_on_the_stored_activations(in_finished):
    table = opening.table("geometry")
    x, emotions, topics = states("tiny-qwen2.5", "fp16", "mean50", 2)
    keep = np.array([e in EMOTIONS for e in emotions])
    label = np.array([EMOTIONS.index(e) if e in EMOTIONS else -1 for e in emotions])
    rdm = cosine_rdm(x[keep], label[keep])
    row = table.filter(model="tiny-qwen2.5", precision="fp16", position="mean50", variant="centred", layer=2).row(0, named=True)
    assert row["rdm_mean"] == pytest.approx(rdm.mean(), abs=1e-9)
    assert row["rdm_std"] == pytest.approx(rdm.std(), abs=1e-9)
    assert row["mean_cosine"] == pytest.approx(1 - rdm.mean(), abs=1e-9)
    every = cosine_rdm(x, np.array([sorted(Project.emotions).index(e) for e in emotions]))
    assert row["mean_cosine_with_neutral"] == pytest.approx(1 - every.mean(), abs=1e-9)
    n, _, _ = states("tiny-qwen2.5", "fp16", "mean50", 2, "neutral")
    units = n / np.linalg.norm(n, axis=1, keepdims=True)
    i, j = np.triu_indices(len(n), 1)
    assert row["anisotropy"] == pytest.approx((units @ units.T)[i, j].mean(), abs=1e-9)
    unit = np.unique(topics, return_inverse=True)[1]
    rhos = []
    for half in split_half.halvings(6, 100, 20260):
        a, b = (cosine_rdm(x[keep], label[keep], mask[unit[keep]]) for mask in (half, ~half))
        rhos.append(spearmanr(a, b).statistic)
    assert len(rhos) == row["n_halvings"] == 10
    assert row["reliability"] == pytest.approx(np.mean(rhos), abs=1e-9)


def test_length_is_said_where_a_mean_holds_a_share_of_the_first_token(rng):
    n_tokens = rng.integers(60, 180, size=200)
    x = rng.normal(size=(200, 30)) + 20
    x[:, 3] += 5000 / n_tokens  # a massive activation of one token, in a mean over all
    k = (x - x.mean(0)) @ (x - x.mean(0)).T
    found = geometry.of_length(k, n_tokens)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    assert found["pc1_length"] == pytest.approx(abs(np.corrcoef(u[:, 0], 1 / n_tokens)[0, 1]), abs=1e-9)
    assert found["pc1_share"] == pytest.approx(s[0] ** 2 / (s**2).sum(), abs=1e-9)
    assert found["pc1_length"] > 0.95
    assert geometry.of_length(k, np.full(200, 90))["pc1_length"] is None


def test_length_of_what_was_read_equals_numpy(in_finished):
    found = opening.activations("tiny-qwen2.5", "fp16", "stories").sel(position="mean50", layer=2)
    keep = (found["emotion"] != "neutral").values
    x, inverse = found["activation"].values[keep].astype(np.float64), 1 / found["n_tokens"].values[keep]
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    here = {"model": "tiny-qwen2.5", "precision": "fp16", "position": "mean50", "variant": "centred", "layer": 2}
    row = opening.table("geometry").filter(**here).row(0, named=True)
    assert row["pc1_share"] == pytest.approx(s[0] ** 2 / (s**2).sum(), abs=1e-9)
    assert row["pc1_length"] == pytest.approx(abs(np.corrcoef(u[:, 0], inverse)[0, 1]), abs=1e-9)


def test_the_denoised_variant_equals_the_rdm_of_the_stored_vectors(in_finished):
    # two ways to one number: projections through the Gram matrix, and vectors.zarr as a user reads it
    tree = opening.vectors()
    table = opening.table("geometry")
    for variant in layout.VARIANTS:
        v = tree["tiny-llama-3.2/comprehension"]["vector"].sel(precision="fp32", position="last", layer=1, variant=variant)
        v = v.sel(emotion=EMOTIONS).values.astype(np.float64)
        units = v / np.linalg.norm(v, axis=1, keepdims=True)
        i, j = np.triu_indices(len(v), 1)
        row = table.filter(model="tiny-llama-3.2", precision="fp32", position="last", variant=variant, layer=1)
        assert row["rdm_mean"][0] == pytest.approx((1 - (units @ units.T)[i, j]).mean(), abs=1e-5)


def test_best_layers_follow_their_rules(in_finished):
    table, chosen = opening.table("geometry"), opening.table("layers")
    keys = ["model", "seed", "precision", "setting", "position", "variant"]
    for key, rows in table.group_by(keys):
        at = [pl.col(k).eq_missing(pl.lit(v)) for k, v in zip(keys, key, strict=True)]
        by_layer = rows.sort("layer")
        here = chosen.filter(*at).filter(pl.col("halving").is_null())
        cv = here.filter(layer_rule=names.CV).row(0, named=True)
        accuracy, se = by_layer["accuracy"].to_numpy(), by_layer["accuracy_se"].to_numpy()
        good = np.flatnonzero(accuracy >= accuracy.max() - se[accuracy.argmax()])
        assert (cv["layer"], cv["plateau_low"], cv["plateau_high"]) == (good[0], good[0], good[-1])
        paper = here.filter(layer_rule=names.PAPER)["layer"][0]
        assert paper == int(np.argmin(by_layer["mean_cosine_with_neutral"].to_numpy()))
        assert chosen.filter(*at).filter(pl.col("halving").is_not_null()).height == 20


def test_a_dropped_model_leaves_no_trace(project):
    project.run("read", "vectors", "geometry")
    project.params["read"]["models"] = ["tiny-llama-3.2"]
    project.save()
    roots.main([])
    geometry.main([])
    assert "tiny-qwen2.5" not in opening.table("geometry")["model"].to_list()
    assert "tiny-qwen2.5" not in opening.vectors().children
    assert not (layout.ACTIVATIONS / "tiny-qwen2.5").exists()


def planted(rng, strength=2.0, n_topics=6, layers_=3, bad_layer=None):
    """Activations in which layer 1 alone carries the emotions."""
    emotions = [e for e in (*EMOTIONS, "neutral") for _ in range(n_topics)]
    topics = [f"t{t}" for _ in range(5) for t in range(n_topics)]
    means = {e: rng.normal(size=30) for e in emotions}
    x = rng.normal(size=(len(emotions), layers_, 30)) + 20
    x[:, 1] += strength * np.stack([means[e] for e in emotions])
    finite = np.ones((len(emotions), layers_), bool)
    if bad_layer is not None:
        x[3, bad_layer], finite[3, bad_layer] = np.nan, False
    neutral = rng.normal(size=(12, layers_, 30)) + 20
    ids, tokens = [str(i) for i in range(len(emotions))], np.full(len(emotions), 120)
    arguments = emotions, topics, ids, tokens, x.astype(np.float32), finite
    return Readout(Reader("m", None, "fp32"), "last", *arguments, neutral.astype(np.float32), np.ones((12, layers_), bool))


@pytest.fixture
def default_params(in_finished):
    return Params.load()


def test_a_planted_layer_is_found_and_reliable(rng, default_params):
    rows, chosen = geometry.of_readout(planted(rng), default_params)
    tables.assembled(GEOMETRY, rows)
    by_layer = {r["layer"]: r for r in rows if r["variant"] == "centred"}
    assert by_layer[1]["accuracy"] > 0.9
    assert by_layer[1]["reliability"] > 0.6
    assert by_layer[0]["accuracy"] < 0.6
    assert by_layer[0]["reliability"] < 0.6
    cv = [r for r in chosen if r["layer_rule"] == names.CV and r["variant"] == "centred" and r["halving"] is None]
    assert cv[0]["layer"] == 1


def test_a_layer_that_is_not_finite_is_null_with_its_reason(rng, default_params):
    rows, chosen = geometry.of_readout(planted(rng, bad_layer=1), default_params)
    table = tables.assembled(GEOMETRY, rows)
    bad = table.filter(layer=1)
    assert bad["reason"].to_list() == ["not finite in 1 stories and 0 neutral texts"] * 2
    assert bad.select("n_stimuli", "n_not_finite", "n_neutral_not_finite").rows() == [(24, 1, 0)] * 2
    assert table.filter(pl.col("layer") != 1).select("n_not_finite", "n_neutral_not_finite").sum().row(0) == (0, 0)
    assert bad.select("rdm_mean", "accuracy", "reliability", "anisotropy").null_count().row(0) == (2, 2, 2, 2)
    assert table.filter(pl.col("layer") != 1)["reason"].null_count() == 4
    assert 1 not in {r["layer"] for r in chosen}


def test_too_few_topics_are_null_with_their_reason(rng, default_params):
    rows, chosen = geometry.of_readout(planted(rng, n_topics=3), default_params)
    table = tables.assembled(GEOMETRY, rows)
    assert set(table["reason"]) == {split_half.TOO_FEW}
    assert table["reliability"].null_count() == table["accuracy"].null_count() == table.height
    assert table["rdm_mean"].null_count() == 0
    assert {r["layer"] for r in chosen if r["layer_rule"] == names.PAPER} <= {0, 1, 2}
    assert {r["reason"] for r in chosen if r["layer_rule"] == names.CV} == {"no layer has an estimate"}


def test_constant_vectors_give_a_reason_and_no_warning(rng, default_params):
    readout = planted(rng)
    readout.states[:, 0] = 1.0
    table = tables.assembled(GEOMETRY, geometry.of_readout(readout, default_params)[0])
    assert set(table.filter(layer=0)["reason"]) <= {
        "a label's centred vector is zero",
        "a label's vector is zero in some half: no reliability",
    }
    assert table.filter(layer=0)["reliability"].null_count() == 2


def test_a_corpus_whose_labels_lack_topics_is_told_so(rng, default_params):
    readout = planted(rng)
    assert uncrossed_in_words(readout) == ""
    readout.topics[0] = "elsewhere"
    assert uncrossed_in_words(readout).startswith("stories are not crossed with topics (no story for angry/t0, calm/elsewhere,")
    rows, _ = geometry.of_readout(readout, default_params)
    assert {r["unit"] for r in rows} == {"story"}
    assert {r["n_units"] for r in rows} == {6}
    readout.topics[:] = ["t0"] * len(readout.topics)
    assert uncrossed_in_words(readout).startswith("stories are not crossed with topics (there is one topic, t0): halves are")


def test_mean_cosine_is_its_definition(rng):
    x = rng.normal(size=(7, 5)) + 1
    cosines = [x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for i in range(7) for j in range(i)]
    assert mean_cosine(x) == pytest.approx(np.mean(cosines))


def test_conditions_come_from_params(in_finished):
    found = {readout.reader for readout in readouts(Params.load(), load_entries(Params.load()))}
    assert len(found) == 2 * 2 + 2 + 2 + 2
    assert Reader("tfidf", None, None) in found
    assert Reader("tiny-qwen2.5", None, "fp32", "input_embeddings") in found
    assert Reader("tiny-untrained", 1, "fp32") in found
