"""Independent pieces of work on all cores, with results that do not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def one_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The same function, in which BLAS keeps to one thread: the order in which it adds up, and so the last digit, would depend
    on their number. For the `main` of a stage, whose cores are used by `each`."""

    @wraps(function)
    def alone(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*arguments, **named)

    return alone


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of every item, in order. Threads: numpy lets go of the interpreter. BLAS keeps to one (`one_thread`)."""
    with ThreadPoolExecutor() as pool:
        return one_thread(lambda: list(pool.map(function, items)))()
