"""The fault matrix, short form: some faults of every kind, in a finished run; and that the judge itself can tell them apart."""

from __future__ import annotations

from functools import partial

import polars as pl
import pytest

from pipeline.store import tables
from tests.faults import damage, kinds, processes
from tests.faults.kinds import CLEAR, SAME, SILENT, STUCK, TRACEBACK, Found
from tests.faults.matrix import Edge, edges
from tests.faults.project import Box
from tests.faults.stages import Ended, Step, seeded

KILLED = ("read", "write", "vectors", "steer", "ask", "gram", "claims")
CHEAP = ("vectors", "steer", "claims", "steering", "behaviour", "maturity", "headline", "read_writing", "human", "paper")
"""Stages whose process ends within a second."""


@pytest.fixture(scope="module")
def box(finished, tmp_path_factory) -> Box:
    return Box(finished.folder, tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def cheap(box) -> list[Edge]:
    return [edge for kind in CHEAP for edge in edges(box, one(box, kind))]


def one(box, kind) -> Step:
    return processes.of_kind(box, kind)[0]


def holds(found: Found) -> None:
    assert not kinds.bad([found]), kinds.bad([found])


@pytest.mark.parametrize("kind", [*damage.SPOILS, *damage.OF_TABLES, *damage.LEAVES, *damage.FORBIDS])
def test_a_damaged_input_is_a_clear_error_whose_remedy_works_or_the_same_bytes(box, cheap, kind):
    rng = seeded("short", kind)
    how = (damage.SPOILS | damage.OF_TABLES | damage.LEAVES | damage.FORBIDS)[kind]
    out, step = rng.choice([(o, s) for o, s in cheap if o.endswith(".parquet") or kind not in damage.OF_TABLES])
    found = box.spoil(step, out, kind, how, rng, kind not in damage.SPOILS)
    holds(found)
    assert kind not in damage.LEAVES or found.outcome == SAME


@pytest.mark.parametrize("kind", KILLED)
def test_a_stage_that_is_killed_comes_to_the_same_bytes(box, kind):
    holds(processes.killed(box, one(box, kind), seeded("short", kind)))


def test_what_a_killed_stage_kept_is_read_again_where_it_is_spoilt(box):
    for fault in (processes.scratch_spoilt, processes.batches_exchanged):
        holds(fault(box, one(box, "read"), seeded("short", fault.__name__)))


@pytest.mark.parametrize(
    "fault", [partial(processes.disk_full, room=2000), partial(processes.disk_full, room=2001), processes.no_permission]
)
def test_a_place_that_cannot_be_written_is_a_clear_error(box, fault):
    for kind in ("vectors", "claims"):
        found = fault(box, one(box, kind), seeded("short", kind))
        holds(found)
        assert found.outcome == CLEAR


def test_two_processes_at_once_and_an_input_that_is_edited(box):
    holds(processes.two_at_once(box, one(box, "write"), seeded("short")))
    holds(processes.input_edited(box, one(box, "steer"), seeded("short")))


# --- the judge -----------------------------------------------------------------------------------------------------------


def test_the_judge_finds_what_it_looks_for(box):
    step = one(box, "claims")
    (out,) = step.outs
    try:
        assert box.judge(step, Ended(0, ""))[0] == SAME
        assert box.judge(step, Ended(1, "Traceback (most recent call last)\nKeyError: 'x'"))[0] == TRACEBACK
        assert box.judge(step, Ended(None, ""))[0] == STUCK
        assert box.judge(step, Ended(2, "error: a/b: not there"))[0] == CLEAR
        assert box.judge(step, Ended(2, "error: a\nTraceback (most recent call last)"))[0] == TRACEBACK
        frame = pl.read_parquet(box.folder / out)
        tables.write_rows(frame.head(1), box.folder / out)
        assert box.judge(step, Ended(0, ""))[0] == SILENT
        assert box.judge(step, Ended(2, "error: a/b: not there"))[0] == SILENT  # half done
        assert box.missing() == [step]
    finally:
        box.mend()
    assert box.missing() == []


def test_a_remedy_that_does_not_work_is_found(box):
    step = one(box, "claims")
    said = "error: data/nothing/at/all: broken; remove it and run `dvc repro`"
    assert box.remedied(step, said)[0] == STUCK
    assert box.remedied(step, "error: params.yaml: read: unknown key")[0] == CLEAR


def test_counts_are_printed_by_kind_and_bad_ones_one_by_one():
    found = [Found("a", "x", SAME), Found("b", "x", CLEAR, "w"), Found("c", "y", SILENT, "other bytes")]
    assert kinds.table(found).splitlines()[-1].split() == ["all", "3", "1", "1", "1", "0", "0"]
    assert kinds.bad(found) == ["SILENT: y: c: other bytes"]


def test_the_clock_and_extra_files_are_in_the_matrix_and_every_stage_that_runs_a_model_is_killed():
    assert {"clock", "extra file", "read-only"} == set(damage.LEAVES)
    assert {"read", "write", "steer", "ask", "vectors", "geometry", "pairs", "claims", "report"} <= set(processes.KINDS)
