"""Processes share a reading and one is killed: the stage takes in what they have, reads the rest, and makes the bytes that it
makes alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.reading import read, residual, shard
from pipeline.reading.batches import BatchPlan
from pipeline.reading.shards import Shard
from pipeline.store import layout
from tests.conftest import ROOT, dvc_environment
from tests.pipeline.reading.test_read import files_of

MODEL, READINGS = "tiny-llama-3.2", ["stories", "neutral"]
TWIN = "tiny-untrained"


def outs(model):
    return {name: files_of(layout.activations_path(model, "fp32", name)) for name in READINGS}


def marks(folder):
    return sorted(folder.glob(f"{layout.SCRATCH}/read/*.*of*/*.crc"))


@pytest.fixture
def batches(monkeypatch):
    """How many batches this process has read."""
    true_read, done = residual.read_batch, []

    def read_batch(*arguments):
        done.append(len(arguments[1]))
        return true_read(*arguments)

    monkeypatch.setattr(residual, "read_batch", read_batch)
    return done


@pytest.fixture
def alone(project, batches):
    """What the stage makes of two readings without shards; nothing is left of its work."""
    project.params["read"]["batch_texts"] = 3
    project.save()
    read.main([MODEL, "fp32", *READINGS])
    made = outs(MODEL)
    assert not list(layout.SCRATCH.glob("read/*"))
    shutil.rmtree(layout.ACTIVATIONS)
    return made


def test_two_processes_read_one_is_killed_and_the_stage_makes_the_same_bytes(alone, project, batches):
    environment = dvc_environment() | {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-m", "pipeline.reading.shard"]
    first, second = (
        subprocess.Popen([*run, f"{k}/2", MODEL, "fp32", *READINGS], env=environment, start_new_session=True) for k in (1, 2)
    )
    deadline = time.monotonic() + 120
    while not list(project.folder.glob(f"{layout.SCRATCH}/read/*.2of2/*.crc")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(second.pid, signal.SIGKILL)
    second.wait(timeout=60)
    assert first.wait(timeout=120) == 0
    mark = marks(project.folder)[-1]
    mark.write_bytes(b"00000000\n")  # as a batch that was cut off is found
    there, n = len(marks(project.folder)) - 1, len(batches)
    read.main([MODEL, "fp32", *READINGS])
    assert outs(MODEL) == alone
    assert there >= n / 2 - 1  # the first had its half
    assert len(batches) == 2 * n - there
    assert not list(layout.SCRATCH.glob("read/*"))


def test_what_shards_have_read_is_read_by_nobody_again_draws_of_a_twin_too(project, batches):
    read.main([TWIN, "fp32", *READINGS])
    whole, n = outs(TWIN), len(batches)
    for k in (3, 1, 2):
        shard.main([f"{k}/3", TWIN, "fp32", *READINGS])
    assert len(batches) == 2 * n
    read.main([TWIN, "fp32", *READINGS])
    assert len(batches) == 2 * n
    assert outs(TWIN) == whole


def test_while_a_shard_is_being_read_the_stage_says_so(alone, project):
    shard.main(["1/2", MODEL, "fp32", *READINGS])
    folder = marks(project.folder)[0].parent
    with layout.taken(folder), pytest.raises(InputError, match="another process does the same work now"):
        read.main([MODEL, "fp32", *READINGS])
    read.main([MODEL, "fp32", *READINGS])
    assert outs(MODEL) == alone


@pytest.mark.parametrize("plan", [BatchPlan(400, 5), BatchPlan(0, 1), BatchPlan(1000, 1000)])
def test_the_texts_of_a_shard_share_passes_as_in_the_whole(plan, rng):
    lengths = rng.integers(1, 200, 301).tolist()
    whole = plan.batches(lengths)
    for of in (1, 2, 7, 400):
        found = []
        for number in range(1, of + 1):
            one = Shard(number, of)
            texts = one.texts(whole)
            own = [[texts[i] for i in batch] for batch in plan.batches([lengths[i] for i in texts])]
            assert own == [whole[n] for n in one.numbers(whole)]
            found += own
        assert sorted(map(tuple, found)) == sorted(map(tuple, whole))


def test_a_shards_name_leads_back_to_it():
    assert Shard.parse("2/4").folder(Path("a/b")) == Path("a/b.2of4")
    assert Shard.parse("2of4") == Shard(2, 4)
    for said in ("5/4", "0/4", "1", "a/b", "1/0", "-1/2"):
        with pytest.raises(InputError, match="is no shard; write 1/4 for the first of four"):
            Shard.parse(said)
