"""Independent pieces of work on all cores, with results that do not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of every item, in order. Threads: numpy lets go of the interpreter. BLAS keeps to one thread in each, since
    the order in which it adds up, and so the last digit, would depend on their number."""
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))
