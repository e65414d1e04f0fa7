"""Work on all cores of a CPU, in processes of one thread each.

A small model's steps are too short for threads to share: two of them take longer than one, and how they share decides in which
order a product adds up. A worker is a fork of this process, so that all share the weights that it holds; it computes with one
thread, so that no number depends on how many workers there are.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[int]], Iterator[Result]]
"""Given the numbers of the pieces that are its share, yields what comes of them."""


def cores(device: torch.device) -> int:
    """How many workers there are: as many as torch would use threads (OMP_NUM_THREADS), one beside another device than a CPU
    and where forks are not safe."""
    return torch.get_num_threads() if device.type == "cpu" and sys.platform == "linux" else 1


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def share(work: Work[Result], pieces: int, device: torch.device) -> Iterator[Result]:
    """`work` on the pieces 0 .. `pieces` - 1, of which each worker has every n-th. Yields what comes of them, in no order.

    Raises what a worker raises, and MemoryError where one is killed, which a system does when memory is short.
    """
    n = min(cores(device), pieces)
    if n < 2:
        with one_thread():
            yield from work(range(pieces))
        return
    forks = multiprocessing.get_context("fork")
    processes, hear = [], list[Connection]()
    try:
        for k in range(n):
            here, there = forks.Pipe(duplex=False)
            hear.append(here)
            processes.append(forks.Process(target=_worker, args=(work, range(k, pieces, n), there, os.getpid()), daemon=True))
            with warnings.catch_warnings():
                # Python 3.12 warns of forks beside threads: those are idle pools, which a worker never calls
                warnings.simplefilter("ignore", DeprecationWarning)
                processes[-1].start()
            there.close()
        while hear:
            for connection in wait(hear):
                assert isinstance(connection, Connection)
                said = _received(connection)
                if said is None:
                    hear.remove(connection)
                else:
                    yield said[0]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _received(connection: Connection) -> Any:
    """What a worker yields, in a tuple; None where it has done its share."""
    try:
        said = connection.recv()
    except EOFError:
        raise MemoryError("a worker was killed; set OMP_NUM_THREADS=1, so that there is one") from None
    if isinstance(said, BaseException):
        raise said
    return said


def _keep_memory() -> None:
    """Let the C library keep what a layer frees for the next one, which otherwise asks the system for the same pages again."""
    trim_threshold, mmap_threshold = -1, -3
    with contextlib.suppress(AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**30)
        mallopt(mmap_threshold, 2**25)


def _worker(work: Work[Any], pieces: Sequence[int], say: Connection, parent: int) -> None:
    torch.set_num_threads(1)
    _keep_memory()
    try:
        for result in work(pieces):
            if os.getppid() != parent:  # it was killed: nobody listens
                return
            say.send((result,))
        say.send(None)
    except Exception as error:
        error.add_note(traceback.format_exc())
        say.send(error)


def each(function: Callable[[Item], Result], items: Sequence[Item], device: torch.device) -> list[Result]:
    """`function` of every item, in their order; see `share`."""

    def work(pieces: Sequence[int]) -> Iterator[tuple[int, Result]]:
        for i in pieces:
            yield i, function(items[i])

    found = dict(share(work, len(items), device))
    return [found[i] for i in range(len(items))]
