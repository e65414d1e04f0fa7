"""The stages of a finished project as processes of their own, and what their outs are made of.

A process is a fork (tests/forked.py): it runs as `python -m` would run it, and may be killed like any other.
"""

from __future__ import annotations

import ctypes
import hashlib
import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.forked import context, keeps_to, run_module, says_into, status_of

LIMIT_SECONDS = 900
"""A stage of a tiny project that takes longer is stuck: it takes seconds, and minutes on a machine that is busy."""


@dataclass(frozen=True)
class Step:
    """A stage of the DAG with its matrix filled in: what it runs, and the data that it reads and makes, relative to the
    project."""

    name: str
    module: str
    arguments: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (negative: the signal; None: it did not end), and what it said."""

    code: int | None
    said: str

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.said

    @property
    def is_clear(self) -> bool:
        """One line of a user's mistake, or one for each mistake."""
        lines = [line for line in self.said.splitlines() if line.startswith("error: ")]
        return self.code == 2 and not self.traceback and len(lines) == 1


def steps(folder: Path) -> list[Step]:
    """The stages of a project as DVC itself resolves them; made once, since a repository must be there for that."""
    from dvc.repo import Repo

    with Repo.init(str(folder), no_scm=True, force=True) as repo:
        found = [stage for stage in repo.index.stages if stage.cmd]
        made = []
        for stage in found:
            _python, _m, module, *arguments = stage.cmd.split()
            deps, outs = ([os.path.relpath(x.fs_path, folder) for x in of] for of in (stage.deps, stage.outs))
            data = tuple(dict.fromkeys(d for d in deps if d.startswith("data/")))
            made.append(Step(stage.name, module, tuple(arguments), data, tuple(outs)))
    return made


def _child(
    folder: str, module: str, arguments: tuple[str, ...], said: str, threads: int, room: int | None, humble: bool
) -> None:
    says_into(said)
    os.chdir(folder)
    keeps_to(threads)
    if room is not None and not with_a_small_disk(Path(".scratch"), room):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    if humble:
        without_privileges()
    tell_what_is_read(Path(f"{said}.read"))
    run_module(module, arguments)


def tell_what_is_read(into: Path) -> None:
    """Let the stage that runs write down, when it ends well, the inputs that it noted."""
    from pipeline import errors

    check = errors.check_noted

    def told() -> None:
        into.write_text("\n".join(sorted({name for name, _ in errors._noted.get() or {}})))
        check()

    errors.check_noted = told


def with_a_small_disk(place: Path, size: int) -> bool:
    """Mount a file system of so many bytes at a folder, for this process and its children; False where it may not."""
    only_mine, recursive_and_private, libc = 0x20000, 0x44000, ctypes.CDLL(None)
    if size % 2 or libc.unshare(only_mine):
        return False
    place.mkdir(exist_ok=True)
    libc.mount(b"none", b"/", None, recursive_and_private, None)
    return not libc.mount(b"tmpfs", bytes(place.resolve()), b"tmpfs", 0, b"size=%d" % size)


def without_privileges() -> None:
    """Root reads and writes what nobody may; without its capabilities it is a user like others."""
    version, pid = 0x20080522, 0
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version, pid), (ctypes.c_uint32 * 6)())


class Runner:
    """Runs stages in a project's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.context = folder, folder.parent / "said", context()
        self.n = 0

    def start(
        self, step: Step, threads: int = 1, room: int | None = None, humble: bool = False
    ) -> tuple[multiprocessing.process.BaseProcess, Path]:
        self.n += 1
        said = self.said.with_name(f"said-{self.n % 8}")
        said.unlink(missing_ok=True)
        arguments = (str(self.folder), step.module, step.arguments, str(said), threads, room, humble)
        process = self.context.Process(target=_child, args=arguments)
        process.start()
        return process, said

    @staticmethod
    def wait(process: multiprocessing.process.BaseProcess, said: Path) -> Ended:
        code = status_of(process, LIMIT_SECONDS)
        return Ended(code, said.read_text(errors="replace") if said.exists() else "")

    def run(self, step: Step, **how: object) -> Ended:
        """Run a stage to its end."""
        return self.wait(*self.start(step, **how))  # type: ignore[arg-type]

    def reads(self, step: Step) -> list[str]:
        """The files that a stage notes as its inputs, when it runs to its end."""
        process, said = self.start(step)
        self.wait(process, said)
        return said.with_name(f"{said.name}.read").read_text().splitlines()

    def run_killed(self, step: Step, after: float, **how: object) -> Ended:
        """Run a stage and kill it after so many seconds, unless it has ended."""
        process, said = self.start(step, **how)  # type: ignore[arg-type]
        process.join(after)
        if process.exitcode is None:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        return self.wait(process, said)

    def again(self, step: Step, **how: object) -> Ended:
        """Run a stage after one that was killed: its workers, who hold its scratch, end when they look up."""
        end = time.monotonic() + LIMIT_SECONDS
        while (ended := self.run(step, **how)).code and "another process does the same work" in ended.said:
            if time.monotonic() > end:
                return Ended(None, ended.said)
            time.sleep(0.1)
        return ended


def digests(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 by path of every file of some outs; those that are not there are not in it."""
    found = {}
    for name in paths:
        place = folder / name
        files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place] if place.is_file() else []
        for path in files:
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def seeded(*of: object) -> random.Random:
    """A generator of its own for each fault, whichever others are tried."""
    return random.Random(repr(of))
