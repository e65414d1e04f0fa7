"""What can befall a pull: a remote that is damaged, gone or out of reach, a pull that was killed, files in its way. It ends in
one line, with nothing half there, and the remedy that the line names works."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipeline.errors import InputError
from pipeline.publish.objects import OBJECTS
from pipeline.publish.pull import main, pull
from tests.conftest import ROOT, dvc_environment, publish

FILES = {"data/table.parquet": "a table", "data/gram.zarr/x": "x" * 5000, "data/gram.zarr/y": "y"}
STAGE = """stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [data/table.parquet, data/gram.zarr]
"""


def run(folder, *command):
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=dvc_environment())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A repository with two outs, pushed to the remote inside it, as a release leaves it."""
    root = tmp_path_factory.mktemp("published")
    code = "".join(f"path = Path({n!r}); path.parent.mkdir(exist_ok=True); path.write_text({t!r})\n" for n, t in FILES.items())
    (root / "make.py").write_text(f"from pathlib import Path\nPath('data').mkdir(exist_ok=True)\n{code}")
    (root / "dvc.yaml").write_text(STAGE)
    publish(root)
    return root


@pytest.fixture
def clone(published, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(published), str(tmp_path / "clone"))
    return tmp_path / "clone"


def there(root):
    return {name: (root / name).read_text() for name in FILES if (root / name).exists()}


def whole(root):
    """What is there of each out: all of it, or nothing."""
    found = there(root)
    assert all(FILES[name] == text for name, text in found.items())
    assert len({name in found for name in FILES if name.startswith("data/gram.zarr")}) == 1


def objects(root, folders=False):
    return [p for p in (root / "artifacts" / OBJECTS).glob("??/*") if (p.suffix == ".dir") == folders]


def refused(root, said):
    with pytest.raises(InputError, match=said) as caught:
        pull(root)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{root}: not everything came (data/")
    return str(caught.value)


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("folders", [False, True], ids=["a file", "a folder's list"])
@pytest.mark.parametrize("how", [truncated, flipped])
def test_a_damaged_object_is_named_and_its_remedy_works(clone, how, folders):
    bad = max(objects(clone, folders), key=lambda path: path.stat().st_size)
    bad.chmod(0o644)
    how(bad)
    said = refused(clone, f"is damaged in {bad.relative_to(clone / 'artifacts')}; `git checkout artifacts`, then pull again")
    whole(clone)
    assert "data/gram.zarr" in said
    run(clone, "git", "checkout", "artifacts")
    pull(clone)
    assert there(clone) == FILES


def test_a_missing_object_and_a_missing_remote_are_said_and_their_remedy_works(clone):
    for path in objects(clone):
        path.unlink()
    refused(clone, "artifacts lacks it or cannot be reached.*; `git checkout artifacts`, then pull again")
    shutil.rmtree(clone / "artifacts")
    refused(clone, "its remote .*artifacts is not there; `git checkout artifacts`, then pull again")
    assert there(clone) == {}
    run(clone, "git", "checkout", "artifacts")
    pull(clone)
    assert there(clone) == FILES


def test_a_remote_that_is_not_named_or_not_to_be_reached_is_said(clone):
    config = clone / ".dvc/config"
    known = config.read_text()
    config.write_text(known.replace("remote = artifacts\n", ""))
    refused(clone, ".dvc/config names no remote; `git checkout .dvc/config`")
    config.write_text(known.replace("url = ../artifacts", "url = http://127.0.0.1:9/x"))
    refused(clone, "its remote http://127.0.0.1:9/x lacks it or cannot be reached")
    assert there(clone) == {}


def test_a_pull_says_what_came_and_of_which_profile(clone, monkeypatch, capsys):
    monkeypatch.chdir(clone)
    monkeypatch.setattr("pipeline.publish.pull.home", lambda: clone)
    main([])
    assert capsys.readouterr().out == f"2 outs of profile default, 0 MB, are in {clone / 'data'}: docs/data.md opens them\n"
    lock = clone / "dvc.lock"
    lock.write_text(f"# of a run of one's own\n{lock.read_text()}")
    assert pull(clone).startswith("2 outs of dvc.lock, ")
    for ending in (".yaml", ".lock"):
        (clone / "profiles").mkdir(exist_ok=True)
        (clone / f"profiles/other{ending}").write_bytes(lock.read_bytes())
    assert pull(clone).startswith("2 outs of profile other, ")


def test_a_pull_says_where_params_are_of_another_profile_than_what_it_brings(clone):
    lock = (clone / "dvc.lock").read_bytes()
    (clone / "profiles").mkdir()
    for name in ("default", "other", "mine"):
        (clone / f"profiles/{name}.yaml").write_text(f"profile: {name}\n")
    params = clone / "params.yaml"
    params.write_text("profile: default\n")
    run(clone, "git", "add", "-A")
    run(clone, "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qm", "of the default")
    (clone / "profiles/other.lock").write_bytes(b"# other\n" + lock)
    of, ending = {"default": lock, "other": b"# other\n" + lock}, "docs/data.md opens them"
    for of_lock, of_params, said in (
        ("default", "default", ""),
        ("other", "other", ""),
        ("other", "default", "\nparams.yaml is another profile, default: `make pull P=default` brings its data instead"),
        ("default", "other", "\nparams.yaml is another profile, other: `make pull P=other` brings its data instead"),
        (
            "other",
            "mine",
            "\nparams.yaml is another profile, mine, of which nothing is published: `make pull P=other` writes the",
        ),
        ("other", "an edit", ""),
    ):
        (clone / "dvc.lock").write_bytes(of[of_lock])
        params.write_text(f"profile: {of_params}\n")
        found = pull(clone)
        assert found.startswith(f"2 outs of profile {of_lock}, ")
        assert found.partition(ending)[2].startswith(said)
        assert found.endswith(ending) == (said == "")


def test_a_tree_without_git_is_said_to_be_none(clone):
    pull(clone)
    (clone / ".git").rename(clone.parent / "history")
    with pytest.raises(
        InputError, match="everything is here, but DVC ended in an error: not a git clone, .* clone the repository"
    ):
        pull(clone)
    shutil.rmtree(clone / "data")
    refused(clone, "not a git clone, and DVC needs its history; clone the repository")


def test_a_clone_that_cannot_be_written_is_said_with_the_file(clone):
    pull(clone)
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []  # root writes anywhere
    if plain and shutil.which(plain[0]) is None:
        pytest.skip("no setpriv, by which root is like others")
    run(clone, "chmod", "-R", "a-w", ".dvc")
    code = "from pathlib import Path; from pipeline.publish.pull import pull; pull(Path.cwd())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*plain, sys.executable, "-c", code], cwd=clone, env=environment, capture_output=True, text=True)
    run(clone, "chmod", "-R", "u+w", ".dvc")
    said = f"everything is here, but DVC ended in an error: {clone / '.dvc/tmp'}/.*: Permission denied, and DVC needs it"
    assert re.search(said, done.stderr.splitlines()[-1])


def test_what_stands_in_the_way_is_named_and_stays(clone):
    own = clone / "data/table.parquet"
    own.parent.mkdir()
    own.write_text("mine")
    refused(clone, "data/table.parquet is not what was published, and nowhere else: move it away, then pull again")
    assert own.read_text() == "mine"
    own.unlink()
    pull(clone)
    assert there(clone) == FILES


def test_a_pull_that_was_killed_is_taken_up_again(clone):
    command = [sys.executable, "-c", "from pathlib import Path; from pipeline.publish.pull import pull; pull(Path.cwd())"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=clone, env=environment, start_new_session=True)
    cache = clone / ".dvc/cache" / OBJECTS
    while process.poll() is None and not list(cache.glob("??/*")):
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    whole(clone)
    pull(clone)
    assert there(clone) == FILES


INTERRUPTED = """
import os
import dvc_data.index.collect as collect
from dvc.cli import main

real, calls = collect._collect_from_index, []

def half(*arguments, **more):
    calls.append(1)
    if len(calls) > 1:
        os._exit(9)
    return real(*arguments, **more)

collect._collect_from_index = half
main(["pull", "--allow-missing"])
"""


def test_what_dvc_noted_before_it_was_killed_leads_no_pull_astray(clone, tmp_path, monkeypatch):
    """DVC commits its index of what is to be fetched part by part, and takes what it finds of it for the whole."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=clone, capture_output=True, check=False)
    assert done.returncode == 9
    assert there(clone) == {}
    pull(clone)
    assert there(clone) == FILES


# --- one's own checkout: own runs, own remotes -----------------------------------------------------------------------------


def commit(root):
    run(root, "git", "-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-qam", "mine")


def changed_lock(root):
    """As a run of one's own leaves it, whose table is another."""
    lock = root / "dvc.lock"
    md5 = re.search(r"path: data/table.parquet\n\s+hash: md5\n\s+md5: (\w+)", lock.read_text())[1]
    lock.write_text(lock.read_text().replace(md5, "a" * 32))


def test_what_a_run_of_ones_own_leaves_of_another_profile_is_not_waited_for(clone):
    with (clone / "dvc.lock").open("a") as file:
        file.write("  gone:\n    cmd: x\n    outs:\n    - {path: data/gone.parquet, hash: md5, md5: abc, size: 1}\n")
    assert pull(clone).startswith("2 outs of dvc.lock, ")
    assert there(clone) == FILES


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_run_that_was_not_pushed_is_said_to_be_one(clone, is_committed):
    """`git checkout artifacts` would bring nothing: they are as they were committed."""
    changed_lock(clone)
    if is_committed:
        commit(clone)
    said = refused(clone, "its remote .*artifacts is whole and lacks it: dvc.lock is of a run that was not pushed there")
    assert "git checkout artifacts" not in said


def test_a_remote_of_ones_own_that_lacks_what_is_here_leads_there(clone, tmp_path):
    dvc = (sys.executable, "-m", "dvc")
    run(clone, *dvc, "remote", "add", "-q", "--local", "--default", "own", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    said = refused(clone, "its remote .*own lacks it .*; `dvc remote default --local artifacts`, the remote here that has it")
    run(clone, sys.executable, "-m", *re.search(r"`(dvc remote [^`]*)`", said)[1].split())
    pull(clone)
    assert there(clone) == FILES


def test_a_remote_of_ones_own_is_to_be_pushed_to_where_nobody_has_it(clone, tmp_path):
    changed_lock(clone)
    (tmp_path / "own").mkdir()
    run(clone, sys.executable, "-m", "dvc", "remote", "add", "-q", "--local", "--default", "own", str(tmp_path / "own"))
    refused(clone, "its remote .*own lacks it or cannot be reached.*; mend or push that remote anew, then pull again")


def test_a_lock_that_two_runs_have_written_in_is_not_said_to_be_missing(clone):
    lock = clone / "dvc.lock"
    lock.write_text(f"<<<<<<< HEAD\n{lock.read_text()}=======\n>>>>>>> mine\n")
    with pytest.raises(InputError, match=r"dvc.lock: not readable as YAML.*; `git checkout dvc.lock`, or make the data"):
        pull(clone)
    for other in ("- a list\n", "stages:\n", "stages: {make: null}\n"):
        lock.write_text(other)
        with pytest.raises(InputError, match=r"dvc.lock: not readable as YAML, or without a stage"):
            pull(clone)
    lock.unlink()
    with pytest.raises(InputError, match=r"dvc.lock: not here: nothing was published at this commit"):
        pull(clone)


@pytest.mark.parametrize("broken", ["  other: [\n", "  other: {cmd: 'x ${nothing}'}\n"])
def test_a_file_that_dvc_cannot_use_is_not_laid_to_the_remote(clone, broken):
    with (clone / "dvc.yaml").open("a") as file:
        file.write(broken)
    refused(clone, "DVC cannot use a file here .*dvc.yaml.*; mend it, or `git checkout` it, then pull again")
