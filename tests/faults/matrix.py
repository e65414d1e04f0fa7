"""The fault matrix, long form: `make test-faults`.

    python -m tests.faults.matrix FAULTS

Puts so many faults and more into a small finished run, on every core at once, in rounds that each have every kind. Prints
counts by kind, also where it is stopped, and fails where one was silent, ended in a traceback, or could not be mended as its
message says.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from random import Random

import pytest

from tests.conftest import FAMILIES, Project, finish, stories, tiny
from tests.faults import damage, kinds, processes
from tests.faults.kinds import Found
from tests.faults.project import Box
from tests.faults.stages import Step, seeded

Fault = Callable[[], Found]


Edge = tuple[str, Step]
"""An out, and a stage that reads it."""

_boxes: list[Box] = []
"""That of this process, in the long form."""


def edges(box: Box, step: Step) -> list[Edge]:
    """The outs that a stage reads: of those it depends on, what it says itself that it has opened."""
    files = box.runner.reads(step)
    return [(out, step) for out in box.inputs(step) if any(f == out or f.startswith(f"{out}/") for f in files)]


def spoiled(box: Box, places: list[Edge], rng: Random) -> Iterator[Fault]:
    """Each kind of damage in turn at an edge of the DAG; what cannot be done to a place is done to another."""
    tables = [(out, step) for out, step in places if out.endswith(".parquet")]
    every = [(damage.SPOILS, places, False), (damage.LEAVES, places, True), (damage.OF_TABLES, tables, False)]
    every.append((damage.FORBIDS, places, True))
    for of, where, humble in every:
        for kind, how in of.items():
            out, step = rng.choice(where)
            yield lambda out=out, step=step, kind=kind, how=how, humble=humble: box.spoil(step, out, kind, how, rng, humble)


def a_round(box: Box, places: list[Edge], n: int) -> Iterator[Fault]:
    """Damage at edges, and what happens to processes, each kind as often as in another round."""
    rng = seeded(n)
    yield from spoiled(box, places, rng)
    yield from processes.faults(box, rng)


def _begin(finished: Path, place: Path) -> None:
    _boxes.append(Box(finished, Path(tempfile.mkdtemp(dir=place))))


def _steps() -> int:
    return len(_boxes[0].steps)


def _edges(n: int) -> list[Edge]:
    return edges(_boxes[0], _boxes[0].steps[n])


def _size(places: list[Edge]) -> int:
    return sum(1 for _ in a_round(_boxes[0], places, 0))


def _tried(places: list[Edge], n: int) -> list[Found]:
    """The faults of a round, each told as it is judged where it was bad."""
    found = []
    for fault in a_round(_boxes[0], places, n):
        found.append(fault())
        for line in kinds.bad(found[-1:]):
            print(line, flush=True)
    return found


def main(arguments: list[str]) -> int:
    (least,) = map(int, arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        place = Path(name)
        models = {family: place / "models" / family for family in FAMILIES}
        for family, folder in models.items():
            tiny.save(family, folder, [s["text"] for s in stories()])
        finished = place / "finished"
        finished.mkdir()
        patch.chdir(finished)
        finish(Project(finished, models))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), spawn, _begin, (finished, place)) as pool:
            places = [edge for own in pool.map(_edges, range(pool.submit(_steps).result())) for edge in own]
            rounds = -(-least // pool.submit(_size, places).result())
            found = list[Found]()
            try:
                for own in as_completed([pool.submit(_tried, places, number) for number in range(rounds)]):
                    found += own.result()
                    print(f"{len(found)} faults in {(time.monotonic() - began) / 60:.0f} minutes", flush=True)
            except KeyboardInterrupt:
                print(f"stopped before the end: {least} were asked for", flush=True)
                pool.shutdown(cancel_futures=True)
    print(kinds.table(found))
    return 1 if kinds.bad(found) or len(found) < least else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
