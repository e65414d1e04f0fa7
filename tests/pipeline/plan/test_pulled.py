"""What a checkout that was pulled has to run, and how `make repro` runs it."""

import shutil
import subprocess
import sys

import pytest

from pipeline.plan import plan, pulled, repro
from pipeline.publish.pull import pull
from tests.conftest import ROOT, publish

DAG = {
    "check": ("", "data/checked.txt"),
    "read": ("data/checked.txt", "data/activations/a"),
    "vectors": ("data/activations/a", "data/vectors"),
    "claims": ("data/vectors", "data/claims"),
    "report": ("data/claims", "data/report"),
}
"""What each stage reads and makes, beside a file `<stage>.txt` that stands for its code."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of a released project of four stages, pulled: without the readings."""
    root, clone = tmp_path_factory.mktemp("released"), tmp_path_factory.mktemp("clones") / "clone"
    lines = ["stages:"]
    for stage, (dep, out) in DAG.items():
        (root / f"{stage}.txt").write_text("1")
        made = "echo ok" if stage == "check" else f"cat {stage}.txt {dep}"
        lines += [f"  {stage}:", f"    cmd: mkdir -p data/activations && {made} > {out}"]
        lines += [f"    deps: [{', '.join(filter(None, [f'{stage}.txt', dep]))}]"]
        lines += [f"    outs: [{out}: {{push: {str(stage != 'read').lower()}}}]"]
    (root / "dvc.yaml").write_text("\n".join(lines))
    (root / "params.yaml").write_text("{}\n")
    publish(root)
    subprocess.run(("git", "clone", "-q", str(root), str(clone)), check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone)
        patch.setattr(pulled, "changed", lambda: pytest.fail("DVC was asked"))
        assert pulled.to_run() is None  # nothing was pulled: everything is made
    pull(clone)
    return clone


@pytest.mark.parametrize(
    ("edited", "lost", "runs", "said"),
    [
        ("", "", [], "without readings: nothing changed"),
        ("claims", "", ["claims", "report"], "without readings: claims, report"),
        ("claims", "claims", ["claims", "report"], "without readings: claims, report"),  # as a stage that failed leaves it
        ("", "claims", None, "anew: data/claims not there; `make pull` brings it"),
        ("vectors", "", None, "anew: without them DVC cannot make 'vectors'"),
        ("read", "", None, "anew: vectors changed"),  # by what follows from read
        ("check", "", ["check"], "without readings: check"),  # it says what it said
    ],
)
def test_a_pulled_checkout_runs_without_readings_what_needs_none(
    clone, tmp_path, monkeypatch, capsys, edited, lost, runs, said
):
    clone = shutil.copytree(clone, tmp_path / "clone")
    if edited:
        (clone / f"{edited}.txt").write_text("2")
    if lost:
        (clone / f"data/{lost}").unlink()
    monkeypatch.chdir(clone)
    assert pulled.to_run() == runs
    assert said in capsys.readouterr().out


def test_readings_of_another_profile_are_none_that_this_one_lacks(clone, tmp_path, monkeypatch, capsys):
    """DVC leaves the stages of the profile that was here before in its lock."""
    clone = shutil.copytree(clone, tmp_path / "clone")
    (clone / "data/activations").mkdir(parents=True, exist_ok=True)
    (clone / "data/activations/a").write_text("1ok\n")
    with (clone / "dvc.lock").open("a") as file:
        file.write("  read@other:\n    cmd: x\n    outs:\n    - {path: data/activations/other, hash: md5, md5: abc, size: 1}\n")
    (clone / "vectors.txt").write_text("2")
    monkeypatch.chdir(clone)
    assert pulled.to_run() is None
    assert capsys.readouterr().out == ""


def test_what_runs_on_what_was_pulled_makes_no_readings(clone, tmp_path, monkeypatch):
    clone = shutil.copytree(clone, tmp_path / "clone")
    (clone / "claims.txt").write_text("2")
    (clone / "data/activations/a").mkdir(parents=True)  # as `dvc pull --allow-missing` leaves it
    monkeypatch.chdir(clone)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(plan, "show", lambda *_: {"report": 1.0})
    repro.main([])
    assert (clone / "data/report").read_text() == "1211ok\n"
    assert not (clone / "data/activations/a").exists()
    (clone / "read.txt").write_text("3")
    repro.main([])
    assert (clone / "data/report").read_text() == "1213ok\n"


def test_the_plan_and_the_run_ask_once_and_count_the_same_stages(clone, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shutil.copytree(clone, tmp_path / "clone"))
    shown = []
    monkeypatch.setattr(plan, "show", lambda path, changed: shown.append(changed) or {})
    monkeypatch.setattr(repro, "DVC", (sys.executable, "-c", ""))
    for of in (plan, repro):
        of.main([])
    (tmp_path / "clone/claims.txt").write_text("2")
    for of in (plan, repro):
        of.main([])
    (tmp_path / "clone/read.txt").write_text("2")
    for of in (plan, repro):
        capsys.readouterr()
        of.main([])
        assert capsys.readouterr().out.count("Readings are not here") == 1
    assert shown == [[], [], ["claims", "report"], ["claims", "report"], None, None]
    assert {"read", "vectors", "claims"} <= set(plan.changed_stages())  # by `dvc status`, for readings are needed
