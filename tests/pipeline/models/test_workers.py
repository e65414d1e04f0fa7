"""Work on all cores: the same numbers whatever their number, and no failure of a worker is lost."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch

from pipeline.errors import InputError
from pipeline.models import workers
from tests.conftest import ROOT

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    """As many cores as a test asks for; the suite itself runs with one."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


def where(_):
    return os.getpid(), torch.get_num_threads()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_piece_is_done_once_and_by_one_thread(n, threads):
    threads(n)
    found = workers.each(lambda i: (i, *where(i)), range(7), CPU)
    assert [i for i, _, _ in found] == list(range(7))
    assert {used for _, _, used in found} == {1}
    processes = {process for _, process, _ in found}
    assert len(processes) == n
    assert (os.getpid() in processes) == (n == 1)
    assert torch.get_num_threads() == n  # as before


def test_a_worker_sees_what_its_parent_holds_and_changes_nothing_of_it(threads):
    threads(2)
    held = torch.arange(4.0)
    assert workers.each(lambda i: float(held[i].add_(1)), range(4), CPU) == [1, 2, 3, 4]
    assert held.tolist() == [0, 1, 2, 3]


def test_products_do_not_depend_on_how_many_there_are(threads):
    x, w = (torch.randn(300, 576, generator=torch.Generator().manual_seed(k)) for k in (0, 1))

    def product(i):
        return (x[i * 50 : i * 50 + 50] @ w.T).numpy().tobytes()

    found = []
    for n in (1, 2, 4):
        threads(n)
        found.append(workers.each(product, range(6), CPU))
    assert found[0] == found[1] == found[2]


def test_another_device_and_nothing_to_do_take_no_workers(threads):
    threads(4)
    assert {process for process, _ in workers.each(where, range(5), torch.device("meta"))} == {os.getpid()}
    assert workers.each(where, [], CPU) == []


def fail(i):
    if i == 3:
        raise InputError("row 3 is wrong; mend it")
    return i


def stop(i):
    if i == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def test_what_a_worker_raises_is_raised(threads):
    threads(2)
    with pytest.raises(InputError, match="row 3 is wrong; mend it") as caught:
        workers.each(fail, range(6), CPU)
    assert "in fail" in caught.value.__notes__[0]  # where it happened


def test_a_worker_that_is_killed_is_not_waited_for(threads):
    threads(2)
    with pytest.raises(MemoryError, match="a worker was killed"):
        workers.each(stop, range(6), CPU)


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = """
        import os, sys, time, torch
        from pipeline.models import workers
        torch.set_num_threads(2)
        def work(i):
            os.write(1, b"%d\\n" % os.getpid())  # one call: lines of two workers never mix
            time.sleep(0.2)
        workers.each(work, range(1000), torch.device("cpu"))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        try:
            processes = {int(parent.stdout.readline()) for _ in range(8)}
        finally:
            parent.kill()
    assert len(processes - {parent.pid}) == 2
    deadline = time.monotonic() + 20
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, processes))
