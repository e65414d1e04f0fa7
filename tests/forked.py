"""Processes that start in milliseconds: forks of one that has imported every library and has run nothing (multiprocessing's
forkserver). `run` is `python -m` in a folder, with the code of that folder. Stages that a DVC so started wants to run it asks
this process for, which starts them in the same way: a fork that started one itself would first import everything anew."""

from __future__ import annotations

import contextlib
import filecmp
import multiprocessing
import os
import runpy
import sys
import tempfile
import time
import warnings
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from pipeline.store.provenance import PACKAGES

IMPORTED = ("torch", "transformers", "polars", "xarray", "zarr", "scipy.stats", "altair", "dvc.cli", "dvc.repo", "tests.forked")
IMPORTED += ("pipeline.reading.read", "pipeline.writing.write", "pipeline.steering.steer", "pipeline.behaviour.ask")
IMPORTED += ("pipeline.opening", "pipeline.writing.read_writing", "analysis.report.page", "tests.faults.stages")
ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 540
"""A process of a tiny project that takes longer is stuck."""


def context() -> multiprocessing.context.ForkServerContext:
    """Where processes come from. Numbers must not depend on threads, so these are said before any library counts them."""
    os.environ |= {"OMP_NUM_THREADS": "2", "POLARS_MAX_THREADS": "2", "HF_HUB_OFFLINE": "1"}
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(IMPORTED))
    with contextlib.chdir(ROOT):  # where it looks for our modules; one that it does not find it leaves out without a word
        forkserver.ensure_running()
    return found


def says_into(path: str) -> None:
    """What this process and its children print goes to the end of a file."""
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def keeps_to(threads: int) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")


def run_module(module: str, arguments: tuple[str, ...]) -> None:
    """Run a module in this process as `python -m` would."""
    sys.argv = [module, *arguments]
    warnings.simplefilter("ignore")
    if not hasattr(sys.modules.get(module), "__path__"):  # of a package its __main__ is run
        sys.modules.pop(module, None)  # it is run, not imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def is_ours(folder: Path) -> bool:
    """Whether the code of a folder is this repository's, which is imported already."""
    return all(
        (folder / name).is_dir() and _same(filecmp.dircmp(ROOT / name, folder / name, ["__pycache__"])) for name in PACKAGES
    )


def _same(compared: filecmp.dircmp[str]) -> bool:
    if compared.left_only or compared.right_only or compared.diff_files or compared.funny_files:
        return False
    return all(map(_same, compared.subdirs.values()))


def _child(
    folder: str, module: str, arguments: tuple[str, ...], said: str, environment: dict[str, str], parent: Connection
) -> None:
    says_into(said)
    os.chdir(folder)
    os.environ.update(environment)
    keeps_to(1)
    if not is_ours(Path(folder)):
        for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:  # the folder has its own
            del sys.modules[name]
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = False  # what one stage has compiled the next one need not
    if module == "dvc":
        import dvc.stage.run

        from pipeline.plan.fast_lock import FastLock

        dvc.stage.run._run = _stage(said, parent)
        FastLock().__enter__()
    run_module(module, arguments)


def _stage(said: str, parent: Connection) -> Any:
    """In place of what DVC runs a stage's command with: `python -m ...` as a fork that the parent starts."""

    def run_command(_shell: str, command: str, cwd: str, env: dict[str, str], **_more: object) -> None:
        from dvc.stage.exceptions import StageCmdFailedError

        python, m, module, *arguments = command.split()
        assert (python, m) == ("python", "-m"), command
        parent.send((cwd, module, tuple(arguments), said, {k: v for k, v in env.items() if k.startswith("DVC_")}))
        if status := parent.recv():
            raise StageCmdFailedError(command, status)

    return run_command


def _status(folder: str, module: str, arguments: tuple[str, ...], said: str, environment: dict[str, str]) -> int | None:
    here, there = context().Pipe()
    process = context().Process(target=_child, args=(folder, module, arguments, said, environment, there))
    process.start()
    there.close()
    deadline = time.monotonic() + LIMIT_SECONDS
    while here in wait([here, process.sentinel], deadline - time.monotonic()):
        try:
            asked = here.recv()
        except EOFError:
            break
        here.send(_status(*asked))
    here.close()
    return status_of(process, max(deadline - time.monotonic(), 0.0))


def status_of(process: multiprocessing.process.BaseProcess, limit_seconds: float) -> int | None:
    """The exit status of a process once it has ended; None where it has not within a limit, and was killed."""
    process.join(limit_seconds)
    status = process.exitcode
    if status is None:
        process.kill()
        process.join()
    return status


def run(folder: Path, module: str, *arguments: str) -> tuple[int | None, str]:
    """`python -m module arguments` in a folder: its exit status, and what it said."""
    with tempfile.NamedTemporaryFile(suffix=".said") as said:
        status = _status(str(folder), module, arguments, said.name, {})
        return status, Path(said.name).read_text(errors="replace")


def dvc(folder: Path, *arguments: str, ok: bool = True) -> str:
    """What a DVC command says, which must end well, or must not."""
    status, said = run(folder, "dvc", *arguments)
    assert (status == 0) == ok, said
    return said
