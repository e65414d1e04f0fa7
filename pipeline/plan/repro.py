"""Run everything that is not up to date, after the plan said what that is: `dvc repro`, with a line that says how far it is.

python -m pipeline.plan.repro

Of a checkout that was pulled the readings are not there, and `dvc repro` would make them all. It need not where what changed
needs none: then it is told that they may be missing.

The line, which stage of how many and how long the rest may take, stands below DVC's own output in a terminal. Without one
(a log, a scheduler) DVC prints what it always prints.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.door.home import UNPUBLISHED, outs_of, remove_empty
from pipeline.errors import one_line, run_stage, some
from pipeline.params.base import PARAMS
from pipeline.plan import plan, stages

DVC = (sys.executable, "-m", "pipeline.plan.fast_lock", "repro")
CHECK = "check"
LINE = re.compile(r"(?:(?P<runs>Running)|Stage|Restored|Importing) (?:stage )?'(?P<stage>[^']+)'")


@dataclass
class Course:
    """How far a run is. `planned`: seconds that each stage is thought to take, those that are up to date left out."""

    names: list[str]
    planned: dict[str, float]
    running: str | None = None
    began: float = 0.0
    passed: dict[str, float] = field(default_factory=dict)
    """Seconds that each finished stage took; 0 where nothing had to run."""

    def hears(self, line: str, now: float) -> None:
        """A line that DVC prints, at a time in seconds: a stage begins or is skipped, so the one before it has ended."""
        if (found := LINE.match(line)) is None or found["stage"] not in self.names:
            return
        if self.running is not None:
            self.passed[self.running] = now - self.began
        self.running = None
        if found["runs"]:
            self.running, self.began = found["stage"], now
        else:
            self.passed[found["stage"]] = 0.0

    def seconds_left(self, now: float) -> float:
        """What the plan says of the rest, times what the stages that ran took over what it said of these."""
        ran = {stage: took for stage, took in self.passed.items() if took > 0 and self.planned.get(stage, 0.0) > 0}
        planned = sum(self.planned[stage] for stage in ran)
        pace = sum(ran.values()) / planned if planned else 1.0
        rest = pace * sum(s for stage, s in self.planned.items() if stage not in self.passed and stage != self.running)
        if self.running is not None:
            rest += max(pace * self.planned.get(self.running, 0.0) - (now - self.began), 0.0)
        return rest

    def in_words(self, now: float) -> str:
        if self.running is None:
            return f"{len(self.passed)} of {len(self.names)} stages"
        at = f"stage {len(self.passed) + 1} of {len(self.names)}: {self.running}, {plan.in_time(now - self.began)}"
        return f"{at}; about {plan.in_time(self.seconds_left(now))} left"


class _Line:
    """What stands below the output: made anew each time that it is drawn."""

    def __init__(self, course: Course) -> None:
        self.course = course

    def __rich__(self) -> Text:
        return Text(self.course.in_words(time.monotonic()), style="bold", no_wrap=True, overflow="ellipsis")


def follow(lines: Iterable[str], course: Course, out: Console) -> None:
    """Print lines as they come, with the line of progress below."""
    with Live(_Line(course), console=out, refresh_per_second=1, transient=True):
        for line in lines:
            course.hears(line, time.monotonic())
            out.print(Text(line.rstrip("\n")), soft_wrap=True)


def changed() -> list[Any]:
    """The stages, as DVC has them, of what changed and of all that follows from it, be the readings there or not. Raises
    ReproductionError where the first that changed needs a file that is not there, DvcException where DVC cannot run."""
    from dvc.repo import Repo  # takes a second, which only a checkout that was pulled need spend

    logging.getLogger("dvc").setLevel(logging.ERROR)  # a line for each stage, which the run prints
    with Repo() as repo:
        repo.reproduce(CHECK)  # everything follows from it, and a dry run cannot know that its out will be as it was
        found: list[Any] = repo.reproduce(dry=True, allow_missing=True, force_downstream=True)
    return found


def on_pulled() -> list[str] | None:
    """The stages that a checkout which was pulled has to run, where they need no readings; None where everything runs as from
    the beginning. Prints which of the two it is."""
    from dvc.exceptions import DvcException, ReproductionError

    remove_empty(Path("data/activations"))
    outs = {out["path"]: Path(out["path"]).exists() for out in outs_of(Path.cwd())}
    readings = {path for path in outs if path.startswith(UNPUBLISHED)}
    if all(outs[path] for path in readings) or not any(outs[path] for path in outs.keys() - readings):
        return None
    try:
        found = changed()
        made = {out.def_path for stage in found for out in stage.outs}
        lost = [path for path, is_there in outs.items() if not is_there and path not in readings | made]
        needing = [stage.addressing for stage in found if any(dep.def_path.startswith(UNPUBLISHED) for dep in stage.deps)]
        why = f"{some(needing)} changed" if needing else f"{some(lost)} not there; `make pull` brings it" if lost else None
    except ReproductionError as error:
        why = one_line(error).replace("failed to reproduce", "without them DVC cannot make")
    except DvcException:
        return None  # the run says what is wrong
    if why is not None:
        print(f"Readings are not here; they come from DVC's cache or are made anew: {why}")
        return None
    names = [stage.addressing for stage in found]
    print(f"On what was pulled, without readings: {some(names) or 'nothing changed'}")
    return names


def main(arguments: list[str]) -> None:
    planned = plan.show(PARAMS)
    pulled = on_pulled()
    command = DVC if pulled is None else (*DVC, "--allow-missing")
    out = Console(file=sys.stdout, highlight=False)
    if not out.is_terminal:
        sys.stdout.flush()
        status = subprocess.run(command, check=False).returncode
    else:
        names = stages.stage_names(plan.DAG, PARAMS)
        if pulled is not None:
            planned = {name: seconds for name, seconds in planned.items() if name in pulled}
        course = Course(names, {name: planned.get(name, planned.get(name.split("@")[0], 0.0)) for name in names})
        unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}  # lines of a stage when it prints them, not when it ends
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=unbuffered) as run:
            assert run.stdout is not None
            follow(run.stdout, course, out)
            status = run.wait()
    if status:
        sys.exit(status)  # DVC said what went wrong


if __name__ == "__main__":
    run_stage(main)
