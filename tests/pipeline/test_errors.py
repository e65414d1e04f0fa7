"""How a stage ends: right, or in one line and exit status 2; and never with inputs that changed meanwhile."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from pipeline import errors
from pipeline.errors import InputError
from pipeline.params.reading import Reading, ReadingSections
from pipeline.store import layout
from pipeline.store.tables import read_rows, write_rows
from pipeline.texts import stimuli
from tests.conftest import ROOT


def ended(main, *arguments):
    """Exit status (0: it came back) of a stage's main in `run_stage`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage", *arguments])
        try:
            errors.run_stage(main)
        except SystemExit as stop:
            return stop.code
    return 0


def reading_stage(edit):
    """A stage that reads params, stories and a table, writes an out, and in whose midst something is edited."""

    def main(_):
        params = ReadingSections.load()
        stimuli.load(params.readings["stories"])
        read_rows(Path("data/table.parquet"), pl.Schema({"a": pl.Int64}))
        with layout.whole_or_nothing(Path("data/out.txt")) as out:
            edit()
            out.write_text("new")

    return main


@pytest.fixture
def stage(project):
    write_rows(pl.DataFrame({"a": [1]}), Path("data/table.parquet"))
    Path("data/out.txt").write_text("old")
    return project


def test_a_stage_whose_inputs_hold_still_ends_well(stage):
    assert ended(reading_stage(lambda: None)) == 0
    assert Path("data/out.txt").read_text() == "new"
    assert errors._noted.get() is None


@pytest.mark.parametrize("name", ["params.yaml", "data/stimuli/stories.csv", "data/table.parquet"])
def test_an_input_that_changes_meanwhile_is_named_and_nothing_is_put_in_place(stage, name, capsys):
    def edit():
        if name == "params.yaml":
            stage.params["read"]["batch_texts"] += 1
            stage.save()
        else:
            Path(name).write_bytes(Path(name).read_bytes() + b"x")

    assert ended(reading_stage(edit)) == errors.MISTAKE
    said = capsys.readouterr().err
    assert said.startswith(f"error: {name}: changed while this stage ran")
    assert said.count("\n") == 1
    assert Path("data/out.txt").read_text() == "old"
    assert not list(layout.SCRATCH.iterdir())


def test_what_a_stage_does_not_read_may_change(stage):
    def edit():
        stage.params["rsa"]["permutations"] = 10
        stage.params["profile"] = "another"
        stage.save()
        Path("data/stimuli/neutral.csv").write_text("")

    assert ended(reading_stage(edit)) == 0


def test_an_input_that_is_written_anew_with_the_same_content_is_the_same(stage):
    assert ended(reading_stage(lambda: Path("params.yaml").write_text(Path("params.yaml").read_text() + "# a comment"))) == 0


def test_a_folder_is_noted_by_names_sizes_and_times(tmp_path):
    (tmp_path / "weights").write_bytes(b"a")

    def main(_):
        errors.note_folder(tmp_path)
        (tmp_path / "weights").write_bytes(b"bc")

    assert ended(main) == errors.MISTAKE


def test_outside_a_stage_nothing_is_noted(tmp_path):
    errors.note_file(tmp_path / "nothing")
    errors.check_noted()


@pytest.mark.parametrize("code", errors.PLACE)
def test_a_place_that_cannot_be_written_is_one_line(code, capsys):
    def main(_):
        raise OSError(code, "words of the system", "data/tables/x")

    assert ended(main) == errors.MISTAKE
    said = capsys.readouterr().err
    assert said.startswith(f"error: data/tables/x: {errors.PLACE[code]}")
    assert said.count("\n") == 1


def of_numpy(_):
    np.empty(2**60, np.float32)


def of_torch(_):
    torch.empty(2**60)


def of_a_gpu(_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("main", [of_numpy, of_torch, of_a_gpu])
def test_a_memory_that_is_short_is_one_line(main, capsys):
    assert ended(main) == errors.MISTAKE
    said = capsys.readouterr().err
    assert said.startswith("error: memory is short: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "fault", [OSError(errno.EBADF, "a fault"), RuntimeError("a fault"), BrokenPipeError(errno.EPIPE, "a fault")]
)
def test_a_fault_of_ours_keeps_its_traceback(fault):
    def main(_):
        raise fault

    with pytest.raises(type(fault), match="a fault"):
        ended(main)


def test_a_mistake_is_status_2(capsys):
    def main(_):
        raise InputError("a.csv: row 3")

    assert ended(main) == 2
    assert capsys.readouterr().err == "error: a.csv: row 3\n"


@pytest.mark.parametrize(
    ("asked", "given", "right"),
    [
        ("python -m a.b MODEL PRECISION", ["m"], False),
        ("python -m a.b MODEL PRECISION", ["m", "p"], True),
        ("python -m a.b MODEL PRECISION", ["m", "p", "q"], False),
        ("python -m a.b", [], True),
        ("python -m a.b", ["x"], False),
        ("    python -m a.b MODEL READING [READING ...]", ["m"], False),
        ("    python -m a.b MODEL READING [READING ...]", ["m", "r", "s", "t"], True),
        ("python -m a.b [PARAMS]", [], True),
        ("python -m a.b [PARAMS]", ["x", "y"], False),
        ("python -m a.b [FILE] [--strict]", ["x", "y", "z"], True),  # checks its own
        (None, ["x"], True),
    ],
)
def test_arguments_are_as_many_as_the_module_says(asked, given, right):
    if right:
        errors._arguments_are_as_asked(given, asked)
    else:
        with pytest.raises(InputError, match="write python -m a.b"):
            errors._arguments_are_as_asked(given, asked)


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("pipeline.store.roots", ["x"], "1 arguments: x; write python -m pipeline.store.roots"),
        ("pipeline.plan.lint", ["a", "b"], "python -m pipeline.plan.lint"),
    ],
)
def test_a_module_that_is_called_wrongly_says_how(module, arguments, said):
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert said in done.stderr


def to_nobody(*command, unbuffered=""):
    """Exit status and stderr of a command whose stdout is a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    environment, said = os.environ | {"PYTHONUNBUFFERED": unbuffered}, subprocess.PIPE
    try:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, stdout=writes, stderr=said, text=True)
    finally:
        os.close(writes)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("main", "status"),
    [
        ("print('a line')", 0),  # all was done before it was printed
        ("print('x' * 100_000); print('not reached', file=sys.stderr)", 1),
        ("print('a line', flush=True)", 1),
        ("print('a line'); sys.exit(3)", 3),
    ],
)
def test_a_closed_pipe_is_a_quiet_end(main, status):
    code = f"import sys; from pipeline.errors import run_stage\ndef main(_): {main}\nrun_stage(main)"
    assert to_nobody("-c", code) == (status, "")


def test_a_mistake_and_a_fault_of_ours_are_said_though_nobody_reads_the_rest():
    code = "from pipeline.errors import InputError, run_stage\ndef main(_):\n print('a line')\n raise {}\nrun_stage(main)"
    assert to_nobody("-c", code.format("InputError('a.csv: row 3')")) == (2, "error: a.csv: row 3\n")
    status, said = to_nobody("-c", code.format("RuntimeError('a fault')"))
    assert (status, said.splitlines()[-1]) == (1, "RuntimeError: a fault")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("module", [["pipeline.plan.lint"], ["pipeline.plan.plan", "profiles/quick.yaml"]])
def test_what_prints_much_ends_quietly_where_nobody_reads(module, unbuffered):
    status, said = to_nobody("-m", *module, unbuffered=unbuffered)
    assert said == ""
    assert status in (0, 1)


def test_a_line_can_be_read_whatever_a_user_hands_over(tmp_path):
    """JSON lines under the name of a CSV have a whole story for a column."""
    path = tmp_path / "stories.csv"
    path.write_text('{"text": "' + "A long way. " * 90_000 + '"}\n')
    with pytest.raises(InputError) as caught:
        stimuli.load(Reading(path=path, positions=["last"]))
    said = str(caught.value)
    assert len(said) < 2 * errors.LONGEST
    assert said.startswith(f"{path}: no column 'text'")
    assert said.endswith("Name the right one in params.yaml, columns.text")
