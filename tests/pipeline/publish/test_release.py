"""A release: one command, after which a stranger's clone pulls, opens, and finds nothing to do."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import opening
from pipeline.errors import InputError
from pipeline.publish import release
from pipeline.publish.pull import pull
from tests.conftest import ROOT, copy_sources, write_yaml
from tests.forked import dvc


def run(folder, *command, ok=True):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def ran(said):
    """The stages that a `dvc repro` ran."""
    return set(re.findall(r"Running stage '([^']+)'", said))


@pytest.fixture(scope="module")
def repository(finished, tmp_path_factory):
    """The finished project as a repository that is ready for a release."""
    root = tmp_path_factory.mktemp("release") / "repository"
    shutil.copytree(finished.folder, root, ignore=shutil.ignore_patterns(".scratch"))
    copy_sources(root)
    shutil.copy(ROOT / "CHANGELOG.md", root / "CHANGELOG.md")
    run(root, "git", "init", "-q")
    for key, value in (("user.email", "a@example.org"), ("user.name", "a")):
        run(root, "git", "config", key, value)
    dvc(root, "init", "-q")
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    dvc(root, "commit", "-fq")
    with (root / "CHANGELOG.md").open("a") as file:
        file.write("\n## 1.0.0\n\n- The tiny project.\n")
    run(root, "git", "add", "-A", "--", ":!dvc.lock")
    run(root, "git", "commit", "-qm", "code")
    return root


@pytest.fixture
def here(repository, monkeypatch):
    monkeypatch.chdir(repository)
    return repository


def test_what_the_lock_keeps_of_another_profile_is_not_missed(repository, tmp_path):
    """DVC leaves the stages of another profile in dvc.lock: what they made is in no folder of a run of one's own."""
    root = tmp_path / "own"
    shutil.copytree(repository, root)
    yaml = YAML()
    lock = yaml.load((root / "dvc.lock").read_text())
    gone = {"path": "data/writings/gone/fp32/matched.parquet", "hash": "md5", "md5": "0" * 32, "size": 1}
    lock["stages"]["write@gone-writing0"] = {"cmd": "x", "outs": [gone]}
    yaml.dump(lock, root / "dvc.lock")
    release.verify(root)
    (root / "data/tables/pairs.parquet").unlink()
    with pytest.raises(InputError, match="pairs.parquet: not there"):
        release.verify(root)


def refuse():
    raise InputError("not whole")


def test_what_is_not_ready_is_one_line_and_changes_nothing(here, monkeypatch):
    before = run(here, "git", "rev-parse", "HEAD"), run(here, "git", "status", "--porcelain")
    for arguments, said in (
        ([], "which version"),
        (["1.0"], "'1.0' is no version"),
        (["2.0.0"], "no section '## 2.0.0'"),
    ):
        with pytest.raises(InputError, match=said):
            release.main(arguments)
    (here / "new.txt").write_text("x")
    with pytest.raises(InputError, match=r"not clean: new.txt"):
        release.main(["1.0.0"])
    (here / "new.txt").unlink()
    table = here / "data/tables/claims.parquet"
    content = table.read_bytes()
    table.unlink()
    table.write_bytes(content[:-100])
    with pytest.raises(InputError, match=r"dvc.lock does not match"):
        release.main(["1.0.0"])
    table.write_bytes(content)
    with (here / "dvc.lock").open("a") as file:
        file.write("  write@gone:\n    cmd: x\n    outs:\n    - {path: data/gone.parquet, hash: md5, md5: abc, size: 1}\n")
    lock = (here / "dvc.lock").read_bytes()
    monkeypatch.setattr(release, "stale", list)
    monkeypatch.setattr(opening, "validate", lambda _: refuse())
    with pytest.raises(InputError, match="not whole"):
        release.check("1.0.0")
    assert (here / "dvc.lock").read_bytes() == lock
    (here / "dvc.lock").write_bytes(lock[: lock.index(b"  write@gone")])
    assert before == (run(here, "git", "rev-parse", "HEAD"), run(here, "git", "status", "--porcelain"))
    assert not (here / "artifacts").exists()


@pytest.fixture
def released(here, tmp_path):
    if "v1.0.0" not in run(here, "git", "tag"):
        assert "v1.0.0 is tagged" in run(here, sys.executable, "-m", "pipeline.publish.release", "1.0.0")
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", "--branch", "v1.0.0", str(here), str(clone))
    return clone


def test_a_strangers_clone_pulls_opens_and_has_nothing_to_do(released, finished):
    assert (ROOT / ".dvc/config").read_text() == (released / ".dvc/config").read_text()
    pull(released)
    assert opening.table("claims", root=released).equals(opening.table("claims", root=finished.folder))
    assert set(opening.open_vectors(released).children) == {"tiny-llama-3.2", "tiny-qwen2.5", "tiny-untrained"}
    assert not [p for p in (released / "data/activations").rglob("*") if p.is_file()]
    assert "up to date" in dvc(released, "repro", "--allow-missing")
    with (released / "analysis/claims/rules.py").open("a") as file:
        file.write("# another rule\n")
    assert ran(dvc(released, "repro", "--allow-missing")) == {"claims", "report"}  # the claims are the same: no headline
    assert "verdicts" in dvc(released, "metrics", "show")


def test_a_changed_object_does_not_arrive(released):
    objects = [p for p in (released / "artifacts/files/md5").rglob("*") if p.is_file() and p.suffix != ".dir"]
    largest = max(objects, key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.chmod(0o644)
    largest.write_bytes(bytes(content))
    with pytest.raises(InputError, match="not everything came"):
        pull(released)
    dvc(released, "pull", "--allow-missing")  # silent, but what is damaged does not arrive
    with pytest.raises(InputError):
        release.verify(released)


def test_the_address_of_the_repository_opens_at_the_tag(released, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = opening.open_vectors(f"file://{here}", rev="v1.0.0")
    assert tree["tiny-qwen2.5/comprehension"]["vector"].notnull().any()


def test_a_tag_is_given_once(released, here):
    with pytest.raises(InputError, match=r"tag v1.0.0 is there already"):
        release.main(["1.0.0"])


def test_a_profile_beside_the_default_is_published_without_a_tag_and_pulled_by_its_name(released, here, tmp_path):
    """Another profile of the same readings, in which nobody writes, is steered or is asked."""
    page = Path("data/report/index.html")
    params = YAML(typ="safe").load(here / "params.yaml") | {"profile": "other", "writings": [], "writings_read": []}
    for section in ("write", "steering", "behaviour"):
        params[section]["models"] = []
    write_yaml(here / "profiles/other.yaml", params)
    run(here, "git", "add", "profiles/other.yaml")
    run(here, "git", "commit", "-qm", "profile other")
    shutil.copy(here / "profiles/other.yaml", here / "params.yaml")
    dvc(here, "repro", "-q")
    with (here / "CHANGELOG.md").open("a") as file:
        file.write("\n## 1.1.0\n\n- One more profile.\n")
    run(here, "git", "commit", "-qm", "what changed", "CHANGELOG.md")
    own = (here / page).read_bytes()
    assert b"profile other" in own
    with (here / "dvc.lock").open("a") as file:  # as DVC leaves a stage of the profile that was here before
        file.write("  write@gone:\n    cmd: x\n    outs:\n    - {path: data/gone.parquet, hash: md5, md5: abc, size: 1}\n")
    said = run(here, sys.executable, "-m", "pipeline.publish.release", "1.1.0")
    assert "data/gone.parquet" not in (here / "profiles/other.lock").read_text()
    assert "profile other is committed: a clone of it pulls and opens" in said
    assert "v1.1.0" not in run(here, "git", "tag")
    clone = tmp_path / "with other"
    run(tmp_path, "git", "clone", "-q", str(here), str(clone))
    pull(clone)
    assert b"profile default" in (clone / page).read_bytes()
    assert list((clone / "data/writings").rglob("*.parquet"))
    run(clone, sys.executable, "-m", "pipeline.publish.pull", "other")
    assert not list((clone / "data/writings").rglob("*.parquet"))  # they would be taken for a change
    assert (clone / page).read_bytes() == own
    with (clone / "analysis/claims/rules.py").open("a") as file:
        file.write("# another rule\n")
    assert ran(dvc(clone, "repro", "--allow-missing")) == {"claims", "report"}  # from pulled tables alone
    run(clone, "git", "checkout", "-q", "analysis")
    shutil.copy(clone / "profiles/other.lock", clone / "dvc.lock")
    run(clone, sys.executable, "-m", "pipeline.publish.pull", "default")
    assert run(clone, "git", "status", "--porcelain") == ""
    assert b"profile default" in (clone / page).read_bytes()
