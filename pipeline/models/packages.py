"""Weights that Python packages carry: found and checked without importing a package, so that no code of theirs runs.

The packages are re-packed public files, put into the index by third parties: an entry pins the version of each, and the SHA-256
of each part and of the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import metadata, util
from pathlib import Path

from pipeline.errors import InputError
from pipeline.models.entries import Gguf, Part
from pipeline.store.layout import SCRATCH


def copy_of(gguf: Gguf) -> Path:
    """Where the safetensors copy of a GGUF file stands: its name holds the file's digest and how it was made."""
    return SCRATCH / "models" / f"{gguf.sha256[:16]}-transformers{metadata.version('transformers')}"


def install(pinned: Iterable[str], *options: str) -> str:
    """The command that installs `name==version` of each, and nothing else."""
    return " ".join(["python -m pip install --no-deps", *options, *pinned])


def pins(ggufs: Iterable[Gguf]) -> list[str]:
    """`name==version` of each package, in order, once."""
    return list(dict.fromkeys(f"{part.package}=={gguf.version}" for gguf in ggufs for part in gguf.carried))


def not_installed(ggufs: Iterable[Gguf]) -> list[str]:
    """Those of `pins` that are not installed at their version."""
    return [pin for pin in pins(ggufs) if _version(pin.split("==")[0]) != pin.split("==")[1]]


def check(named: Mapping[Path, Gguf], command: str | None = None) -> None:
    """Raise InputError, before anything is read, for packages that lack (one line with the command for all of them), are of
    another version, or hold another file than the entry means. `named`: by the path of the entry; `command`: what installs
    them, where that is not pip alone. What has been dequantised needs its package no more."""
    wanted = {where: gguf for where, gguf in named.items() if not copy_of(gguf).is_dir()}
    for where, gguf in wanted.items():
        _versions_are_right(gguf, where)
    if lacking := not_installed(wanted.values()):
        names = ", ".join(str(where) for where, gguf in wanted.items() if not_installed([gguf]))
        how = command or install(lacking)
        raise InputError(f"{names}: {len(lacking)} packages with weights are not installed; install them: {how}")
    checked: set[tuple[str, ...]] = set()
    for where, gguf in wanted.items():
        key = (gguf.sha256, *(part.sha256 for part in gguf.carried))  # a twin's are its model's
        if key not in checked:
            for part in gguf.carried:
                path_of(part, gguf, where)
            if not gguf.carried:
                file_at(gguf, where)
        checked.add(key)


def paths(gguf: Gguf, where: Path) -> list[Path]:
    """The files that make up a GGUF file, in order, each of them checked. Raises InputError."""
    if not gguf.carried:
        return [file_at(gguf, where)]
    _versions_are_right(gguf, where)
    if lacking := not_installed([gguf]):
        raise InputError(f"{where}: {len(lacking)} packages with weights are not installed; install them: {install(lacking)}")
    return [path_of(part, gguf, where) for part in gguf.carried]


def file_at(gguf: Gguf, where: Path) -> Path:
    """A GGUF file at a path. Raises InputError where it is missing or another."""
    path = Path(gguf.file)
    if not path.is_file():
        raise InputError(f"{where}: gguf.file: {path} is not a file")
    if (digest := digest_of_file(path)) != gguf.sha256:
        raise InputError(f"{where}: gguf.sha256: {path} has {digest}; it is another file than this entry means, or broken")
    return path


def path_of(part: Part, gguf: Gguf, where: Path) -> Path:
    """A part's file. Raises InputError where the package lacks it, or holds another in its place."""
    folder = _folder(part.package)
    path = None if folder is None else folder / part.file
    again = install([f"{part.package}=={gguf.version}"], "--force-reinstall")
    if path is None or not path.is_file():
        raise InputError(f"{where}: gguf: {part.package} {gguf.version} has no file {part.file}; put it back: {again}")
    if (digest := digest_of_file(path)) != part.sha256:
        others = [p.package for p in gguf.carried if p.sha256 == digest]
        what = f"what belongs to {others[0]}: two parts are swapped" if others else f"another file, or a part of it ({digest})"
        size = f"{path.stat().st_size:,} bytes"
        raise InputError(f"{where}: gguf: {part.file} of {part.package} ({size}) is {what}; put it back: {again}")
    return path


def digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions_are_right(gguf: Gguf, where: Path) -> None:
    for part in gguf.carried:
        found = _version(part.package)
        if found not in (None, gguf.version):
            pin = f"{part.package}=={gguf.version}"
            raise InputError(f"{where}: gguf.version: {gguf.version}, but {part.package} is {found}: {install([pin])}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _folder(package: str) -> Path | None:
    """Where a package is installed, from its spec alone: finding a top-level package imports nothing."""
    spec = util.find_spec(package.replace("-", "_"))
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(places[0]) if places else None
