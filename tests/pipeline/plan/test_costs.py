import polars as pl
import pytest
import torch
from transformers import AutoConfig, AutoModel

from pipeline import opening
from pipeline.models import loading
from pipeline.models.entries import ModelEntry, Shape, load_entries, load_entry
from pipeline.params.whole import Params
from pipeline.plan import costs
from tests.conftest import ROOT, SIZE

SHAPE = Shape(layers=4, hidden=SIZE["hidden_size"], vocabulary=SIZE["vocab_size"])
PAPER = pl.read_csv(ROOT / "data/reference/paper_geometry.csv")


def entry(parameters=1e5, **more):
    known = {"family": "f", "lineage": "l", "tuning": "base", "bos": True, "parameters": parameters}
    return ModelEntry.model_validate(known | {"folder": {"path": "x"}} | more)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "nf4"])
def test_weights_take_what_a_loaded_model_takes(precision, model_folders):
    config = AutoConfig.from_pretrained(model_folders["llama-3.2"])
    with torch.device("meta"):
        n = sum(p.numel() for p in AutoModel.from_config(config).parameters())
    own = entry(n, folder={"path": str(model_folders["llama-3.2"])}, shape=SHAPE.model_dump())
    body = loading.load("m", own, precision, torch.device("cpu")).body
    assert costs.weight_bytes(own, precision) == pytest.approx(body.get_memory_footprint(), rel=0.06)


def test_a_reading_and_the_vectors_take_what_they_take_on_disk_before_compression(in_finished):
    params = Params.load()
    entries = load_entries(params)
    for name in ("tiny-qwen2.5", "tiny-untrained"):
        own = entries[name].model_copy(update={"shape": SHAPE})
        read = opening.activations(name, "fp32", "stories")
        n = read.sizes
        expected = read["activation"].nbytes + read["embedding"].nbytes
        assert costs.reading_bytes(own, n["stimulus"], n["position"]) == expected
        vector = opening.vectors()[f"{name}/comprehension"]["vector"]
        assert costs.vector_bytes(own, vector.sizes["precision"], n["position"], vector.sizes["emotion"]) == vector.nbytes


def test_time_grows_with_parameters_draws_and_tokens():
    def about(own, tokens):
        return costs.cpu_seconds(own, "fp32", tokens, 1e6) - costs.START_SECONDS

    one, large, twin = entry(), entry(3e5), entry(seeds=[0, 1])
    assert about(twin, 100) == pytest.approx(2 * about(one, 100))
    assert about(large, 100) == pytest.approx(3 * about(one, 100))
    assert about(one, 300) == pytest.approx(3 * about(one, 100))
    assert costs.gpu_seconds(one, "bf16", 1e9, 200) > costs.gpu_seconds(one, "bf16", 1e9, 100)
    assert costs.gpu_seconds(large, "bf16", 1e12, 1) > costs.gpu_seconds(one, "bf16", 1e12, 1)


def test_only_the_hub_sends_weights():
    assert costs.download_bytes(entry(1e9)) == 0
    assert costs.download_bytes(entry(1e9, folder=None, hub={"id": "a/b", "revision": "a" * 40})) == 2e9


# --- the twelve entries against the published table ----------------------------------------------------------------------


@pytest.mark.parametrize("row", PAPER.to_dicts(), ids=lambda r: r["model"])
def test_an_entry_of_the_twelve_is_the_published_model(row):
    own = load_entry(row["model"], ROOT / "data/models")
    assert own.shape.hidden == row["hidden"]
    assert own.parameters / 1e9 == pytest.approx(row["params_billion"], abs=0.25)
    best = row["best_layer_depth_percent"] / 100 * own.shape.layers  # a whole number of layers, up to the table's rounding
    assert abs(best - round(best)) < 0.0006 * own.shape.layers
    assert own.hub.id.split("/")[1].lower() == row["model"]
    assert own.tuning == ("instruct" if "instruct" in row["model"] or row["model"].endswith("-it") else "base")


def test_the_paper_profile_reads_six_families_of_five_lineages_at_twelve_revisions():
    entries = [load_entry(name, ROOT / "data/models") for name in PAPER["model"]]
    assert sorted(Params.load(ROOT / "profiles/paper.yaml").read.models) == sorted(PAPER["model"])
    assert len({e.family for e in entries}) == 6
    assert len({e.lineage for e in entries}) == 5
    assert len({e.hub.revision for e in entries}) == 12
