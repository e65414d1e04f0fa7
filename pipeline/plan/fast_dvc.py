"""DVC, with two things done faster, which change nothing of what it makes.

python -m pipeline.plan.fast_dvc repro ...

- It reads and writes dvc.lock by the C library of YAML (`fast_lock`).
- Every stage imports its libraries, six to twelve seconds where it runs a model: here it is a fork of a process that has them
  (`forks`).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.plan import forks

# DVC is imported by what needs it: each fork looks at this module.


def run(executable: str | None, command: str, otherwise: Callable[..., None], **how: Any) -> None:
    """A stage's command, as DVC runs it: it ends well, or raises StageCmdFailedError. An interrupt is for the stage alone."""
    from dvc.stage.exceptions import StageCmdFailedError

    if (asked := forks.asked(command, how["env"])) is None:
        otherwise(executable, command, **how)
        return
    process = forks.started(asked, how["cwd"], how["env"])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.join()
    finally:
        signal.signal(signal.SIGINT, before)
    if process.exitcode:
        raise StageCmdFailedError(command, process.exitcode)


def main(arguments: list[str]) -> int:
    from dvc.cli import main as dvc
    from dvc.stage import run as stages

    from pipeline.plan.fast_lock import FastLock

    stages._run = partial(run, otherwise=stages._run)
    with FastLock():
        return int(dvc(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
