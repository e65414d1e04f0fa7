"""Profiles whose data are published. The default is what the last commit with its params has as params.yaml and dvc.lock: later
ones may be of runs of one's own. Of every other profile `profiles/<name>.lock` is the dvc.lock of its run.

python -m pipeline.publish.profiles [NAME]     writes a profile to params.yaml
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeline.door.home import home, is_known
from pipeline.errors import NO_GIT, InputError, run_stage

PROFILES = Path("profiles")
DEFAULT = "default"
MADE_OF = {"params.yaml": ".yaml", "dvc.lock": ".lock"}
"""The files of a checkout that say what its data are, and the ending that each has in `profiles/`."""


def lock_of(name: str) -> Path:
    """Where the lock of a profile's data is kept."""
    return PROFILES / f"{name}.lock"


def published(root: Path) -> list[str]:
    """The profiles beside the default whose data are published with a checkout."""
    return sorted(path.stem for path in (root / PROFILES).glob("*.lock") if path.with_suffix(".yaml").is_file())


def names(root: Path) -> list[str]:
    """All profiles of a checkout, published or not."""
    return sorted(path.stem for path in (root / PROFILES).glob("*.yaml"))


def chosen(root: Path) -> str | None:
    """The profile that params.yaml of a checkout is, byte for byte; None for the default and for params of one's own."""
    same = _same(root, "params.yaml")
    return same[0] if same and DEFAULT not in same else None


def recorded(root: Path) -> str | None:
    """The profile whose published data dvc.lock of a checkout records; None for a run of one's own."""
    if not (root / "dvc.lock").is_file():
        return None
    same = _same(root, "dvc.lock")
    return DEFAULT if (root / "dvc.lock").read_bytes() == of_default(root, "dvc.lock") else same[0] if same else None


def unlike(root: Path) -> str | None:
    """The profile that params.yaml of a checkout is, where dvc.lock is that of another; None where they go together, and where
    either is of one's own."""
    params, lock = (_profiles_of(root, file) for file in MADE_OF)
    return min(params, key=lambda name: (name != DEFAULT, name)) if params and lock and not params & lock else None


def _profiles_of(root: Path, file: str) -> set[str]:
    """All profiles that a file of MADE_OF may be of: some share their params, and a commit may have made one the default."""
    here = root / file
    if not here.is_file():
        return set()
    return {*_same(root, file), *([DEFAULT] if here.read_bytes() == of_default(root, file) else [])}


def _same(root: Path, file: str) -> list[str]:
    """The profiles of `profiles/`, of locks those that are published, that a file of MADE_OF is byte for byte."""
    ending, content = MADE_OF[file], (root / file).read_bytes()
    known = names(root) if ending == ".yaml" else published(root)
    return [name for name in known if (root / PROFILES / f"{name}{ending}").read_bytes() == content]


def write(root: Path, name: str) -> None:
    """Make params.yaml of a checkout a profile of `profiles/`, published or not. Raises InputError for a name that is none, and
    where params.yaml holds what is kept nowhere else."""
    is_known(name, names(root), "profile")
    if lost := _lost(root, "params.yaml"):
        raise InputError(lost)
    put(root / "params.yaml", (root / PROFILES / f"{name}.yaml").read_bytes())


def choose(root: Path, name: str) -> None:
    """Make params.yaml and dvc.lock of a checkout those of a profile's published data.

    Raises InputError for a profile of which nothing is published, and where either file holds what is kept nowhere else.
    """
    known = [DEFAULT, *published(root)]
    if name not in known and name in names(root):
        raise InputError(
            f"no data of a profile '{name}' are published here, but of {', '.join(known)};"
            f" `make profile P={name}` and `make repro` make it"
        )
    is_known(name, known, "published profile")
    found: dict[Path, bytes] = {}
    for file, ending in MADE_OF.items():
        lost = _lost(root, file)
        content = of_default(root, file) if name == DEFAULT else (root / PROFILES / f"{name}{ending}").read_bytes()
        if lost or content is None:
            none = f"{root}: no {file} is committed here with the params of the default: clone the repository that published it"
            raise InputError((lost or none) if _in_git(root) else f"{root}: {NO_GIT}")
        found[root / file] = content
    for here, content in found.items():
        put(here, content)


def put(here: Path, content: bytes) -> None:
    """Write a file in one step: who is killed leaves the old one or the new one, never half of it."""
    beside = here.with_name(f"{here.name}.new")
    beside.write_bytes(content)
    os.replace(beside, here)


def _lost(root: Path, file: str) -> str | None:
    """What to do with a file of MADE_OF before another takes its place; None where the last commit or `profiles/` has it."""
    here, last, ending = root / file, committed(root, file), MADE_OF[file]
    if not here.is_file() or here.read_bytes() in [last, *(p.read_bytes() for p in (root / PROFILES).glob(f"*{ending}"))]:
        return None
    ways = ["commit it"] if _in_git(root) else []
    if file == "params.yaml":  # a lock is of no use without the objects that it names
        ways.append(f"keep it as {PROFILES}/<name>.yaml")
    if last is not None:
        ways.append(f"`git checkout {file}`")
    return f"{here}: changed and kept nowhere else, so that it would be lost; {', or '.join(ways)}, then do this again"


def _in_git(root: Path) -> bool:
    """Whether a checkout lies in a clone, as a ZIP of it does not."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def committed(root: Path, file: str, commit: str = "HEAD") -> bytes | None:
    """A file of a checkout as its last commit, or another, has it; None where that has none, and where there is no git."""
    return _git(root, "show", f"{commit}:./{file}")


def of_default(root: Path, file: str) -> bytes | None:
    """A file of MADE_OF as the default has it: of the last commit whose params.yaml is its profile `default`, byte for byte; a
    run of one's own has others. None where there is no such commit, or no git."""
    default = f"{PROFILES}/{DEFAULT}.yaml"
    listed = _git(root, "rev-list", "--max-count=200", "HEAD", "--", "params.yaml", "dvc.lock", default) or b""
    for commit in listed.decode().split():
        own = committed(root, default, commit)
        if own is None or own == committed(root, "params.yaml", commit):
            return committed(root, file, commit)
    return None


def is_as_committed(root: Path, place: str) -> bool:
    """Whether nothing below a place of a checkout was changed or removed since the last commit; False without git."""
    return _git(root, "status", "--porcelain", "--untracked-files=no", "--", place) == b""


def _git(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def main(arguments: list[str]) -> None:
    root = home()
    if not arguments:
        raise InputError(f"which profile? make profile P=<name>; there are {', '.join(names(root))}")
    write(root, arguments[0])
    print(f"params.yaml is now {PROFILES}/{arguments[0]}.yaml")


if __name__ == "__main__":
    run_stage(main)
