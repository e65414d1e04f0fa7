"""How a stage starts (`pipeline.errors`)."""

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
