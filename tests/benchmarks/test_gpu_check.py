"""`make gpu-check` on a CPU, in its small form; and that it fails where a device does not give what it must."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import gpu_check
from benchmarks.gpu import exactness, shapes
from pipeline.plan import costs
from pipeline.reading import residual
from pipeline.writing.generation import Written

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Exit status and what was written."""
    folder = tmp_path_factory.mktemp("check")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        status = gpu_check.main(["--device", "cpu", "--small", "--results", str(folder / "results")])
    (path,) = (folder / "results").glob("*.json")
    return status, json.loads(path.read_text()), path


def test_a_cpu_passes_its_own_check(run):
    status, found, _ = run
    assert (status, found["failures"]) == (0, {})
    assert found["card"].startswith("CPU ")
    assert {"products", "copies", "reading", "writing", "loading", "exactness", "rates"} <= set(found)


def test_what_was_tried_on_a_cpu_is_no_card_that_a_plan_goes_by(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(gpu_check.RESULTS.glob("*.json"))
    assert gpu_check.main(["--device", "cpu", "--small", "--only", "products"]) == 0
    assert sorted(gpu_check.RESULTS.glob("*.json")) == before
    assert len(list((tmp_path / gpu_check.TRIED).glob("cpu-*.json"))) == 1


def test_rates_are_what_was_counted_over_what_was_timed(run):
    _, found, _ = run
    model = shapes.made(shapes.llama("tiny"), torch.float32, CPU)
    linear = sum(m.weight.numel() for m in model.model.modules() if isinstance(m, nn.Linear))
    assert shapes.parameters(model.model) == linear
    tokens = sum(map(len, shapes.texts(12, 512, 100)))
    for row in found["reading"]:
        assert row["flops"] == pytest.approx(2 * linear * row["tokens"] / row["seconds"])
        assert row["mfu"] == pytest.approx(row["flops"] / found["products"]["bf16"])
        assert row["tokens"] == tokens or row["precision"] == "fp32" or row["batches"] == row["texts"]
    for row in found["writing"]:
        assert row["tokens_per_second"] * row["seconds"] == pytest.approx(row["texts"] * row["new_tokens"])
        assert row["way"] != "ours" or row["as_beside_others"] == 1


def test_at_int8_a_text_is_moved_by_others_in_the_way_of_bitsandbytes_alone(run):
    _, found, _ = run
    moved = {row["precision"]: row["alone"] for row in found["reading"] if "alone" in row}
    assert moved["int8_stock"] > 1e-3
    assert moved["int8"] < 1e-3


def test_8b_and_1b_have_the_parameters_of_llama():
    for size, total in (("8B", 8.03e9), ("1B", 1.24e9)):
        config = shapes.llama(size)
        with torch.device("meta"):
            model = gpu_check.shapes.AutoModelForCausalLM.from_config(config)
        tied = config.vocab_size * config.hidden_size if size == "1B" else 0
        assert sum(p.numel() for p in model.parameters()) - tied == pytest.approx(total, rel=0.005)
        linear = sum(m.weight.numel() for m in model.model.modules() if isinstance(m, nn.Linear))
        assert shapes.parameters(model.model) == linear


def test_every_family_is_as_exact_as_its_precision(run):
    _, found, _ = run
    rows = {(row["family"], row["precision"]): row for row in found["exactness"]}
    assert len(rows) == 2 * len(exactness.PRECISIONS)
    for (_, precision), row in rows.items():
        assert row["greedy_as_alone"] == row["sampled_as_alone"] == 1
        assert row["error"] < {"fp32": 3e-6, "bf16": 0.05, "fp16": 0.005, "int8": 0.2, "nf4": 0.6}[precision]
        assert row["error"] > 0
        assert row["error_cpu"] > {"int8": 0.01, "nf4": 0.1}.get(precision, 0)  # quantised it is
        assert precision != "fp32" or row["greedy_as_cpu"] == row["sampled_as_cpu"] == 1


def test_the_plan_takes_times_from_what_was_written(run, monkeypatch):
    _, found, path = run
    monkeypatch.setattr(costs, "MEASURED", path.parent)
    card = costs.card(found["card"])
    assert card.measured
    assert card.reading_flops["bf16"] == next(r["flops"] for r in found["reading"] if r["precision"] == "bf16")


def test_sections_that_are_not_asked_for_stay_as_they_were(run, tmp_path, monkeypatch):
    _, found, path = run
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    assert gpu_check.main(["--device", "cpu", "--small", "--results", str(tmp_path), "--only", "loading"]) == 0
    again = json.loads(copy.read_text())
    assert {k: again[k] for k in ("reading", "writing", "exactness")} == {
        k: found[k] for k in ("reading", "writing", "exactness")
    }
    assert again["loading"] != found["loading"]


def row(**broken):
    good = {"family": "f", "precision": "fp32", "error": 1e-6, "error_cpu": 1e-6, "batch": 1e-6}
    return good | {f"{way}_as_{what}": 1.0 for way in ("greedy", "sampled") for what in ("cpu", "alone")} | broken


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"error": 1e-3}, "error 1.0e-03, of a CPU 1.0e-06"),
        ({"error": float("nan")}, "error nan"),
        ({"batch": 1e-4}, "depends on the batch"),
        ({"greedy_as_alone": 0.9}, "greedy texts depend on their neighbours"),
        ({"sampled_as_cpu": 0.9}, "sampled texts are not the CPU's"),
    ],
)
def test_what_a_device_does_not_give_is_said(broken, words):
    assert exactness.failures(row()) == []
    (found,) = exactness.failures(row(**broken))
    assert found.startswith(words)


def test_a_device_whose_texts_see_each_other_fails(monkeypatch):
    true_read, true_generate = residual.read_batch, exactness.generate

    def read_batch(body, ids, positions, skip):
        pooled = true_read(body, ids, positions, skip)
        return pooled._replace(activation=pooled.activation * np.float32(1 + 1e-3 * (len(ids) - 1)))

    def generate(body, head, prompts, *more):
        return [Written(text.tokens[len(prompts) - 3 :], text.finish) for text in true_generate(body, head, prompts, *more)]

    monkeypatch.setattr(residual, "read_batch", read_batch)
    monkeypatch.setattr(exactness, "generate", generate)
    (found,) = exactness.checked(CPU, ["smollm2"], ["fp32"], 3, 6)
    words = exactness.failures(found)
    assert any(w.startswith("depends on the batch by 2.0e-03") for w in words)
    assert "greedy texts depend on their neighbours" in words


def test_a_section_that_fails_is_said_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    def broken(check):
        raise RuntimeError("CUDA error: an illegal instruction")

    monkeypatch.setitem(gpu_check.SECTIONS, "loading", broken)
    status = gpu_check.main(["--device", "cpu", "--small", "--results", str(tmp_path), "--only", "loading", "products"])
    assert status == 1
    out = capsys.readouterr().out
    assert "failed: loading: RuntimeError: CUDA error: an illegal instruction" in out
    assert "products" in json.loads(next(tmp_path.glob("*.json")).read_text())


def test_shares_of_what_was_not_measured_are_asked_for_in_one_line(tmp_path, capsys):
    assert gpu_check.main(["--device", "cpu", "--small", "--results", str(tmp_path), "--only", "reading"]) == 1
    said = capsys.readouterr()
    assert (
        "failed: reading: rates are shares of bare products, which were not measured here: --only products reading" in said.out
    )
    assert "Traceback" not in said.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_check_says_what_can_be_tried(capsys):
    assert gpu_check.main([]) == 1
    assert "torch sees no CUDA device; --device cpu --small" in capsys.readouterr().err
