"""The published data of a profile are chosen with its params, and nothing that is kept nowhere else is lost."""

import shutil
import subprocess

import pytest

from pipeline.errors import InputError
from pipeline.publish import profiles


def git(root, *arguments):
    subprocess.run(["git", "-c", "user.email=a@example.org", "-c", "user.name=a", *arguments], cwd=root, check=True)


@pytest.fixture
def root(tmp_path):
    """A checkout whose default and whose profile `other` are published; of `mine` there is none."""
    (tmp_path / "profiles").mkdir()
    for name in ("default", "other", "mine"):
        (tmp_path / f"profiles/{name}.yaml").write_text(f"profile: {name}\n")
    (tmp_path / "profiles/other.lock").write_text("other\n")
    (tmp_path / "params.yaml").write_text("profile: default\n")
    (tmp_path / "dvc.lock").write_text("default\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "published")
    return tmp_path


def now(root):
    return (root / "params.yaml").read_text(), (root / "dvc.lock").read_text()


def test_a_profile_is_chosen_and_the_default_again(root):
    assert profiles.chosen(root) is None
    for name in ("other", "default", "other", "other", "default"):
        profiles.choose(root, name)
        assert now(root) == (f"profile: {name}\n", f"{name}\n")
        assert profiles.chosen(root) == (name if name != "default" else None)


def test_params_of_ones_own_are_no_profile(root):
    (root / "params.yaml").write_text("profile: other\n# mine\n")
    assert profiles.chosen(root) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mine",
            "no data of a profile 'mine' are published here, but of default, other; `make profile P=mine` and `make repro`",
        ),
        ("othr", r"no published profile 'othr'; did you mean 'other'\? there are default, other$"),
        ("nope", "no published profile 'nope'; there are default, other$"),
        ("../other", "no published profile '../other'; .*there are default, other$"),
    ],
)
def test_a_profile_without_data_is_named_with_those_that_have_them(root, name, said):
    with pytest.raises(InputError, match=said):
        profiles.choose(root, name)


@pytest.mark.parametrize("file", ["params.yaml", "dvc.lock"])
@pytest.mark.parametrize("name", ["other", "default"])
def test_what_is_kept_nowhere_else_stays(root, file, name):
    (root / file).write_text("mine alone\n")
    before = now(root)
    with pytest.raises(InputError, match=rf"{file}: changed and kept nowhere else, .*commit it, or .*`git checkout {file}`"):
        profiles.choose(root, name)
    assert now(root) == before


def test_a_profile_is_written_to_params_and_only_there(root):
    for name in ("mine", "other", "other", "default"):
        profiles.write(root, name)
        assert now(root) == (f"profile: {name}\n", "default\n")
    (root / "params.yaml").unlink()
    profiles.write(root, "mine")
    assert now(root) == ("profile: mine\n", "default\n")


@pytest.mark.parametrize("tree", ["git", "a ZIP", "no git on this machine"])
def test_params_that_are_kept_nowhere_else_are_not_written_over(root, monkeypatch, tree):
    if tree == "a ZIP":
        shutil.rmtree(root / ".git")
    elif tree == "no git on this machine":
        monkeypatch.setenv("PATH", "")
    own = root / "params.yaml"
    profiles.write(root, "other")
    own.write_text("profile: other\n# mine\n")
    with pytest.raises(
        InputError, match="params.yaml: changed and kept nowhere else, .*keep it as profiles/<name>.yaml"
    ) as said:
        profiles.write(root, "default")
    assert ("commit it" in str(said.value)) == (tree != "a ZIP")
    assert ("git checkout" in str(said.value)) == (tree == "git")
    assert own.read_text() == "profile: other\n# mine\n"
    (root / "profiles/kept.yaml").write_bytes(own.read_bytes())
    profiles.write(root, "default")
    assert own.read_text() == "profile: default\n"


def test_params_that_were_committed_are_kept(root):
    own = root / "params.yaml"
    own.write_text("profile: own\n")
    git(root, "commit", "-qam", "own")
    profiles.write(root, "mine")
    assert own.read_text() == "profile: mine\n"


def test_a_profile_that_is_none_is_named_with_those_that_there_are(root, monkeypatch, capsys):
    monkeypatch.setattr(profiles, "home", lambda: root)
    with pytest.raises(InputError, match="^no profile 'nope'; there are default, mine, other$"):
        profiles.main(["nope"])
    with pytest.raises(InputError, match="^which profile. make profile P=<name>; there are default, mine, other$"):
        profiles.main([])
    profiles.main(["mine"])
    assert capsys.readouterr().out == "params.yaml is now profiles/mine.yaml\n"


@pytest.mark.parametrize("name", ["other", "default"])
def test_without_git_no_published_data_are_chosen(root, name):
    shutil.rmtree(root / ".git")
    before = now(root)
    with pytest.raises(InputError, match="not a git clone, and DVC needs its history; clone the repository"):
        profiles.choose(root, name)
    assert now(root) == before


def test_without_a_commit_of_the_lock_there_is_no_default(root):
    git(root, "rm", "-q", "--cached", "dvc.lock")
    git(root, "commit", "-qm", "gone")
    profiles_of_other = (root / "profiles/other.lock").read_bytes()
    (root / "dvc.lock").write_bytes(profiles_of_other)
    with pytest.raises(InputError, match="no dvc.lock is committed here"):
        profiles.choose(root, "default")
    assert now(root) == ("profile: default\n", "other\n")


def test_the_default_is_not_what_a_run_of_ones_own_has_committed(root):
    assert profiles.recorded(root) == "default"
    (root / "params.yaml").write_text("profile: own\n")
    (root / "dvc.lock").write_text("own\n")
    assert profiles.recorded(root) is None
    git(root, "commit", "-qam", "mine")
    assert profiles.recorded(root) is None
    assert profiles.unlike(root) is None
    profiles.choose(root, "default")
    assert now(root) == ("profile: default\n", "default\n")
    assert profiles.recorded(root) == "default"


def test_a_clone_without_the_history_of_the_default_says_so(root, tmp_path_factory):
    (root / "params.yaml").write_text("profile: own\n")
    git(root, "commit", "-qam", "mine")
    clone = tmp_path_factory.mktemp("shallow") / "clone"
    git(root, "clone", "-q", "--depth", "1", f"file://{root}", str(clone))
    with pytest.raises(
        InputError, match="no params.yaml is committed here with the params of the default: clone the repository"
    ):
        profiles.choose(clone, "default")
    assert now(clone) == ("profile: own\n", "default\n")


def test_params_are_written_whole_or_not_at_all(root, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(profiles.os, "replace", killed)
    before = now(root)
    for change in (profiles.write, profiles.choose):
        with pytest.raises(KeyboardInterrupt):
            change(root, "other")
        assert now(root) == before
