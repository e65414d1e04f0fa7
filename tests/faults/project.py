"""A finished project as a box to break: every fault is put into it, judged, and taken out again."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.conftest import ROOT
from tests.faults import damage
from tests.faults.kinds import CLEAR, SAME, SILENT, STUCK, TRACEBACK, Found
from tests.faults.stages import Ended, Runner, Step, digests, steps

REMEDY = "remove it and run `dvc repro`"
WORDS = 300


class Box:
    """A finished project's copy, its stages, and the bytes that each makes."""

    def __init__(self, finished: Path, place: Path) -> None:
        self.whole, self.folder = place / "whole", place / "project"
        shutil.copytree(finished, self.whole, symlinks=True)
        shutil.copy(ROOT / "dvc.yaml", self.whole)
        (self.whole / ".dvcignore").touch()
        self.steps = steps(self.whole)
        shutil.copytree(self.whole, self.folder, symlinks=True)
        self.runner = Runner(self.folder)
        self.runner.run(self.steps[0])  # the first process waits until all libraries are imported
        self.maker = {out: step for step in self.steps for out in step.outs}
        self._seconds: dict[str, float] = {}
        self._truth = {step.name: digests(self.whole, step.outs) for step in self.steps}

    def seconds(self, step: Step) -> float:
        """How long a stage takes in a process of its own, measured once."""
        if step.name not in self._seconds:
            began = time.monotonic()
            self.runner.run(step)
            self._seconds[step.name] = time.monotonic() - began
        return self._seconds[step.name]

    def truth(self, step: Step) -> dict[str, str]:
        return self._truth[step.name]

    def found(self, step: Step) -> dict[str, str]:
        return digests(self.folder, step.outs)

    def inputs(self, step: Step) -> list[str]:
        """The outs of other stages that a stage reads."""
        return [o for dep in step.deps for o in self.maker if (o == dep or o.startswith(f"{dep}/")) and o not in step.outs]

    def mend(self) -> None:
        """Everything as it was: `data`, params and scratch."""
        for path in [p for p in (self.folder / "data").rglob("*") if not p.is_symlink()]:
            if path.stat().st_mode & 0o700 != (0o700 if path.is_dir() else 0o600):
                path.chmod(0o700 if path.is_dir() else 0o600)
        for name in ("data", ".scratch"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.copytree(self.whole / "data", self.folder / "data", symlinks=True)
        shutil.copy(self.whole / "params.yaml", self.folder)

    @contextmanager
    def without(self, step: Step) -> Iterator[None]:
        """The project without the outs of a stage; everything is as it was afterwards."""
        try:
            self.remove(step)
            yield
        finally:
            self.mend()

    def remove(self, step: Step) -> None:
        """As DVC does before it runs a stage."""
        for out in step.outs:
            path = self.folder / out
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def judge(self, step: Step, ended: Ended) -> tuple[str, str]:
        """What came of a stage: the same bytes, a clear error that left nothing half done, or what may not be."""
        if ended.code is None:
            return STUCK, f"{step.name} did not end: {ended.said[-WORDS:]}"
        truth, found = self.truth(step), self.found(step)
        changed = sorted(k for k in truth.keys() | found.keys() if truth.get(k) != found.get(k))
        if ended.code == 0:
            return (SILENT, f"{step.name}: other bytes in {changed[:3]}") if changed else (SAME, "")
        if not ended.is_clear:
            return TRACEBACK, f"{step.name}: status {ended.code}: {ended.said[-WORDS:]}"
        for out in step.outs:  # each whole, as it was, or not there
            there = {k: v for k, v in found.items() if k == out or k.startswith(f"{out}/")}
            if there and there != {k: truth.get(k) for k in truth if k == out or k.startswith(f"{out}/")}:
                return SILENT, f"{step.name}: {out} is half done after: {ended.said[-WORDS:]}"
        return CLEAR, ended.said.strip()

    def remedied(self, step: Step, said: str) -> tuple[str, str]:
        """Follow what an error says, to the letter: remove what it names, make it anew, and come to the same bytes."""
        if REMEDY not in said and "make it with `dvc repro`" not in said:
            return CLEAR, said
        named = re.search(r"error: (\S+?): ", said)
        path = Path(named[1]) if named else Path()
        if not named or not self._is_ours(path):
            return STUCK, f"names nothing that could be removed: {said}"
        place = self.folder / path
        if REMEDY in said:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            elif os.path.lexists(place):
                place.unlink()
        for own in [*(other for other in self.missing() if other != step), step]:  # what `dvc repro` runs
            self.remove(own)
            if (judged := self.judge(own, self.runner.again(own)))[0] != SAME:
                return STUCK, f"after the remedy of '{said}': {judged}"
        return CLEAR, said

    def missing(self) -> list[Step]:
        """The stages some of whose outs differ from what they made, as DVC sees by its digests, in the order of the DAG."""
        return [step for step in self.steps if step.outs and self.found(step) != self.truth(step)]

    def _is_ours(self, path: Path) -> bool:
        return any(path.is_relative_to(out) or Path(out).is_relative_to(path) for out in self.maker)

    def sibling(self, out: str, rng: Random) -> Path:
        """Another out, of the same form where there is one, as may be taken for it; in the project, which is mended: through a
        link to it a stage may write, and a remedy remove."""
        path, others = Path(out), [Path(o) for o in self.maker if o != out]
        formed = [o for o in others if o.suffix == path.suffix]
        beside = [o for o in formed if o.parts[1] == path.parts[1]]
        same = [o for o in beside if o.name == path.name]
        return self.folder / rng.choice(same or beside or formed or others)

    def spoil(self, step: Step, out: str, kind: str, how: damage.Damage, rng: Random, humble: bool = False) -> Found:
        """Damage one input of a stage, run the stage, judge, follow its advice, and put all back."""
        try:
            how(self.folder / out, self.sibling(out, rng), rng)
            if rng.random() < 0.5:
                self.remove(step)
            outcome, words = self.judge(step, self.runner.run(step, humble=humble))
            if outcome == CLEAR:
                outcome, words = self.remedied(step, words)
            return Found(f"{out} -> {step.name}", kind, outcome, words)
        finally:
            self.mend()
