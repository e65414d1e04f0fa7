"""The packages that carry a profile's models, as lines for pip: what `make locks` makes an extra lock from.

    python -m pipeline.plan.pins PROFILE [LOCK]

Leaves out what LOCK installs already. Nothing is looked for: the packages need not be installed.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import InputError, run_stage
from pipeline.models import packages
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params


def pins(profile: Path, lock: Path | None = None) -> list[str]:
    """`name==version` of each package, in the order of the models, once. Raises InputError for a profile or lock that lacks."""
    if lock is not None and not lock.exists():
        raise InputError(f"{lock}: no such file")
    held = set() if lock is None else set(re.findall(r"^\S+==\S+", lock.read_text(encoding="utf-8"), re.MULTILINE))
    ggufs = [entry.gguf for entry in load_entries(Params.load(profile)).values() if entry.gguf is not None]
    return [pin for pin in packages.pins(ggufs) if pin not in held]


def main(arguments: list[str]) -> None:
    profile, *lock = map(Path, arguments)
    print("\n".join(pins(profile, *lock[:1])))


if __name__ == "__main__":
    run_stage(main)
