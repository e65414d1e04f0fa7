"""Fetch what is published, and say where something of it does not come.

python -m pipeline.publish.pull [PROFILE]

With a profile, params.yaml and dvc.lock become those of its published data first. A bare `dvc pull` ends in an error for
activations, which are not published; with `--allow-missing` it is silent of a published object that is damaged (the remote
verifies what it gives), too. So what came is counted.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from pipeline.door.home import home, outs_made, outs_of, published, remove_empty
from pipeline.errors import NO_GIT, InputError, one_line, run_stage, some
from pipeline.publish import profiles
from pipeline.publish.objects import OBJECTS, config_of, spoilt
from pipeline.store import roots

BROKEN = re.compile(r"((?:failed to parse|unable to read|'\S*\.(?:yaml|lock)' (?:is invalid|validation failed)).*)")
"""What DVC says of a params.yaml, dvc.yaml or dvc.lock that it cannot use, with or without an `ERROR:`."""


def pull(root: Path) -> str:
    """Pull every published out of a checkout; what came, in words. Raises InputError where there is none, or where one does not
    come whole."""
    made = set(outs_made(root))
    wanted = [out for out in published(root) if out["path"] in made]  # a run of one's own leaves another profile's in dvc.lock
    if not wanted:
        raise InputError(f"{root / 'dvc.lock'}: {_empty(root)}")
    with tempfile.TemporaryDirectory() as index:
        # DVC keeps an index of what it has seen; one that a killed pull left half made lets the next pull fetch next to nothing
        done = subprocess.run(  # by one call without targets: of each target DVC reads the whole DAG anew
            [sys.executable, "-m", "dvc", "pull", "--allow-missing"],
            cwd=root,
            env=os.environ | {"DVC_SITE_CACHE_DIR": index},
            capture_output=True,
            text=True,
            check=False,
        )
    remove_empty(root / "data/activations")
    lost = [out["path"] for out in wanted if not _came(root / out["path"], out)]
    if done.returncode or lost:
        what = f"not everything came ({some(lost, 3)})" if lost else "everything is here, but DVC ended in an error"
        raise InputError(f"{root}: {what}: {_why(root, lost, done.stderr)}")
    profile, size = profiles.recorded(root), sum(out["size"] for out in wanted) / 1e6
    of = f"profile {profile}" if profile else "dvc.lock"
    came = f"{len(wanted)} outs of {of}, {size:,.0f} MB, are in {root / 'data'}: docs/data.md opens them"
    if (other := profiles.unlike(root)) is None:
        return came
    if other in (profiles.DEFAULT, *profiles.published(root)):
        return f"{came}\nparams.yaml is another profile, {other}: `make pull P={other}` brings its data instead"
    back = f"`make pull P={profile}` writes the one that these data are of"
    return f"{came}\nparams.yaml is another profile, {other}, of which nothing is published: {back}"


def pull_profile(root: Path, name: str) -> str:
    """Make a checkout that of a profile's published data, and pull them; what came, in words. Raises InputError as
    `profiles.choose` and `pull`."""
    profiles.choose(root, name)
    with chdir(root):  # as its run begins: what another profile left there would be taken for a change
        roots.prune(roots.Params.load())
    return pull(root)


def _empty(root: Path) -> str:
    """Why dvc.lock of a checkout names nothing that could be pulled, and what to do."""
    if not (root / "dvc.lock").is_file():
        return "not here: nothing was published at this commit; make the data with `dvc repro`"
    if not outs_of(root):
        return "not readable as YAML, or without a stage; `git checkout dvc.lock`, or make the data with `dvc repro`"
    return "names nothing that a stage of dvc.yaml and params.yaml makes; make the data with `dvc repro`"


def _why(root: Path, lost: list[str], said: str) -> str:
    """What is wrong, by what is there, and what to do; by the words of DVC where that does not tell."""
    if here := _wrong_here(root, lost, said):
        return here
    remote = _remote(root)
    if remote is None:
        return ".dvc/config names no remote; `git checkout .dvc/config`, or make it with `dvc repro`"
    inside = Path(remote).is_relative_to(root)
    again = f"`git checkout {Path(remote).relative_to(root)}`" if inside else "mend or push that remote anew"
    if "://" not in remote and not Path(remote).is_dir():
        return f"its remote {remote} is not there; {again}, then pull again, or make it with `dvc repro`"
    if bad := [str(path.relative_to(remote)) for path in spoilt(Path(remote) / OBJECTS)]:
        return f"its remote {remote} is damaged in {some(bad, 3)}; {again}, then pull again, or make it with `dvc repro`"
    if inside and profiles.is_as_committed(root, remote):
        return (
            f"its remote {remote} is whole and lacks it: dvc.lock is of a run that was not pushed there; `dvc push` where it"
            f" was made, `make pull P={profiles.DEFAULT}` for what is published, or make it with `dvc repro`"
        )
    if not inside and (other := _remote_with(root, lost)):
        again = f"`dvc remote default --local {other}`, the remote here that has it"
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
    words = f" ({one_line(errors[0], 150)})" if errors else ""
    return f"its remote {remote} lacks it or cannot be reached{words}; {again}, then pull again, or make it with `dvc repro`"


def _wrong_here(root: Path, lost: list[str], said: str) -> str | None:
    """What is wrong with the checkout, and what to do; None where it is as DVC needs it."""
    if "is not a git repository" in said:
        return NO_GIT
    if "Unable to acquire lock" in said:
        return "another DVC process works here; wait for it, or stop it, then pull again"
    if broken := BROKEN.search(said):
        return f"DVC cannot use a file here ({one_line(broken[1], 150)}); mend it, or `git checkout` it, then pull again"
    for number, path in re.findall(r"\[Errno (\d+)\] [^:']*: '([^']+)'", said):
        if int(number) in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{path}: {os.strerror(int(number))}, and DVC needs it; see who owns it, or pull in a clone of your own"
    if "unsaved files" in said and (own := [path for path in lost if (root / path).exists()]):
        return f"{some(own, 3)} is not what was published, and nowhere else: move it away, then pull again"
    return None


def _remotes(root: Path) -> tuple[str | None, dict[str, str]]:
    """The name of the remote that is pulled from, None where none is named, and the place of every remote: a path, or a url."""
    config = config_of(root)
    return config["core"].get("remote"), {name: str(remote["url"]) for name, remote in config["remote"].items()}


def _remote(root: Path) -> str | None:
    """The place of the remote that is pulled from; None where none is named."""
    default, places = _remotes(root)
    return None if default is None else places.get(default)


def _remote_with(root: Path, lost: list[str]) -> str | None:
    """The name of a remote inside the checkout that has the objects of all outs that did not come; None where none has."""
    objects = [out["md5"] for out in published(root) if out["path"] in lost]
    for name, place in _remotes(root)[1].items():
        folder = Path(place) / OBJECTS
        if objects and Path(place).is_relative_to(root) and all((folder / md5[:2] / md5[2:]).is_file() for md5 in objects):
            return name
    return None


def _came(path: Path, out: dict[str, Any]) -> bool:
    """Whether an out has as many files and bytes as dvc.lock says; a wrong object never arrives."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path] if path.is_file() else []
    return (len(files), sum(p.stat().st_size for p in files)) == (out.get("nfiles", 1), out["size"])


def main(arguments: list[str]) -> None:
    if len(arguments) > 1:
        raise InputError("of which profile? make pull P=<name>, or make pull for what dvc.lock names")
    print(pull_profile(home(), arguments[0]) if arguments else pull(home()))


if __name__ == "__main__":
    run_stage(main)
