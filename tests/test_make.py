"""What `make` does to a checkout that is not as it expects."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def make(folder, *words):
    """Run make as a user would: make of an outer make (`make test`) says which folder it enters."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_make_leaves_a_venv_alone_that_is_a_link(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/requirements.txt").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to("elsewhere")
    done = make(tmp_path, ".venv/ready")
    assert done.returncode != 0
    assert "error: .venv is a link to elsewhere; remove the link" in done.stderr
    assert (tmp_path / ".venv").is_symlink()


def test_make_leaves_params_alone_that_are_kept_nowhere_else(tmp_path, monkeypatch):
    for name in ("Makefile", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("profiles", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("data/models", "locks", ".venv"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "locks/requirements.txt").touch()
    (tmp_path / ".venv/ready").touch()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    params = tmp_path / "params.yaml"
    done = make(tmp_path, "profile", "P=quick")
    assert (done.returncode, done.stdout) == (0, "params.yaml is now profiles/quick.yaml\n")
    assert params.read_bytes() == (ROOT / "profiles/quick.yaml").read_bytes()
    params.write_text("mine")
    done = make(tmp_path, "profile", "P=default")
    assert done.returncode != 0
    assert f"error: {params}: changed and kept nowhere else" in done.stderr
    assert params.read_text() == "mine"
    done = make(tmp_path, "profile", "P=nope")
    assert "error: no profile 'nope'; there are banks, default, full" in done.stderr
    assert ".lock" not in done.stderr
