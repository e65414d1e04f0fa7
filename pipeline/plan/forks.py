"""Stages as forks of one process that has imported the libraries. Torch and transformers take most stages longer to import than
all else that they do before their first text.

A fork imports this project's code itself: it runs what stands in the folder when it starts, as `python -m` would.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shutil
import sys
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from pipeline.store.provenance import PACKAGES

COMMAND = re.compile(rf"python -m ((?:{'|'.join(PACKAGES)})[\w.]*)((?: [\w.,:/@=+-]+)*)", re.ASCII)


def asked(command: str, environment: dict[str, str]) -> list[str] | None:
    """Module and arguments of a command that runs one of our modules by the Python that runs this; None of any other, whose
    place is a shell."""
    found = COMMAND.fullmatch(command)
    python = shutil.which("python", path=environment.get("PATH"))
    if found is None or python is None or os.path.dirname(python) != os.path.dirname(sys.executable):
        return None
    return [found[1], *found[2].split()]


@cache
def context() -> ForkServerContext:
    """Where forks come from: a process that starts with the first of them, and ends with this one."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["pipeline.plan.libraries"])
    return found


def started(run: list[str], folder: str, environment: dict[str, str]) -> BaseProcess:
    """A process that runs a module with its arguments in a folder, with an environment of its own."""
    process = context().Process(target=_run, args=(run, folder, environment))
    process.start()
    return process


def _run(run: list[str], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    import torch

    if torch.cuda._is_in_bad_fork():  # a library looked for a GPU while it was imported: no fork of its process may use one
        os.execve(sys.executable, [sys.executable, "-m", *run], environment)
    for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    sys.argv = run
    runpy.run_module(run[0], run_name="__main__", alter_sys=True)
