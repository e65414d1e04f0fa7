"""Where the data lie that a user opens, from whatever folder Python was started, and what to do where they do not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError, nearest, one_line
from pipeline.store.provenance import ROOT

MEND = "remove it and run `make pull`, or make it with `dvc repro`"
UNPUBLISHED = ("data/activations", "data/fetched")
"""Where the outs lie that no stage pushes."""


def home(root: str | os.PathLike[str] | None = None) -> Path:
    """The repository whose `data/` is meant: `root` where given; else the working directory where it is a checkout of this
    project; else the repository that holds this code. Raises InputError for a root that is no folder."""
    if root is not None:
        is_a(root, str | os.PathLike, "root", "a path")
        found = Path(root).expanduser()
        if not found.is_dir():
            raise InputError(f"{found}: no such folder; give the folder that holds params.yaml and data/")
        return found.resolve()
    here = Path.cwd()
    return here if (here / "params.yaml").is_file() and (here / "data/models").is_dir() else ROOT


def is_a(given: object, kind: type | UnionType, argument: str, said: str) -> None:
    """Raise InputError, naming the argument and saying what to give, for what is of another kind."""
    if not isinstance(given, kind):
        raise InputError(f"{one_line(f'{argument}={given!r}')}: give {said}")


def missing(path: Path, root: Path) -> InputError:
    """The error for an out that is not there: it names the command that brings it, in the repository that it belongs to."""
    out = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    if not (root / "dvc.yaml").is_file():
        return InputError(f"{path}: not there; {root} is no checkout of this project: start Python in one, or give root=...")
    is_published = any(f"{known}/".startswith(f"{out}/") or out.startswith(f"{known}/") for known in pushed(root))
    pull = f"run `make pull` in {root}, or `make repro` if the run is your own"
    return InputError(f"{path}: not there; {pull if is_published else f'run `dvc repro` in {root}'}")


def outs_of(root: Path, stages: Collection[str] | None = None) -> list[dict[str, Any]]:
    """The outs that dvc.lock of a repository records: `path`, `md5`, `size` in bytes and, of a folder, `nfiles`. Of all stages
    that it holds, or of some: DVC leaves there those of another profile."""
    lock = root / "dvc.lock"
    try:
        known = _stages(lock, lock.stat().st_mtime_ns)
    except (OSError, YAMLError):
        return []
    return [out for name, stage in known.items() if stages is None or name in stages for out in stage.get("outs", [])]


@lru_cache(4)
def _stages(lock: Path, _changed: int) -> dict[str, Any]:
    known = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))  # thousands of lines: by the C library, as DVC reads it
    stages = known.get("stages") if isinstance(known, dict) else None
    return {name: stage for name, stage in stages.items() if isinstance(stage, dict)} if isinstance(stages, dict) else {}


def outs_made(root: Path) -> list[str]:
    """Paths of the outs that `dvc repro` makes in a repository, by its dvc.yaml and params.yaml; where DVC cannot say, of those
    that dvc.lock records. A run of another profile may have left others there."""
    if not (root / "dvc.yaml").is_file():
        return []
    from dvc.repo import Repo  # takes a second, which only the answer to a mistake need spend

    try:
        with Repo(str(root)) as repo:
            found = [Path(out.fs_path) for out in repo.index.outs]
    except Exception:  # DVC meets a broken project with errors of every kind
        found = []
    return [p.relative_to(root).as_posix() for p in found if p.is_relative_to(root)] or [out["path"] for out in outs_of(root)]


def published(root: Path) -> list[dict[str, Any]]:
    """Those of `outs_of` that the stages push."""
    return [out for out in outs_of(root) if not out["path"].startswith(UNPUBLISHED)]


def is_recorded(path: Path, root: Path) -> None:
    """Raise InputError for an out, a file or a folder, that is not the one which dvc.lock records: it is of another run, which
    every digest in it allows, or was made by a stage that somebody ran by hand, or lacks a file. DVC itself would make it
    anew."""
    if not path.is_relative_to(root):
        return
    recorded = {out["path"]: out.get("md5") for out in outs_of(root)}.get(path.relative_to(root).as_posix())
    if recorded is not None and path.exists() and _md5(path) != recorded:
        raise InputError(f"{path}: not what dvc.lock of this repository records: of another run, or older; {MEND}")


def _md5(path: Path) -> str:
    """As DVC records it: of a folder, that of the list of its files with theirs; hidden ones, as file managers leave, aside."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        listed = [{"md5": _md5(p), "relpath": p.relative_to(path).as_posix()} for p in files]
        return f"{hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest()}.dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def pushed(root: Path) -> list[str]:
    """The paths of `published`."""
    return [out["path"] for out in published(root)]


def remove_empty(folder: Path) -> None:
    """Remove the empty folders in a folder: `dvc pull` makes them of outs that are not published, and `dvc repro` then takes
    them for changed ones."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _params(root: Path) -> Any:
    return YAML(typ="safe").load((root / "params.yaml").read_text(encoding="utf-8"))


def profile(root: Path) -> str:
    """What params.yaml of a repository calls itself, in words."""
    try:
        return f"profile {_params(root)['profile']}"
    except (OSError, YAMLError, KeyError, TypeError):
        return str(root)


def recorded(root: Path) -> set[str]:
    """The models that params.yaml of a repository reads and whose vectors its dvc.lock records."""
    try:
        params = _params(root)
        read = {*params["read"]["models"], *params["read_untrained"]["models"]}
    except (OSError, YAMLError, KeyError, TypeError):
        return set()
    return {m for m in read if f"data/vectors.zarr/{m}" in pushed(root)}


def is_known(name: str, known: Iterable[str], kind: str, whose: str = "") -> str:
    """`name`, where it is among the known; raises InputError with the nearest of them, and all. `whose` they are: `x has `."""
    names = sorted(set(known))
    if name not in names:
        hint = nearest(str(name), names, "")
        raise InputError(f"{whose}no {kind} '{name}'; {hint}{' ' if hint else ''}there are {', '.join(names) or 'none'}")
    return name
