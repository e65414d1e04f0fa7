"""An out takes the place of the old one whole, on whatever disk; what a kill left is cleaned up, and nobody else's."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.store import layout
from tests.conftest import ROOT

OUT = Path("data/out")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(words, kind="folder"):
    with layout.whole_or_nothing(OUT) as scratch:
        if kind == "file":
            scratch.write_text(words)
        else:
            scratch.mkdir()
            (scratch / "words").write_text(words)


def words():
    return (OUT / "words").read_text() if OUT.is_dir() else OUT.read_text()


def left():
    return [p for place in (OUT.parent, layout.SCRATCH) for p in place.iterdir() if p.name.startswith(layout.UNFINISHED)]


@pytest.mark.parametrize("old", ["folder", "file", "link", "dead link", None])
@pytest.mark.parametrize("new", ["folder", "file"])
def test_the_new_takes_the_place_of_the_old_whatever_it_was(old, new):
    OUT.parent.mkdir()
    Path("elsewhere").mkdir()
    if old in ("folder", "file"):
        make("old", old)
    elif old:
        OUT.symlink_to(Path("elsewhere" if old == "link" else "nowhere").absolute())
    make("new", new)
    assert words() == "new"
    assert not OUT.is_symlink()
    assert not list(Path("elsewhere").iterdir())
    assert not left()


@pytest.mark.parametrize("other", ["file", "dead link"])
@pytest.mark.parametrize("place", ["data", ".scratch"])
def test_something_else_where_a_folder_should_be_is_named(place, other):
    Path(place).write_text("a note") if other == "file" else Path(place).symlink_to("nowhere")
    with pytest.raises(InputError, match=f"^{place}: no folder, as it should be; remove it and run `dvc repro`"):
        make("new")


def other_disk(monkeypatch):
    """A kernel for which `.scratch` is another file system than `data`."""

    def moving(true):
        def move(source, target):
            if len({".scratch" in Path(p).parts for p in (source, target)}) == 2:
                raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
            return true(source, target)

        return move

    for name in ("replace", "rename"):
        monkeypatch.setattr(os, name, moving(getattr(os, name)))


@pytest.mark.parametrize("old", ["folder", "file", None])
@pytest.mark.parametrize("new", ["folder", "file"])
def test_an_out_on_another_disk_is_written_there(old, new, monkeypatch):
    other_disk(monkeypatch)
    if old:
        make("old", old)
    make("new", new)
    assert words() == "new"
    assert [p.name for p in Path("data").iterdir()] == ["out"]
    assert not left()


@pytest.mark.parametrize("other", [False, True])
def test_where_the_move_fails_the_old_one_stays(monkeypatch, other):
    make("old")
    if other:
        other_disk(monkeypatch)
    true = os.replace

    def full(source, target):
        if Path(target) == OUT:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return true(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        make("new")
    assert words() == "old"
    assert not left()


def killed(code: str) -> subprocess.Popen:
    """A process that says so when it has come to where it would be killed, and waits there."""
    whole = "import sys, time\nfrom pathlib import Path\nfrom pipeline.store import layout\n" + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", whole], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert process.stdout.readline() == "here\n"
    return process


BUILDING = """
with layout.whole_or_nothing(Path("data/other")) as scratch:
    scratch.write_text("half")
    print("here", flush=True)
    time.sleep(60)
"""


def test_what_a_kill_left_is_removed_and_what_another_process_builds_is_not():
    process = killed(BUILDING)
    try:
        make("one")
        alive = left()
        assert [p.suffix for p in sorted(alive)] == ["", ".lock"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert sorted(left()) == sorted(alive)
        make("two")
        assert not left()
        assert words() == "two"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_scratch_keeps_files_and_nothing_that_stands_in_their_place():
    folder = layout.SCRATCH / "read/abc"
    (folder / "00002.crc/below").mkdir(parents=True)
    (folder / "batch").write_text("kept")
    with layout.taken(folder):
        assert [p.name for p in folder.iterdir()] == ["batch"]
    shutil.rmtree(folder)
    folder.write_text("no folder")
    with (
        pytest.raises(InputError, match=r"read/abc: no folder, as it should be; remove it and run `dvc repro`"),
        layout.taken(folder),
    ):
        pass


def test_scratch_that_another_process_uses_is_refused_and_not_removed():
    folder = layout.SCRATCH / "read/abc"
    process = killed(
        """
        with layout.taken(Path(".scratch/read/abc")) as folder:
            (folder / "batch").write_text("kept")
            print("here", flush=True)
            time.sleep(60)
        """
    )
    try:
        with (
            pytest.raises(InputError, match=r"read/abc: another process does the same work now; wait for it, or stop it"),
            layout.taken(folder),
        ):
            pass
        layout.discard(folder)
        assert (folder / "batch").read_text() == "kept"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    with layout.taken(folder):
        assert (folder / "batch").read_text() == "kept"  # what a kill left is gone on with
    layout.discard(folder)
    assert not list(folder.parent.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_place_is_said(capsys):
    Path("data").mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        make("new")


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="needs a file system of its own")
def test_a_full_disk_keeps_the_old_one(tmp_path):
    OUT.parent.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path / "data")], capture_output=True)
    if done.returncode:
        pytest.skip("no mounts here")
    try:
        make("old")
        with pytest.raises(OSError, match="No space left"):
            make("new" * 100_000)
        assert words() == "old"
        assert [p.name for p in Path("data").iterdir()] == ["out"]
        make("new")
        assert words() == "new"
    finally:
        subprocess.run(["umount", str(tmp_path / "data")], check=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (layout.activations_path("a-1.5", "fp32", "stories"), {"model": "a-1.5", "precision": "fp32", "reading": "stories"}),
        (layout.activations_path("a", "fp32", "paper/int8/alone"), {"reading": "paper/int8/alone"}),
        (Path("/elsewhere") / layout.writings_path("a-1.5", "int8", "paper"), {"model": "a-1.5", "precision": "int8"}),
        (layout.steered_path("a-1.5", "fp32"), {"model": "a-1.5", "precision": "fp32"}),
        (layout.transcripts_path("a-1.5", "fp32"), {"model": "a-1.5", "precision": "fp32"}),
        (layout.chosen_layers_path("a-1.5"), {}),
        (Path("data/tables/pairs.parquet"), {}),
    ],
)
def test_a_path_says_whose_its_content_is(path, place):
    found = layout.place_of(path)
    assert found.items() >= place.items()
    assert bool(found) == bool(place)
