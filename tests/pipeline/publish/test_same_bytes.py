"""New code for the old in dvc.lock: of code alone, and without the readings."""

import shutil
import subprocess

import pytest

from pipeline.errors import InputError
from pipeline.publish import same_bytes
from pipeline.publish.pull import pull
from pipeline.publish.release import stale
from tests.conftest import publish

DAG = """
stages:
  read:
    matrix: {model: [a, b]}
    cmd: mkdir -p data/activations && cat stories > data/activations/${item.model}
    deps: [pipeline/read.py, stories]
    params: [n]
    outs: [{'data/activations/${item.model}': {push: false}}]
  vectors:
    cmd: cat data/activations/a data/activations/b > data/vectors
    deps: [pipeline/vectors.py, data/activations]
    outs: [data/vectors]
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    root, clone = tmp_path_factory.mktemp("released"), tmp_path_factory.mktemp("clones") / "clone"
    (root / "pipeline").mkdir()
    for file in ("pipeline/read.py", "pipeline/vectors.py", "stories"):
        (root / file).write_text("1")
    (root / "params.yaml").write_text("n: 1\n")
    (root / "dvc.yaml").write_text(DAG)
    publish(root)
    subprocess.run(("git", "clone", "-q", str(root), str(clone)), check=True)
    pull(clone)
    return clone


@pytest.fixture
def here(released, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(released, tmp_path / "clone"))
    return tmp_path / "clone"


def test_code_that_is_new_is_taken_for_the_old_and_no_other_stage_is_touched(here, capsys):
    before = (here / "data/vectors").read_bytes()
    (here / "pipeline/read.py").write_text("2")
    assert {*stale(here)} == {"read@a", "read@b"}
    same_bytes.main(["read"])
    assert "the code of 2 stages" in capsys.readouterr().out
    assert stale(here) == []
    (here / "pipeline/vectors.py").write_text("2")
    same_bytes.main(["read"])
    with pytest.raises(InputError):  # vectors is not up to date, and its readings are not there
        stale(here)
    same_bytes.main(["vectors"])
    assert stale(here) == []
    assert (here / "data/vectors").read_bytes() == before


@pytest.mark.parametrize(
    ("file", "content", "kinds", "said"),
    [
        ("stories", "2", ["read"], "read@a: stories changed"),
        ("params.yaml", "n: 2\n", ["read"], "read@a: params.yaml: n changed"),
        ("data/vectors", "3", ["read", "vectors"], "vectors: data/vectors changed"),
        ("pipeline/read.py", "2", ["reads"], "no stage of the kind reads"),
    ],
)
def test_what_is_not_of_code_alone_is_refused_and_nothing_is_done(here, file, content, kinds, said):
    (here / "pipeline/read.py").write_text("2")
    (here / file).write_text(content)
    lock = (here / "dvc.lock").read_bytes()
    with pytest.raises(InputError, match=said):
        same_bytes.main(kinds)
    assert (here / "dvc.lock").read_bytes() == lock
