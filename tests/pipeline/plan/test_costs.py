import dataclasses
import json

import polars as pl
import pytest
import torch
from transformers import AutoConfig, AutoModel

from benchmarks.gpu.tiny import SIZE
from pipeline import opening
from pipeline.models import cpu_arithmetic, loading
from pipeline.models.entries import ModelEntry, Shape, load_entries, load_entry
from pipeline.params.whole import Params
from pipeline.plan import costs
from pipeline.reading.vectors import positions_of
from tests.conftest import ROOT

SHAPE = Shape(layers=4, hidden=SIZE["hidden_size"], vocabulary=SIZE["vocab_size"])
PAPER = pl.read_csv(ROOT / "data/reference/paper_geometry.csv")


def entry(parameters=1e5, **more):
    known = {"family": "f", "lineage": "l", "tuning": "base", "bos": True, "parameters": parameters}
    return ModelEntry.model_validate(known | {"folder": {"path": "x"}} | more)


@pytest.fixture
def llama(model_folders):
    config = AutoConfig.from_pretrained(model_folders["llama-3.2"])
    with torch.device("meta"):
        n = sum(p.numel() for p in AutoModel.from_config(config).parameters())
    return entry(n, folder={"path": str(model_folders["llama-3.2"])}, shape=SHAPE.model_dump())


def loaded_bytes(own, precision):
    return loading.load("m", own, precision, torch.device("cpu")).body.get_memory_footprint()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "nf4"])
def test_weights_take_what_a_loaded_model_takes(precision, llama, monkeypatch):
    monkeypatch.setattr(cpu_arithmetic, "_BY_FP32", {torch.float16})
    assert costs.weight_bytes(llama, precision) == pytest.approx(loaded_bytes(llama, precision), rel=0.06)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_16_bits_on_a_cpu_that_does_not_multiply_them_take_32(precision, llama, monkeypatch):
    monkeypatch.setattr(cpu_arithmetic, "_BY_FP32", {torch.float16, torch.bfloat16})
    embedding = 2.0 * SHAPE.vocabulary * SHAPE.hidden  # is looked up, not multiplied
    said = costs.cpu_bytes(llama, precision) - costs.CPU_BESIDE
    assert said - embedding == pytest.approx(loaded_bytes(llama, precision), rel=0.06)


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
        kept = positions_of(params.readings["stories"].positions, params.vectors)
        assert vector["position"].values.tolist() == kept
        assert costs.vector_bytes(own, vector.sizes["precision"], len(kept), vector.sizes["emotion"]) == vector.nbytes


def test_time_grows_with_parameters_draws_and_tokens():
    def about(own, tokens):
        return costs.cpu_seconds(own, "fp32", tokens, 0.0, {"fp32": 1e6}) - costs.START_SECONDS["cpu"]

    one, large, twin = entry(), entry(3e5), entry(seeds=[0, 1])
    assert about(twin, 100) == pytest.approx(2 * about(one, 100))
    assert about(large, 100) == pytest.approx(3 * about(one, 100))
    assert about(one, 300) == pytest.approx(3 * about(one, 100))


def test_a_token_that_is_written_takes_the_head_too_and_more_beside_its_products(monkeypatch):
    monkeypatch.setattr(costs, "CPU_SHARE", {"read": 1.0, "written": 0.5})
    head = SHAPE.vocabulary * SHAPE.hidden
    own = entry(3.0 * head).model_copy(update={"shape": SHAPE.model_copy(update={"tied": True})})  # blocks of two heads' size

    def about(read, written):
        return costs.cpu_seconds(own, "fp32", read, written, {"fp32": 1e6}) - costs.START_SECONDS["cpu"]

    assert about(100, 0) == pytest.approx(100 * 2 * 2 * head / 1e6)
    assert about(0, 100) == pytest.approx(100 * 2 * 3 * head / 1e6 / 0.5)
    assert about(7, 9) == pytest.approx(about(7, 0) + about(0, 9))


def test_a_cpu_that_multiplies_bf16_faster_is_quicker_by_the_part_of_a_pass_that_is_products(monkeypatch):
    monkeypatch.setattr(costs, "CPU_FACTOR", dict.fromkeys(costs.BYTES, 1.0))

    def about(precision, **faster):
        return costs.cpu_seconds(entry(), precision, 1e4, 0.0, {"fp32": 1e6, "bf16": 1e6} | faster) - costs.START_SECONDS["cpu"]

    whole, share = about("fp32"), costs.CPU_SHARE["read"]
    assert about("bf16") == about("fp16") == pytest.approx(whole)
    assert about("bf16", bf16=4e6) == pytest.approx(whole * (share / 4 + 1 - share))
    assert about("fp16", bf16=4e6) == pytest.approx(whole)


def card_file(folder, name, **rates):
    every = {"fp32": 1e12, "bf16": 4e12, "fp16": 4e12, "int8": 2e12, "nf4": 1e12}
    known = {"reading_flops": every, "block_seconds": every, "step_bytes_per_second": every, "step_block_seconds": every}
    path = folder / f"{name.lower().replace(' ', '-')}.json"
    path.write_text(json.dumps({"card": name, "rates": known | {"load_bytes_per_second": 1e9} | rates}))


def test_the_time_on_a_gpu_is_what_arithmetic_passes_and_steps_take():
    half = dict.fromkeys(("bf16",), 0.0)
    on = dataclasses.replace(costs.ASSUMED, reading_flops=half | {"bf16": 2e12}, block_seconds=half | {"bf16": 0.5})
    on = dataclasses.replace(on, step_block_seconds=half | {"bf16": 0.25}, step_bytes_per_second=half | {"bf16": 1e5})
    own = entry(SHAPE.vocabulary * SHAPE.hidden + 1e5, shape=SHAPE.model_dump())
    fixed = costs.START_SECONDS["gpu"] + own.parameters * 2 / on.load_bytes_per_second

    def about(**more):
        return costs.gpu_seconds(on, own, "bf16", **({"tokens": 0.0, "n_passes": 0.0} | more)) - fixed

    assert about(tokens=3e7) == pytest.approx(3.0)  # two operations a token and parameter outside the embeddings
    assert about(tokens=3e7, n_passes=1) == pytest.approx(3.0)
    assert about(tokens=3e7, n_passes=10) == pytest.approx(10 * 4 * 0.5)
    assert about(n_steps=8) == pytest.approx(8 * (own.parameters * 2) / 1e5)
    assert about(n_passes=1, n_steps=8) == pytest.approx(2.0 + about(n_steps=8))
    twin = own.model_copy(update={"seeds": [0, 1]})
    drawn = 2 * own.parameters / costs.DRAWN
    assert costs.gpu_seconds(on, twin, "bf16", 3e7, 1.0) - fixed == pytest.approx(6.0 + drawn)


def test_times_are_for_the_card_that_is_here_if_it_was_measured_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "MEASURED", tmp_path)
    assert costs.card("B 2") is costs.ASSUMED
    assert "assumed" in costs.ASSUMED.in_words()
    card_file(tmp_path, "A 1")
    card_file(tmp_path, "B 2", load_bytes_per_second=5.0)
    assert (costs.card("B 2").name, costs.card("B 2").load_bytes_per_second) == ("B 2", 5.0)
    assert costs.card("C").name == costs.card(None).name == "A 1"
    assert costs.card(None).in_words() == "an A 1 (measured by make gpu-check)"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/results").glob("*.json")), ids=lambda p: p.stem)
def test_every_measured_card_gives_a_rate_for_every_precision(path, monkeypatch):
    monkeypatch.setattr(costs, "MEASURED", path.parent)
    (card,) = (c for c in costs.cards() if c.name == json.loads(path.read_text())["card"])
    for rates in (card.reading_flops, card.block_seconds, card.step_bytes_per_second, card.step_block_seconds):
        assert set(rates) == set(costs.BYTES)
        assert min(rates.values()) > 0


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
