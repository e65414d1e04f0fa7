"""How a stage starts, and how a user's mistake ends it."""

import gc
import runpy
import sys
from importlib.machinery import ModuleSpec

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(("started", "asleep"), [("pipeline.reading.read", True), ("pytest.__main__", False), (None, False)])
def test_the_collector_sleeps_while_a_stage_is_imported_and_is_awake_when_it_runs(monkeypatch, started, asleep):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", started and ModuleSpec(started, None))
    awake = []
    try:
        errors = runpy.run_path(str(ROOT / "pipeline/errors.py"))
        assert gc.isenabled() != asleep
        errors["run_stage"](lambda _: awake.append(gc.isenabled()))
    finally:
        gc.unfreeze()
        gc.enable()
    assert awake == [True]


def test_a_mistake_is_its_message_and_a_status_of_failure(capsys):
    errors = runpy.run_path(str(ROOT / "pipeline/errors.py"))

    def main(_):
        raise errors["InputError"]("stories.csv: row 3: no label; name one")

    try:
        with pytest.raises(SystemExit, match="^error: stories.csv: row 3: no label; name one$") as ended:
            errors["run_stage"](main)
    finally:
        gc.unfreeze()
    assert ended.value.code
    assert capsys.readouterr() == ("", "")
