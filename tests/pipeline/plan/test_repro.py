"""How far a run is, from what DVC prints."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from pipeline.plan import plan, pulled, repro, stages

NAMES = ["roots", "read@a-fp32", "read@b-fp32", "vectors@a", "report"]
PLANNED = {"read@a-fp32": 100.0, "read@b-fp32": 300.0, "report": 10.0}


@pytest.fixture
def course():
    return repro.Course(NAMES, PLANNED)


def test_nothing_is_known_before_dvc_speaks(course):
    assert course.in_words(0.0) == "0 of 5 stages"
    assert course.seconds_left(0.0) == 410.0


def test_the_rest_is_what_the_plan_says_at_the_pace_so_far(course):
    course.hears("Stage 'roots' didn't change, skipping\n", 1.0)
    course.hears("Running stage 'read@a-fp32':\n", 2.0)
    course.hears("> python -m pipeline.reading.read a fp32\n", 2.0)
    assert course.seconds_left(52.0) == pytest.approx(50 + 300 + 10)  # half of this one, by the plan
    course.hears("Running stage 'read@b-fp32':\n", 202.0)  # it took twice what was planned
    assert course.passed == {"roots": 0.0, "read@a-fp32": 200.0}
    assert course.seconds_left(302.0) == pytest.approx(2 * 300 - 100 + 2 * 10)
    assert course.seconds_left(5000.0) == pytest.approx(20)  # never less than nothing of the one that runs
    assert course.in_words(302.0) == "stage 3 of 5: read@b-fp32, 2 min; about 9 min left"


def test_a_stage_from_the_cache_took_nothing_and_sets_no_pace(course):
    course.hears("Stage 'read@a-fp32' is cached - skipping run, checking out outputs\n", 0.5)
    assert course.passed == {"read@a-fp32": 0.0}
    assert course.seconds_left(1.0) == 310.0


def test_lines_come_through_as_they_are(course):
    out = io.StringIO()
    lines = ["Running stage 'roots':\n", "> a [bold]line[/bold] " + "long " * 60 + "\n", "other\n"]
    repro.follow(lines, course, Console(file=out, force_terminal=True, width=80, color_system=None))
    for line in lines:
        assert line.strip() in out.getvalue().replace("\n", " ").replace("  ", " ") or line.strip() in out.getvalue()


def test_every_stage_without_a_model_has_a_time(course):
    names = {name.split("@")[0] for name in stages.stage_names(stages.DAG, plan.PARAMS)}
    loading = {"read", "read_untrained", "read_varied", "read_second", "write", "read_writing", "steer", "ask"}
    assert {*plan.costs.CONCLUSIONS} == names - loading - {"fetch"}


@pytest.mark.parametrize("status", [0, 255])
def test_without_a_terminal_dvc_prints_itself_and_its_status_is_ours(monkeypatch, capfd, status, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "show", lambda *_: {"report": 60.0})
    monkeypatch.setattr(pulled, "to_run", lambda: None)
    monkeypatch.setattr(repro, "DVC", (sys.executable, "-c", f"print('as dvc prints'); raise SystemExit({status})"))
    if status:
        with pytest.raises(SystemExit) as ended:
            repro.main([])
        assert ended.value.code == status
    else:
        repro.main([])
    assert "as dvc prints" in capfd.readouterr().out


def test_where_the_plan_finds_nothing_to_do_dvc_is_not_started(monkeypatch, capfd):
    monkeypatch.setattr(plan, "show", lambda *_: {})
    monkeypatch.setattr(pulled, "to_run", lambda: None)
    monkeypatch.setattr(repro, "DVC", (sys.executable, "-c", "raise SystemExit(3)"))
    repro.main([])
    assert capfd.readouterr().out == ""


def test_in_a_terminal_stages_are_counted(tmp_path):
    """Under a real pseudo-terminal, with a command in place of DVC."""
    fake = "print(\"Running stage 'roots':\"); import time; time.sleep(1.5)"
    code = (
        "import sys; from pipeline.plan import plan, pulled, repro;"
        "plan.show = lambda *_: {'report': 60.0}; pulled.to_run = lambda: None;"
        f"repro.DVC = (sys.executable, '-c', {fake!r}); repro.main([])"
    )
    pytest.importorskip("pty")
    script = f"import pty, sys; sys.exit(pty.spawn([sys.executable, '-c', {code!r}]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "Running stage 'roots':" in done.stdout
    assert "stage 1 of" in done.stdout
    assert "left" in done.stdout
