"""A release of the data: what lies in `data/` goes into the DVC remote inside the repository, under a git tag.

python -m pipeline.publish.release VERSION

Where params.yaml is a profile beside the default, its lock is committed as `profiles/<name>.lock`, and nothing is tagged: that
is done by the release of the default, which comes last.

Nothing is written before everything was checked: a clean tree, a version that is new and stands in CHANGELOG.md, outs that
are those of dvc.lock, vectors that are whole, tables that have their columns. At the end a clone of it is pulled and
opened, and DVC finds nothing to do there.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextvars import Context
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import opening
from pipeline.door.home import home, missing, outs_made, published, pushed
from pipeline.errors import InputError, run_stage, some
from pipeline.publish import profiles
from pipeline.publish.pull import pull_profile
from pipeline.schemas.every import TABLES
from pipeline.schemas.geometry import LAYERS

MADE = ("dvc.lock", "artifacts/")
"""What a release itself changes."""
LIMIT_MB = 60
"""What the objects of one release may add to the repository."""
VERSION = re.compile(r"\d+\.\d+\.\d+")


def git(*arguments: str, at: Path | None = None) -> str:
    """What a git command prints. Raises InputError with its last line where it fails."""
    return _run("git", *arguments, at=at)


def dvc(*arguments: str, at: Path | None = None) -> str:
    """The same of a dvc command, by this Python."""
    return _run(sys.executable, "-m", "dvc", *arguments, at=at)


def _run(*command: str, at: Path | None) -> str:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise InputError(f"`{' '.join(command[-3:])}` failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


def check(version: str) -> str:
    """The tag of a version, when everything is as a release needs it. Raises InputError for what is not."""
    if not VERSION.fullmatch(version):
        raise InputError(f"'{version}' is no version; write make release VERSION=1.0.0")
    tag = f"v{version}"
    if tag in git("tag", "--list").split():
        raise InputError(f"tag {tag} is there already; take a new version")
    made = MADE if profiles.chosen(Path.cwd()) is None else (*MADE, "params.yaml")
    changed = [line[3:] for line in git("status", "--porcelain").splitlines() if not line[3:].startswith(made)]
    if changed:
        raise InputError(f"the tree is not clean: {', '.join(changed[:5])}; commit or remove them first")
    if f"\n## {version}\n" not in Path("CHANGELOG.md").read_text(encoding="utf-8"):
        raise InputError(f"CHANGELOG.md: no section '## {version}'; say there what changed in the data")
    if names := stale():
        raise InputError(f"dvc.lock does not match ({some(names)}); run `make repro` first")
    verify()
    only_this_profile()
    return tag


def stale(root: Path | None = None) -> list[str]:
    """The stages that are not up to date. Readings, which are not published, may be missing: what concludes from tables can be
    released from a checkout that was pulled."""
    return re.findall(r"Running stage '([^']+)'", dvc("repro", "--dry", "--allow-missing", at=root))


def verify(root: Path | None = None) -> None:
    """Open every table and all vectors of a repository, and look for every published out of its params.yaml, for dvc.lock keeps
    those of another profile; raises InputError for what is missing or not whole."""
    where = home(root)
    made = set(outs_made(where))
    for out in pushed(where):
        if out in made and not (where / out).exists():
            raise missing(where / out, where)
    opening.validate(opening.vectors(root=root))
    for name in (*TABLES, LAYERS.name):
        opening.table(name, root=root)


def only_this_profile() -> None:
    """Take out of dvc.lock what DVC leaves there of stages that params.yaml no longer has: another profile's."""
    path, yaml = Path("dvc.lock"), YAML()
    lock, here = yaml.load(path.read_text(encoding="utf-8")), set(dvc("stage", "list", "--all", "--name-only").split())
    for name in [name for name in lock["stages"] if name not in here]:
        del lock["stages"][name]
    text = io.StringIO()
    yaml.dump(lock, text)
    profiles.put(path, text.getvalue().encode())


def push() -> float:
    """Push the outs to the remote inside the repository; what that added, in MB."""
    before = size(Path("artifacts"))
    dvc("push", "--quiet")
    return (size(Path("artifacts")) - before) / 1e6


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else 0


def by_out() -> list[tuple[str, float]]:
    """The outs of dvc.lock that are pushed, the largest first, in MB."""
    outs = {out["path"]: out.get("size", 0) / 1e6 for out in published(Path.cwd())}
    return sorted(outs.items(), key=lambda item: -item[1])


def try_as_a_stranger(names: Sequence[str]) -> None:
    """Clone what is committed; of each profile pull what is published, open everything, and see that nothing is left to run."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        git("clone", "--quiet", str(Path.cwd()), str(clone))
        for name in names:
            pull_profile(clone, name)
            verify(clone)
            if left := stale(clone):
                raise InputError(f"profile {name}: after the pull `dvc repro --allow-missing` would run {some(left)}")


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise InputError("which version? make release VERSION=1.0.0")
    tag = check(arguments[0])
    added = push()
    print(f"artifacts/ grew by {added:.1f} MB; the largest outs:")
    for path, megabytes in by_out()[:8]:
        print(f"  {megabytes:8.1f} MB  {path}")
    if added > LIMIT_MB:
        print(f"warning: more than {LIMIT_MB} MB for one release: leave out positions, precisions or settings", file=sys.stderr)
    profile = profiles.chosen(Path.cwd())
    lock = Path("dvc.lock") if profile is None else shutil.copy("dvc.lock", profiles.lock_of(profile))
    git("add", str(lock), "artifacts")
    if git("diff", "--cached", "--name-only"):  # the default may be as it was, beside another profile that is new
        git("commit", "--quiet", "--message", f"Data {tag}" if profile is None else f"Data {tag}, profile {profile}")
    # each clone is gone afterwards: none of its files is an input that holds still
    names = [profiles.DEFAULT, *profiles.published(Path.cwd())] if profile is None else [profile]
    try:
        Context().run(try_as_a_stranger, names)
    except InputError as error:
        raise InputError(f"{tag} is committed but not tagged: a clone of it cannot be used: {error}") from error
    if profile is not None:
        print(f"profile {profile} is committed: a clone of it pulls and opens. The release of the default tags it")
        return
    git("tag", tag)
    print(f"{tag} is tagged: a clone of it pulls and opens. Publish it with: git push origin HEAD {tag}")


if __name__ == "__main__":
    run_stage(main)
