"""What happens to processes: they are killed, two do one thing, disks are full, inputs change under them, and what they leave
is spoilt."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from random import Random

from tests.faults import damage
from tests.faults.kinds import CLEAR, SAME, SILENT, STUCK, Found
from tests.faults.project import Box
from tests.faults.stages import Ended, Step

KINDS = ("read", "read_untrained", "write", "read_writing", "vectors", "steer", "ask")
KINDS += ("geometry", "pairs", "gram", "claims", "report")
"""The stages that are killed, each kind in turn."""
KEEP_BATCHES = ("read", "read_untrained", "write", "read_writing", "steer", "ask")
"""Those that keep in scratch what is finished."""
READERS = ("read", "read_untrained", "read_writing")
FULL = 40_000
"""Bytes, at most, that a file may have on a disk that is nearly full: fewer than most outs."""


def of_kind(box: Box, kind: str) -> list[Step]:
    return [step for step in box.steps if step.name.split("@")[0] == kind]


def killed(box: Box, step: Step, rng: Random) -> Found:
    """SIGKILL at a random moment, once or twice, with one worker or two; then run to the end."""
    threads = rng.choice((1, 2))
    what = f"{step.name}, {threads} workers"
    seconds = box.seconds(step)
    with box.without(step):
        for _ in range(rng.choice((1, 1, 2))):
            box.runner.run_killed(step, rng.uniform(0, seconds), threads=threads)
            truth, found = box.truth(step), box.found(step)
            if half := sorted(k for k, v in found.items() if truth.get(k) != v):
                return Found(what, "SIGKILL", SILENT, f"half an out after a kill: {half[:3]}")
        return Found(what, "SIGKILL", *at_last(box, step, rng.choice((1, 2))))


def at_last(box: Box, step: Step, threads: int = 1) -> tuple[str, str]:
    """Run to the end; anything but the same bytes is not what was promised."""
    outcome, words = box.judge(step, box.runner.again(step, threads=threads))
    if outcome == SAME and (left := sorted(p.name for p in (box.folder / ".scratch").glob(".out-*"))):
        return STUCK, f"left in scratch: {left}"
    return (STUCK, words) if outcome == CLEAR else (outcome, words)


def clear_then_same(box: Box, step: Step, judged: tuple[str, str]) -> tuple[str, str]:
    """What was judged; but a clear error counts only if, with nothing in its way, the stage then comes to the same bytes."""
    if judged[0] != CLEAR:
        return judged
    last = at_last(box, step)
    return judged if last[0] == SAME else last


def scratch_spoilt(box: Box, step: Step, rng: Random) -> Found:
    """What a killed stage kept is damaged: it must be made again."""
    kind = rng.choice([k for k in damage.SPOILS if k not in ("gone", "swapped", "a link to another")])
    seconds = box.seconds(step)
    with box.without(step):
        box.runner.run_killed(step, rng.uniform(0.3, 0.95) * seconds)
        kept = [p for p in (box.folder / ".scratch").rglob("*") if p.suffix in (".raw", ".crc", ".jsonl") and p.stat().st_size]
        if kept:
            path = rng.choice(kept)
            how = damage.overwritten if kind == "of another version" else damage.SPOILS[kind]
            how(path, path, rng)
        return Found(f"{step.name}: {kind}", "scratch spoilt", *at_last(box, step))


def batches_exchanged(box: Box, step: Step, rng: Random) -> Found:
    """Two kept batches, each whole, stand in each other's place."""
    seconds = box.seconds(step)
    with box.without(step):
        box.runner.run_killed(step, rng.uniform(0.5, 0.95) * seconds)
        kept = sorted((box.folder / ".scratch").rglob("*.crc"))
        if len(kept) > 1:
            a, b = rng.sample(kept, 2)
            content = a.read_bytes()
            shutil.copyfile(b, a)
            b.write_bytes(content)
        return Found(step.name, "batches exchanged", *at_last(box, step))


def disk_full(box: Box, step: Step, rng: Random, room: int | None = None) -> Found:
    """Scratch lies on a disk of some bytes, or (an odd number) no file may grow beyond them: a clear error, and the old out or
    none; then, with room, the same bytes."""
    room = rng.randrange(FULL) if room is None else room
    what = f"{step.name}, {room} bytes"
    with box.without(step):
        judged = box.judge(step, box.runner.run(step, room=room, threads=rng.choice((1, 2))))
        return Found(what, "disk full", *clear_then_same(box, step, judged))


def no_permission(box: Box, step: Step, rng: Random) -> Found:
    """A place where the stage writes may not be written; then it may."""
    with box.without(step):
        (box.folder / ".scratch").mkdir(exist_ok=True)
        places = [box.folder / ".scratch", *{(box.folder / out).parent for out in step.outs}]
        place = rng.choice(places)
        place.chmod(0o555)
        judged = box.judge(step, box.runner.run(step, humble=True))
        place.chmod(0o755)
        return Found(f"{step.name}: {place.name}", "place not writable", *clear_then_same(box, step, judged))


def two_at_once(box: Box, step: Step, rng: Random) -> Found:
    """Two processes do the same cell: each ends well or says that the other does it, and the bytes are the same."""
    seconds = box.seconds(step)
    with box.without(step):
        one = box.runner.start(step)
        time.sleep(rng.uniform(0, seconds / 2))
        two = box.runner.start(step, threads=rng.choice((1, 2)))
        ended = [box.runner.wait(*one), box.runner.wait(*two)]
        for end in ended:
            if end.code != 0 and not end.is_clear:
                return Found(step.name, "two at once", *(box.judge(step, end)))
        if all(end.code for end in ended):
            return Found(step.name, "two at once", STUCK, f"neither did it: {[end.said for end in ended]}")
        return Found(step.name, "two at once", *box.judge(step, Ended(0, "")))


def input_edited(box: Box, step: Step, rng: Random) -> Found:
    """An input is overwritten, with what no stage can read, while the stage runs: it says so, or it had read it and ended."""
    name = rng.choice([i for i in box.inputs(step) if i.endswith(".parquet")] or ["params.yaml"])
    seconds = box.seconds(step)
    with box.without(step):
        started = box.runner.start(step)
        time.sleep(rng.uniform(0.1, 0.9) * seconds)
        (box.folder / name).write_bytes(b"{")
        return Found(f"{name} -> {step.name}", "input edited", *box.judge(step, box.runner.wait(*started)))


FAULTS = (scratch_spoilt, batches_exchanged, disk_full, no_permission, two_at_once, input_edited)


def faults(box: Box, rng: Random) -> Iterator[Callable[[], Found]]:
    """Each kind of stage killed once, and once each other thing, which befalls some stage."""
    for kind in KINDS:
        step = rng.choice(of_kind(box, kind))
        yield lambda step=step: killed(box, step, rng)
    for fault in FAULTS:
        kinds = KEEP_BATCHES if fault in (scratch_spoilt, two_at_once) else READERS if fault is batches_exchanged else KINDS
        step = rng.choice(of_kind(box, rng.choice(kinds)))
        yield lambda step=step, fault=fault: fault(box, step, rng)
