"""DVC that reads its lock faster writes what DVC writes."""

import io
import subprocess
import sys

import pytest
from dvc.utils.serialize import _yaml

from pipeline.plan import fast_lock
from tests.conftest import ROOT, dvc_environment

LOCKS = [ROOT / "dvc.lock", *sorted((ROOT / "profiles").glob("*.lock"))]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_that_is_read_so_is_written_in_the_same_bytes(lock):
    text, out = lock.read_text(encoding="utf-8"), io.StringIO()
    _yaml._dump(fast_lock.parsed(text, "dvc.lock"), out)
    assert out.getvalue() == text


def test_any_other_file_keeps_its_comments():
    text, out = "a: 1  # one\n", io.StringIO()
    _yaml._dump(fast_lock.parsed(text, "dvc.yaml"), out)
    assert out.getvalue() == text


def test_a_run_leaves_the_lock_and_the_outs_that_dvc_leaves(tmp_path):
    """Of its own start, its arguments and its exit status nothing changes."""
    made = {}
    for module in ("dvc", "pipeline.plan.fast_lock"):
        folder = tmp_path / module
        folder.mkdir()
        (folder / "params.yaml").write_text("names: [one, two]  # of outs\nnone: null\n")
        (folder / "dvc.yaml").write_text(
            "stages:\n  make:  # each\n    matrix: {name: '${names}'}\n    cmd: echo ${item.name} > ${item.name}.txt\n"
            "    params: [names, none]\n    outs: ['${item.name}.txt']\n"
        )
        environment = dvc_environment() | {"PYTHONPATH": str(ROOT)}
        run = [sys.executable, "-m", module]
        subprocess.run([*run[:2], "dvc", "init", "-q", "--no-scm"], cwd=folder, check=True, env=environment)
        subprocess.run([*run, "repro", "-q"], cwd=folder, check=True, env=environment)
        assert subprocess.run([*run, "repro", "nothing"], cwd=folder, capture_output=True, env=environment).returncode == 255
        made[module] = {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}
    assert made["dvc"] == made["pipeline.plan.fast_lock"]
    assert {"one.txt", "two.txt", "dvc.lock"} <= set(made["dvc"])
