"""What `make` does to a checkout that is not as it expects."""

import shutil
import subprocess

from tests.conftest import ROOT


def test_make_leaves_a_venv_alone_that_is_a_link(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/requirements.txt").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to("elsewhere")
    done = subprocess.run(["make", ".venv/ready"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "error: .venv is a link to elsewhere; remove the link" in done.stderr
    assert (tmp_path / ".venv").is_symlink()
