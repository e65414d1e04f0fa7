"""Stages as forks: which commands become one, and what its process has and does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pipeline.plan import forks
from tests.conftest import ROOT, STAGES

HERE = {"PATH": os.pathsep.join([os.path.dirname(sys.executable), "/bin"])}
AFTER = """
import sys
from importlib import import_module

import pipeline.plan.libraries
had = {name.split(".")[0] for name in sys.modules}
for module in sys.argv[1:]:
    import_module(module)
print(*sorted({name.split(".")[0] for name in sys.modules} - had - sys.stdlib_module_names))
"""


def test_a_command_of_ours_becomes_a_module_and_its_arguments():
    assert forks.asked("python -m pipeline.reading.read a-1.5b fp32 stories neutral", HERE) == [
        "pipeline.reading.read", "a-1.5b", "fp32", "stories", "neutral"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "echo a",
        "python -m pip list",
        "python -m pipeline.x > a",
        "python -m pipeline.x 'a b'",
        "python -m pipeline.x $A",
        "python x",
    ],
)
def test_any_other_command_is_the_shell_s(command):
    assert forks.asked(command, HERE) is None


def test_another_python_is_not_this_one(tmp_path):
    (tmp_path / "python").symlink_to(sys.executable)
    assert forks.asked("python -m pipeline.x", {"PATH": str(tmp_path)}) is None
    assert forks.asked("python -m pipeline.x", {"PATH": str(tmp_path / "nowhere")}) is None


def test_every_command_of_the_dag_may_be_a_fork():
    for stage in STAGES.values():
        command = " ".join("x" if "$" in word else word for word in stage["cmd"].split())
        assert forks.asked(command, HERE) is not None, command


def test_a_stage_imports_no_library_that_its_fork_had_not():
    modules = [stage["cmd"].split()[2] for stage in STAGES.values()]
    said = subprocess.run([sys.executable, "-c", AFTER, *modules], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(said.split()) <= {"analysis", "pipeline"}


def test_a_fork_ends_as_its_module_does(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("")
    (tmp_path / "pipeline/ends.py").write_text("import os, sys\nsys.exit(int(sys.argv[1]) + ('HOME' in os.environ))\n")
    for asked, status in (("0", 0), ("3", 3)):
        process = forks.started(["pipeline.ends", asked], str(tmp_path), {})
        process.join()
        assert process.exitcode == status


def test_where_a_gpu_was_looked_for_a_stage_is_a_process_of_its_own(tmp_path, monkeypatch):
    """No fork of a process that has called the driver may use a GPU."""
    import torch

    began = []
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    monkeypatch.setattr(os, "execve", lambda *arguments: began.append(arguments) or sys.exit(0))
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        forks._run(["pipeline.x", "a"], str(tmp_path), {"A": "b"})
    assert began == [(sys.executable, [sys.executable, "-m", "pipeline.x", "a"], {"A": "b"})]
