"""The small form of `make bench`: a tiny model, without peers."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel

from benchmarks import backends, bench, ways
from benchmarks.ways import HEADLESS, ONE, OURS, PADDED
from pipeline.errors import InputError
from pipeline.models import cpu_arithmetic
from pipeline.reading import residual
from pipeline.reading.batches import BatchPlan
from tests.conftest import ROOT, stories


@pytest.fixture(scope="module")
def small(model_folders):
    """Our body of a tiny model, its folder, and the token ids of nine stories."""
    folder = model_folders["llama-3.2"]
    model, tokenizer = bench.opened(folder)
    body = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    cpu_arithmetic.multiply_here(body)
    ids, bos = residual.tokenise([s["text"] for s in stories()[:9]], tokenizer, True, "native")
    return body, folder, ids, int(bos), model


@pytest.fixture(scope="module")
def rows(small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "PEERS", ())
        body, folder, ids, skip, _ = small
        made = bench.run(body, folder, ids, skip, BatchPlan(1024, 4), rounds=2, rows=64)
    return {row.name: row for row in made}


def test_every_way_is_measured_and_ours_is_the_measure(rows):
    assert list(rows) == [OURS, ONE, PADDED, HEADLESS]
    assert rows[OURS].ratio == 1
    assert all(row.rate > 0 and 0 < row.of_gemm < 1 and row.memory >= 0 for row in rows.values())


def test_all_are_exact_but_the_last_of_the_hidden_states_which_is_after_the_norm(rows):
    assert all(row.error < 1e-5 for row in rows.values())
    assert rows[OURS].last_error < 1e-5
    assert rows[ONE].last_error > 0.01
    assert rows[PADDED].last_error > 0.01
    assert rows[HEADLESS].last_error > 0.01


def test_one_way_of_transformers_makes_no_logits_as_ours_makes_none(small):
    _, _, ids, skip, model = small
    called = []
    hook = model.lm_head.register_forward_hook(lambda *_: called.append(1))
    try:
        for name, way in ways.plain(model, ways.Reader(ids, list(bench.POSITIONS.values()), skip)).items():
            called.clear()
            way([[0, 1]])
            assert bool(called) == (name != HEADLESS)
    finally:
        hook.remove()


def test_the_ways_give_the_states_of_the_same_texts_in_the_same_order(small):
    body, _, ids, skip, model = small
    reader = ways.Reader(ids, list(bench.POSITIONS.values()), skip)
    batches = [[4, 0], [7, 2, 3]]
    made = [ways.ours(body, reader)(batches), *(way(batches) for way in ways.plain(model, reader).values())]
    assert made[0].shape == (5, 2, body.config.num_hidden_layers, body.config.hidden_size)
    for other in made[1:]:
        np.testing.assert_allclose(other[:, :, :-1], made[0][:, :, :-1], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(made[0], bench.exact(model.get_decoder(), reader, [0, 2, 3, 4, 7]), rtol=1e-3, atol=1e-5)


def test_memory_is_that_of_a_fork_above_what_it_began_with():
    def way(batches):
        np.ones(40_000_000 * len(batches), dtype=np.uint8).sum()

    assert bench.peak_above(way, [[0]]) == pytest.approx(40e6, rel=0.2)
    assert bench.peak_above(way, [[0], [1]]) == pytest.approx(80e6, rel=0.2)


def test_memory_that_was_freed_before_is_no_gift():
    """A heap that others filled and freed once held all that a way needs."""
    filled = [np.ones(100_000, dtype=np.uint8) for _ in range(1200)]
    kept = filled[-1]  # at the top, so that the heap is not given back by itself
    del filled

    def way(batches):
        return sum(len(x) for x in [np.ones(100_000, dtype=np.uint8) for _ in range(400)])

    assert bench.peak_above(way, []) == pytest.approx(40e6, rel=0.2)
    assert kept.all()


def test_a_way_that_ends_without_an_answer_is_an_error():
    def way(batches):
        raise MemoryError

    with pytest.raises(RuntimeError, match="without an answer"):
        bench.peak_above(way, [])


def test_a_missed_target_is_said_with_its_size():
    def row(name, ratio, of_gemm, memory):
        return bench.Row(name, ratio, 1.0, of_gemm, memory, 0.0, 0.0)

    said = bench.judged([row(OURS, 1.0, 0.72, 40), row(PADDED, 1.4, 0.5, 100), row("peer", 1.2, 0.6, 90)])
    assert said == [
        "1.20 x as fast as the fastest other (peer); target 1.50: MISSED by 0.30",
        "72% of the GEMM rate; target 80%: MISSED by 8%",
        "40% of the memory of padded batches; target 30%: MISSED by 10%",
    ]
    met = bench.judged([row(OURS, 1.0, 0.8, 30), row(PADDED, 1.5, 0.5, 100)])
    assert all(line.endswith(": met") for line in met)


def test_a_peer_that_is_not_installed_is_said(small, monkeypatch):
    _, folder, ids, skip, model = small
    monkeypatch.setattr(ways, "PEERS", ("nnsight",))

    def version(name):
        raise ways.PackageNotFoundError(name)

    monkeypatch.setattr(ways, "version", version)
    found, lacking = ways.peers(folder, model, None, ways.Reader(ids, [], skip))
    assert (found, lacking) == ({}, {"nnsight": "not installed here; `make bench` installs it"})


def test_without_a_peer_its_comparison_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformer_lens", None)
    with pytest.raises(InputError, match="TransformerLens is not installed here; `make peers`"):
        backends.open_bridge(tmp_path)


@pytest.mark.parametrize("name", ["bench", "backends", "write"])
def test_a_model_that_is_not_here_is_one_line(name, tmp_path):
    """Run where no params.yaml is."""
    asked = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(asked, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: params.yaml")
    assert len(done.stderr.splitlines()) == 1
