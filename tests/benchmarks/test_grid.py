"""The grid of a paper's size still runs: two tiny models through both stages, and nothing of it stays."""

import pytest

from analysis.controls import human
from analysis.grid import pairs
from benchmarks import grid
from pipeline.store import layout, tables
from tests.conftest import ROOT


def test_both_stages_run_on_drawn_activations_and_leave_all_as_it_was(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(grid, "SIZES", [(6, 16)])
    monkeypatch.chdir(tmp_path)
    before = [vars(m).copy() for m in (pairs, human)], tables.TABLES, layout.CHOSEN_LAYERS, layout.SCRATCH, pairs.Params.load
    whole = grid.Sections.load(ROOT / "params.yaml")
    small = {"permutations": 99, "shuffles": 19, "bootstrap": 40}
    few = whole.model_copy(
        update={
            "rsa": whole.rsa.model_copy(update=small),
            "geometry": whole.geometry.model_copy(update={"halvings": 5}),
            "human": whole.human.model_copy(update={"bootstrap": 40}),
        }
    )
    monkeypatch.setattr(grid.Sections, "load", classmethod(lambda _cls, _path: few))
    grid.main(["--models", "3", "--precisions", "1", "--methods", "1", "--stories", "504"])
    said = capsys.readouterr().out
    assert said.startswith("3 readers, 3 pairs, 504 stories, 2 positions")
    assert "analysis.grid.pairs: " in said
    assert "analysis.controls.human: " in said
    after = [vars(m).copy() for m in (pairs, human)], tables.TABLES, layout.CHOSEN_LAYERS, layout.SCRATCH, pairs.Params.load
    assert after == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["models", "stories"])
def test_what_is_asked_is_a_number(name, capsys):
    with pytest.raises(SystemExit):
        grid.main([f"--{name}", "many"])
    assert "invalid int value: 'many'" in capsys.readouterr().err
