"""Fetch what is published, and say where something of it does not come: `dvc pull` for the outs that are pushed.

python -m pipeline.publish.pull

A bare `dvc pull` ends in an error for activations, which are not published; with `--allow-missing` it is silent of a published
object that is damaged, too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipeline.door.home import home, pushed
from pipeline.errors import InputError, run_stage


def pull(root: Path) -> None:
    """Pull every published out of a checkout. Raises InputError where there is none, or where one does not come whole."""
    wanted = pushed(root)
    if not wanted:
        raise InputError(f"{root}: no dvc.lock here: nothing was published at this commit; make the data with `dvc repro`")
    done = subprocess.run([sys.executable, "-m", "dvc", "pull", *wanted], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or [""]
        raise InputError(f"{root}: not everything came: {said[0].removeprefix('ERROR: ')}")


def main(arguments: list[str]) -> None:
    pull(home())


if __name__ == "__main__":
    run_stage(main)
