"""The stage `maturity` on the small project and on planted tables: what the rule is given, of which models, and who decides."""

import polars as pl
import pytest

from analysis.claims import maturity
from pipeline import opening
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params
from pipeline.schemas.maturity import MATURITY

A, B = "tiny-llama-3.2", "tiny-qwen2.5"


@pytest.fixture
def read(in_finished):
    return {name: opening.table(name) for name in ("geometry", "layers")}


def entries_with_twin(n_seeds=5):
    """The twin as one of the first model's family."""
    entries = load_entries(Params.load())
    twin = entries["tiny-untrained"].model_copy(update={"family": "llama-3.2", "seeds": list(range(n_seeds))})
    return entries | {"tiny-untrained": twin}


def with_seeds(geometry, n, reliability):
    """The twin's rows for n seeds: `reliability` at its best layer, which is not the model's, and less at the others."""
    one = geometry.filter(model="tiny-untrained", seed=0)
    value = pl.when(pl.col("layer") == 3).then(reliability).otherwise(reliability - 0.2)
    drawn = [one.with_columns(pl.lit(s, pl.Int64).alias("seed"), value.alias("reliability")) for s in range(n)]
    return pl.concat([geometry.filter(pl.col("model") != "tiny-untrained"), *drawn])


def planted(read, own=0.8, se=0.02, embeddings=0.3, twin=0.4, n_seeds=5):
    chosen = (pl.col("layer_rule") == "best_layer_cv") & pl.col("halving").is_null()
    layers = read["layers"].with_columns(
        pl.when(chosen).then(own).otherwise("reliability").alias("reliability"),
        pl.when(chosen).then(se).otherwise("reliability_se").alias("reliability_se"),
    )
    of_embeddings = pl.col("setting") == "input_embeddings"
    geometry = with_seeds(read["geometry"], n_seeds, twin)
    geometry = geometry.with_columns(pl.when(of_embeddings).then(embeddings).otherwise("reliability").alias("reliability"))
    return read | {"layers": layers, "geometry": geometry}


def row(read, n_seeds=5, model=A):
    made = maturity.rows(maturity.Params.load(), entries_with_twin(n_seeds), read)
    return next(r for r in made if r["model"] == model)


@pytest.mark.parametrize(
    ("more", "mature"),
    [
        ({}, True),
        ({"own": 0.44}, False),  # its interval reaches the twin's best layer
        ({"embeddings": 0.79}, False),  # a bag of words is as reliable
        ({"se": 0.2}, False),
        ({"n_seeds": 4}, None),
    ],
)
def test_a_planted_model_is_mature_or_not(read, more, mature):
    found = row(planted(read, **more), more.get("n_seeds", 5))
    assert found["mature"] is mature
    assert found["highest_untrained"] == 0.4  # of all layers, not of the one at the model's depth
    assert found["reason"] is None if mature else found["reason"]


def test_a_twin_of_another_family_says_nothing_of_a_model(read):
    found = row(planted(read), model=B)
    assert (found["n_untrained"], found["mature"]) == (0, None)
    assert found["reason"] == "0 untrained draws with its tokenizer; 5 are needed"


def test_a_family_is_judged_by_its_base_models_and_without_one_by_what_was_read(read):
    entries = entries_with_twin()
    made = {r["model"]: r["decides"] for r in maturity.rows(maturity.Params.load(), entries, read)}
    assert made == {A: True, B: True}  # A is an instruct model, the only one of its family
    both = entries | {B: entries[B].model_copy(update={"family": "llama-3.2", "tuning": "base"})}
    made = {r["model"]: r["decides"] for r in maturity.rows(maturity.Params.load(), both, read)}
    assert made == {A: False, B: True}


def test_the_table_has_every_trained_model_and_its_numbers_are_those_of_geometry(in_finished):
    table = opening.table("maturity")
    assert table["model"].to_list() == sorted(Params.load().read.models)
    assert table.schema == MATURITY.columns
    for found in table.iter_rows(named=True):
        here = {"model": found["model"], "precision": "fp32", "position": "mean50", "variant": "centred"}
        side = "a" if found["model"] == A else "b"
        pair = opening.pair(f"{A}/fp32", f"{B}/fp32")
        assert found["reliability"] == pytest.approx(pair[f"reliability_{side}"][0])
        # of one layer for both halves, as what it is held to
        layer = opening.table("geometry").filter(setting="stories", layer=pair[f"layer_{side}"][0], **here)
        assert found["reliability"] == pytest.approx(layer["reliability"][0])
        words = opening.table("geometry").filter(setting="input_embeddings", **here)
        assert found["embeddings"] == words["reliability"][0]
