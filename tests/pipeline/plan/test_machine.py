"""The rate of a CPU, by a clock that counts products: it does not depend on the machine that the test runs on."""

from itertools import count

import pytest
import torch

from pipeline.plan import machine


@pytest.fixture
def n_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 3])
def test_every_core_counts_though_one_is_tried(n, n_threads, monkeypatch):
    n_threads(n)
    ticks = count()
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(ticks) / 16)  # 0.2 s are passed by the fourth look
    product = 2 * 1024 * 768**2
    assert machine.flops_per_second() == pytest.approx(dict.fromkeys(machine.TRIED, n * 3 * product / (5 / 16)))
    assert torch.get_num_threads() == n
