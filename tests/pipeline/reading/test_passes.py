import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.models import loading
from pipeline.models.entries import load_entry
from pipeline.params.whole import Params
from pipeline.reading import passes, residual
from pipeline.reading.batches import BatchPlan
from tests.conftest import stories

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_gpus_way_of_reading_gives_the_same_arrays_and_goes_on_where_it_stood(project, monkeypatch, tmp_path):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "fp32", CPU)
    ids, bos = residual.tokenise([s["text"] for s in stories()[:14]], model.tokenizer, True, "native")
    positions, plan = [Params.load().positions[p] for p in ("last", "mean50")], BatchPlan(600, 4)

    def arrays(model, scratch):
        with tqdm(disable=True) as silent:
            return passes.read(model, ids, positions, [int(bos)] * len(ids), plan, tmp_path / scratch, silent)

    expected = arrays(model, "cpu")
    as_a_gpu = replace(model, device=GPU)  # the weights stay on the CPU
    assert all(map(np.array_equal, arrays(as_a_gpu, "gpu"), expected))
    kept = sorted((tmp_path / "gpu").glob("*.crc"))
    assert len(kept) > 3
    kept[1].unlink()
    started, true = [], residual.start_batch
    monkeypatch.setattr(residual, "start_batch", lambda *a: (started.append(1), true(*a))[1])
    assert all(map(np.array_equal, arrays(as_a_gpu, "gpu"), expected))
    assert len(started) == 1


def test_a_batch_that_does_not_fit_into_memory_is_read_in_two_halves_and_said(project, monkeypatch, tmp_path, capsys):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "fp32", CPU)
    as_a_gpu = replace(model, device=GPU)
    ids, bos = residual.tokenise([s["text"] for s in stories()[:9]], model.tokenizer, True, "native")
    positions, true, room = [Params.load().positions["mean50"]], residual.start_batch, 2

    def start_batch(body, ids, *more):
        if len(ids) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return true(body, ids, *more)

    def arrays(plan, scratch):
        with tqdm(disable=True) as silent:
            return passes.read(as_a_gpu, ids, positions, [int(bos)] * len(ids), plan, tmp_path / scratch, silent)

    expected = arrays(BatchPlan(10**6, 2), "fits")
    monkeypatch.setattr(residual, "start_batch", start_batch)
    monkeypatch.setattr(residual, "read_batch", lambda *a: start_batch(*a).result())
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(arrays(BatchPlan(10**6, 4), "halves"), expected, strict=True))
    assert capsys.readouterr().err.count("4 texts do not fit into the GPU's memory and are read in two halves") == 2
    with pytest.raises(torch.OutOfMemoryError):  # once: half of what is far too much is too much
        arrays(BatchPlan(10**6, 9), "far too many")
    room = 0
    with pytest.raises(InputError, match="a text of .* tokens does not fit into the GPU's memory beside the model"):
        arrays(BatchPlan(10**6, 1), "none fits")


def test_what_did_not_fit_into_memory_is_gone_before_it_is_read_in_halves(project, monkeypatch, tmp_path):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "fp32", CPU)
    ids, _ = residual.tokenise([s["text"] for s in stories()[:2]], model.tokenizer, True, "native")
    true_forward, true_read, held = model.body.layers[1].forward, residual.read_batch, []

    def forward(states, *more, **options):
        if len(states) > 1:
            held.append(weakref.ref(states))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return true_forward(states, *more, **options)

    def read_batch(*asked):
        assert held[0]() is None
        return true_read(*asked)

    monkeypatch.setattr(model.body.layers[1], "forward", forward)
    monkeypatch.setattr(residual, "read_batch", read_batch)
    with tqdm(disable=True) as silent:
        plan, positions = BatchPlan(10**6, 2), [Params.load().positions["mean50"]]
        found = passes.read(replace(model, device=GPU), ids, positions, [1, 1], plan, tmp_path, silent)
    assert len(held) == 1
    assert np.isfinite(found.activation).all()
