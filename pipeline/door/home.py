"""Where the data lie that a user opens, from whatever folder Python was started, and what to do where they do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError, nearest
from pipeline.store.provenance import ROOT


def home(root: str | os.PathLike[str] | None = None) -> Path:
    """The repository whose `data/` is meant: `root` where given; else the working directory where it is a checkout of this
    project; else the repository that holds this code. Raises InputError for a root that is no folder."""
    if root is not None:
        found = Path(root).expanduser()
        if not found.is_dir():
            raise InputError(f"{found}: no such folder; give the folder that holds params.yaml and data/")
        return found.resolve()
    here = Path.cwd()
    return here if (here / "params.yaml").is_file() and (here / "data/models").is_dir() else ROOT


def missing(path: Path, root: Path) -> InputError:
    """The error for an out that is not there: it names the command that brings it, in the repository that it belongs to."""
    out = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    if not (root / "dvc.yaml").is_file():
        return InputError(f"{path}: not there; {root} is no checkout of this project: start Python in one, or give root=...")
    command = (
        "dvc pull --allow-missing"
        if any(known == out or out.startswith(f"{known}/") for known in pushed(root))
        else "dvc repro"
    )
    return InputError(f"{path}: not there; run `{command}` in {root}")


def published(root: Path) -> list[dict[str, Any]]:
    """The outs that dvc.lock of a repository records and that its stages push: `path`, `size` in bytes and, of a folder,
    `nfiles`."""
    try:
        lock = YAML(typ="safe", pure=True).load((root / "dvc.lock").read_text(encoding="utf-8"))
    except (OSError, YAMLError):
        return []
    outs = [out for stage in (lock or {}).get("stages", {}).values() for out in stage.get("outs", [])]
    return [out for out in outs if not out["path"].startswith(("data/activations/", "data/fetched/"))]


def pushed(root: Path) -> list[str]:
    """The paths of `published`."""
    return [out["path"] for out in published(root)]


def recorded(root: Path) -> set[str]:
    """The models that params.yaml of a repository reads and whose vectors its dvc.lock records."""
    try:
        params = YAML(typ="safe", pure=True).load((root / "params.yaml").read_text(encoding="utf-8"))
        read = {*params["read"]["models"], *params["read_untrained"]["models"]}
    except (OSError, YAMLError, KeyError, TypeError):
        return set()
    return {m for m in read if f"data/vectors.zarr/{m}" in pushed(root)}


def is_known(name: str, known: Iterable[str], kind: str) -> str:
    """`name`, where it is among the known; raises InputError with the nearest of them, and all."""
    names = sorted(set(known))
    if name not in names:
        hint = nearest(name, names, "")
        raise InputError(f"no {kind} '{name}'; {hint}{' ' if hint else ''}there are {', '.join(names)}")
    return name
