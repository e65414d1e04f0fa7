"""The published data of a profile are chosen with its params, and nothing that is kept nowhere else is lost."""

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


@pytest.mark.parametrize("name", ["mine", "othr", "../other"])
def test_a_profile_without_data_is_named_with_those_that_have_them(root, name):
    with pytest.raises(InputError, match=rf"no data of a profile '{name}' are published here, but of default, other;"):
        profiles.choose(root, name)


@pytest.mark.parametrize("file", ["params.yaml", "dvc.lock"])
@pytest.mark.parametrize("name", ["other", "default"])
def test_what_is_kept_nowhere_else_stays(root, file, name):
    (root / file).write_text("mine alone\n")
    before = now(root)
    with pytest.raises(InputError, match=rf"{file}: changed and kept nowhere else; commit it, or `git checkout {file}`"):
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
