"""Fetch what is published, and say where something of it does not come.

python -m pipeline.publish.pull

A bare `dvc pull` ends in an error for activations, which are not published; with `--allow-missing` it is silent of a published
object that is damaged (the remote verifies what it gives), too. So what came is counted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.door.home import home, published
from pipeline.errors import InputError, run_stage


def pull(root: Path) -> None:
    """Pull every published out of a checkout. Raises InputError where there is none, or where one does not come whole."""
    wanted = published(root)
    if not wanted:
        raise InputError(f"{root}: no dvc.lock here: nothing was published at this commit; make the data with `dvc repro`")
    # by one call without targets: of each target DVC reads the whole DAG anew
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "pull", "--allow-missing"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or [""]
        raise InputError(f"{root}: not everything came: {said[0].removeprefix('ERROR: ')}")
    _remove_empty(root / "data/activations")
    if lost := [out["path"] for out in wanted if not _came(root / out["path"], out)]:
        raise InputError(
            f"{root}: not everything came: {', '.join(lost[:3])}; the remote lacks it or holds it"
            " damaged: `git checkout artifacts`, or make it with `dvc repro`"
        )


def _remove_empty(folder: Path) -> None:
    """Folders of outs that are not published: DVC makes them, and would then take them for changed ones."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _came(path: Path, out: dict[str, Any]) -> bool:
    """Whether an out has as many files and bytes as dvc.lock says; a wrong object never arrives."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path] if path.is_file() else []
    return (len(files), sum(p.stat().st_size for p in files)) == (out.get("nfiles", 1), out["size"])


def main(arguments: list[str]) -> None:
    pull(home())


if __name__ == "__main__":
    run_stage(main)
