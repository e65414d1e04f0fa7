import os
import shutil
import subprocess
import sys

import pytest

from pipeline.plan import stages
from tests.conftest import ROOT


@pytest.mark.parametrize("profile", ["default", "paper"])
def test_the_stages_of_a_profile_are_those_that_dvc_finds(tmp_path, profile):
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    shutil.copy(ROOT / f"profiles/{profile}.yaml", tmp_path / "params.yaml")
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}

    def dvc(*arguments):
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120)

    dvc("init", "-q", "--no-scm")
    found = dvc("stage", "list", "--name-only").stdout.split()
    assert sorted(stages.stage_names(tmp_path / "dvc.yaml", tmp_path / "params.yaml")) == sorted(found)
    assert len(found) == len(set(found)) > 20


def test_stages_are_counted_by_kind():
    assert stages.counts(["roots", "read@a-fp32", "read@b-fp32", "report"]) == "roots, 2 read, report"
