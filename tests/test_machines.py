"""Several machines make one run (docs/machines.md): each reads its models, all keep one cache, one concludes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, Project, copy_sources, dvc_environment

READS = [f"read@{model}-fp32" for model in ("tiny-llama-3.2", "tiny-qwen2.5")]


def start(folder, *arguments):
    """DVC in a process group of its own, as on a machine of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=dvc_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def said(process):
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def machines(tmp_path_factory, model_folders):
    """Three clones of one project, with one cache between them: two that read, and one that concludes."""
    folder = tmp_path_factory.mktemp("machines")
    copy_sources(folder / "origin")
    Project(folder / "origin", model_folders)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder / "origin", check=True)
    said(start(folder / "origin", "init", "-q"))
    shutil.copy(ROOT / ".dvc/config", folder / "origin/.dvc/config")
    (folder / "origin/.dvc/config.local").write_text(f"[cache]\n    dir = {folder / 'cache'}\n")
    for name in ("a", "b", "head"):
        shutil.copytree(folder / "origin", folder / name)
    return folder


def test_two_machines_read_and_a_third_takes_it_from_the_cache(machines):
    at_once = [start(machines / name, "repro", stage) for name, stage in zip("ab", READS, strict=True)]
    stage_runs = re.compile(r"python -m pipeline\.reading\.read")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:  # the second dies while it reads, or has read
        found = subprocess.run(["ps", "-o", "args=", "-g", str(at_once[1].pid)], capture_output=True, text=True).stdout
        if stage_runs.search(found):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the second machine never read")
    time.sleep(1.0)
    os.killpg(at_once[1].pid, signal.SIGKILL)
    at_once[1].communicate(timeout=60)
    assert f"Running stage '{READS[0]}'" in said(at_once[0])
    assert f"Running stage '{READS[1]}'" in said(start(machines / "b", "repro", READS[1]))

    output = said(start(machines / "head", "repro", *READS))
    for stage in READS:
        assert f"Stage '{stage}' is cached - skipping run, checking out outputs" in output
    assert "Running stage 'read@" not in output
    for name, stage in zip("ab", READS, strict=True):  # what the third has is what each machine made
        model = stage.split("@")[1].removesuffix("-fp32")
        for reading in ("stories", "neutral"):
            own = machines / name / f"data/activations/{model}/fp32/{reading}.zarr"
            assert files(own) == files(machines / "head" / own.relative_to(machines / name)) != {}


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_jobs_of_an_array_read_each_in_a_clone_of_its_own(machines, tmp_path):
    submitted = machines / "submitted"
    shutil.copytree(machines / "origin", submitted)
    for command in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "with .dvc"]):
        subprocess.run(["git", *command], cwd=submitted, check=True)
    (submitted / ".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    script = tmp_path / "read.sh"
    script.write_text(re.search(r"```\n(#!/bin/bash\n.*?)```", (ROOT / "docs/machines.md").read_text(), re.S)[1])
    known = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"], cwd=submitted, env=dvc_environment(), capture_output=True
    ).stdout.decode()
    stages = [stage for stage in known.split() if stage.startswith("read@")]
    (tmp_path / "node").mkdir()
    slurm = {"SLURM_SUBMIT_DIR": str(submitted), "TMPDIR": str(tmp_path / "node")}  # one node has both jobs
    jobs = [
        subprocess.Popen(
            ["bash", script],
            cwd=submitted,
            env=dvc_environment() | slurm | {"SLURM_ARRAY_TASK_ID": str(n)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for n in range(2)
    ]
    for job, stage in zip(jobs, stages, strict=False):
        assert f"Running stage '{stage}'" in said(job)
    assert not list((tmp_path / "node").glob("tmp.*"))
    output = said(start(submitted, "repro", *stages[:2]))
    assert output.count("is cached - skipping run, checking out outputs") >= 2
    assert "Running stage 'read@" not in output
