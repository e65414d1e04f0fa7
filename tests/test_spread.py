"""How `make test` spreads the tests: who is asked to share a worker does so."""

import re

from tests.conftest import ROOT
from tests.spread import SHARED, group

FILES = sorted((ROOT / "tests").rglob("test_*.py"))


def test_every_fixture_that_is_shared_gathers_the_files_that_ask_for_it():
    defined = {name for file in (ROOT / "tests").rglob("*.py") for name in re.findall(r"^def (\w+)\(", file.read_text(), re.M)}
    assert set(SHARED) <= defined
    groups = {file: group(file) for file in FILES}
    assert set(SHARED) <= set(groups.values())
    assert groups[ROOT / "tests/test_dag.py"] == "cloned"
    assert groups[ROOT / "tests/pipeline/publish/test_release.py"] == "finished"  # by a fixture of its own


def test_another_file_is_a_group_by_itself(tmp_path):
    file = tmp_path / "test_m.py"
    file.write_text("def test_a_stopped_run_is_finished(project, unfinished):\n    twelve = 12\n")
    assert group(file) == str(file)
