"""Profiles whose data are published. The default is what the commit has as params.yaml and dvc.lock; of every other profile
`profiles/<name>.lock` is the dvc.lock of its run.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.errors import InputError

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


def chosen(root: Path) -> str | None:
    """The profile that params.yaml of a checkout is, byte for byte; None for the default and for params of one's own."""
    params = (root / "params.yaml").read_bytes()
    names = [path.stem for path in sorted((root / PROFILES).glob("*.yaml")) if path.read_bytes() == params]
    return names[0] if names and DEFAULT not in names else None


def recorded(root: Path) -> str | None:
    """The profile whose published data dvc.lock of a checkout records; None for a run of one's own."""
    lock = (root / "dvc.lock").read_bytes()
    names = [name for name in published(root) if (root / lock_of(name)).read_bytes() == lock]
    return DEFAULT if lock == committed(root, "dvc.lock") else names[0] if names else None


def choose(root: Path, name: str) -> None:
    """Make params.yaml and dvc.lock of a checkout those of a profile's published data.

    Raises InputError for a profile of which nothing is published, and where either file holds what is kept nowhere else.
    """
    known = [DEFAULT, *published(root)]
    if name not in known:
        raise InputError(
            f"no data of a profile '{name}' are published here, but of {', '.join(known)};"
            f" `make profile P={name}` and `make repro` make it"
        )
    found: dict[Path, bytes] = {}
    for file, ending in MADE_OF.items():
        here, last = root / file, committed(root, file)
        kept = {path.stem: path.read_bytes() for path in (root / PROFILES).glob(f"*{ending}")}
        if here.is_file() and here.read_bytes() not in [*kept.values(), last]:
            raise InputError(f"{here}: changed and kept nowhere else; commit it, or `git checkout {file}`, then pull again")
        content = last if name == DEFAULT else kept[name]
        if content is None:
            raise InputError(f"{root}: no {file} is committed here: nothing of the default is published at this commit")
        found[here] = content
    for here, content in found.items():
        here.write_bytes(content)


def committed(root: Path, file: str) -> bytes | None:
    """A file of a checkout as its last commit has it; None where that has none."""
    done = subprocess.run(["git", "show", f"HEAD:./{file}"], cwd=root, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
