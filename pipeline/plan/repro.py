"""Run everything that is not up to date, after the plan said what that is: `dvc repro`, with a line that says how far it is.

python -m pipeline.plan.repro

Where what changed in a checkout that was pulled needs no readings, DVC is told that they may be missing (`pulled`).

The line, which stage of how many and how long the rest may take, stands below DVC's own output in a terminal. Without one
(a log, a scheduler) DVC prints what it always prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.errors import run_stage
from pipeline.params.base import PARAMS
from pipeline.plan import plan, pulled, stages

DVC = (sys.executable, "-m", "pipeline.plan.fast_dvc", "repro")
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


def main(arguments: list[str]) -> None:
    on_pulled = pulled.to_run()
    if not (planned := plan.show(PARAMS, on_pulled)):
        return  # DVC was asked by the plan, and finds nothing changed
    command = DVC if on_pulled is None else (*DVC, "--allow-missing")
    out = Console(file=sys.stdout, highlight=False)
    if not out.is_terminal:
        sys.stdout.flush()
        status = subprocess.run(command, check=False).returncode
    else:
        names = stages.stage_names(stages.DAG, PARAMS)
        if on_pulled is not None:
            planned = {name: seconds for name, seconds in planned.items() if name in on_pulled}
        course = Course(names, {name: planned.get(name, planned.get(stages.kind(name), 0.0)) for name in names})
        unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}  # lines of a stage when it prints them, not when it ends
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=unbuffered) as run:
            assert run.stdout is not None
            follow(run.stdout, course, out)
            status = run.wait()
    if status:
        sys.exit(status)  # DVC said what went wrong


if __name__ == "__main__":
    run_stage(main)
