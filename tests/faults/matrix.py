"""The fault matrix, long form: `make test-faults`.

    python -m tests.faults.matrix FAULTS

Puts so many faults and more into a small finished run, on every core at once, prints counts by kind, and fails where one
was silent, ended in a traceback, or could not be mended as its message says.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.conftest import FAMILIES, Project, finish, stories, tiny
from tests.faults import damage, kinds, processes
from tests.faults.kinds import Found
from tests.faults.project import Box
from tests.faults.stages import Step, seeded

Fault = Callable[[], Found]


def edges(box: Box, steps: Sequence[Step] | None = None) -> list[tuple[str, Step]]:
    """Every out with every stage that reads it: of what it depends on, what it says itself that it has opened."""
    found = []
    for step in box.steps if steps is None else steps:
        files = box.runner.reads(step)
        found += [(out, step) for out in box.inputs(step) if any(f == out or f.startswith(f"{out}/") for f in files)]
    return found


def spoiled(box: Box, places: list[tuple[str, Step]], rng: Random) -> Iterator[Fault]:
    """Each kind of damage in turn at an edge of the DAG; what cannot be done to a place is done to another."""
    tables = [(out, step) for out, step in places if out.endswith(".parquet")]
    every = [(damage.SPOILS, places, False), (damage.LEAVES, places, True), (damage.OF_TABLES, tables, False)]
    every.append((damage.FORBIDS, places, True))
    for of, where, humble in every:
        for kind, how in of.items():
            out, step = rng.choice(where)
            yield lambda out=out, step=step, kind=kind, how=how, humble=humble: box.spoil(step, out, kind, how, rng, humble)


def faults(box: Box, seed: int) -> Iterator[Fault]:
    """Faults without end: damage at every edge, and what happens to processes, each kind as often as another."""
    places = edges(box)
    for n in count():
        rng = seeded(seed, n)
        yield from spoiled(box, places, rng)
        yield from processes.faults(box, rng)


def tried(box: Box, least: int, seed: int, say: Callable[[str], None]) -> list[Found]:
    """At least so many faults, each told as it is judged where it was bad."""
    found: list[Found] = []
    for fault in faults(box, seed):
        if len(found) >= least:
            return found
        found.append(fault())
        for line in kinds.bad(found[-1:]):
            say(line)
    raise AssertionError("there is always one more")


def part(finished: Path, least: int, seed: int) -> list[Found]:
    """`tried` in a box of this process, from a finished project."""
    with tempfile.TemporaryDirectory() as place:
        return tried(Box(finished, Path(place)), least, seed, lambda line: print(line, flush=True))


def main(arguments: list[str]) -> int:
    (least,) = map(int, arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        models = {family: Path(place) / "models" / family for family in FAMILIES}
        for family, folder in models.items():
            tiny.save(family, folder, [s["text"] for s in stories()])
        folder = Path(place) / "finished"
        folder.mkdir()
        patch.chdir(folder)
        finish(Project(folder, models))
        n = os.cpu_count() or 1
        with ProcessPoolExecutor(n, multiprocessing.get_context("spawn")) as pool:
            found = [f for own in pool.map(part, [folder] * n, [-(-least // n)] * n, range(n)) for f in own]
    print(kinds.table(found))
    print(f"{len(found)} faults in {(time.monotonic() - began) / 60:.0f} minutes")
    return 1 if kinds.bad(found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
