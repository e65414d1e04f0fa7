"""DVC's cache is not spoilt by what happens to an out, a spoilt one is found, and the remedies that messages name work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.publish import verify
from pipeline.store import arrays, layout
from tests.conftest import ROOT

NAME = "data/activations/tiny-llama-3.2/fp32/stories.zarr"


def test_no_out_is_a_link_to_what_dvc_keeps():
    kinds = re.search(r'type = "([\w,]+)"', (ROOT / ".dvc/config").read_text())[1].split(",")
    assert set(kinds) <= {"reflink", "copy"}


@pytest.fixture
def kept(finished, tmp_path, monkeypatch) -> Path:
    """A repository in which DVC has kept one reading, of which the finished project is the source."""
    source = finished.folder / NAME
    dvc = (sys.executable, "-m", "dvc")
    command = f"mkdir -p {Path(NAME).parent} && rm -rf {NAME} && cp -r {source} {NAME}"
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  read:\n    cmd: {command}\n    outs: [{NAME}]\n")
    monkeypatch.chdir(tmp_path)
    for command in (("git", "init", "-q"), (*dvc, "init", "-q")):
        subprocess.run(command, check=True)
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    subprocess.run((*dvc, "repro", "-q"), check=True)
    return tmp_path


def shard() -> Path:
    return next(p for p in (Path(NAME) / "activation/c").rglob("*") if p.is_file())


def spoil(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:  # in place: what shares the file's blocks would be spoilt, too
        file.seek(1000)
        file.write(b"spoilt")


def opened():
    return arrays.activations("tiny-llama-3.2", "fp32", "stories")


def test_an_out_that_is_overwritten_in_place_comes_back_as_the_message_says(kept):
    truth = opened()
    spoil(shard())
    with pytest.raises(InputError, match=r"stories.zarr: .*; remove it and run `dvc repro`"):
        opened()
    assert not list(verify.spoilt(verify.CACHE))
    shutil.rmtree(layout.activations_path("tiny-llama-3.2", "fp32", "stories"))
    subprocess.run((sys.executable, "-m", "dvc", "repro", "-q"), check=True)
    assert opened().identical(truth)


def test_a_spoilt_object_of_the_cache_is_named_and_its_remedy_works(kept):
    truth = opened()
    content = shard().read_bytes()
    (bad,) = (p for p in verify.CACHE.glob("??/*") if p.read_bytes() == content)
    spoil(bad)
    with pytest.raises(
        InputError, match=r"1 objects are spoilt; remove them \(rm -f .*\) and run `make pull`, or `dvc repro`"
    ) as caught:
        verify.verify(kept)
    subprocess.run(re.search(r"\((rm -f .*)\)", str(caught.value))[1].split(), check=True)
    shutil.rmtree(NAME)
    subprocess.run((sys.executable, "-m", "dvc", "repro", "-q"), check=True)
    assert opened().identical(truth)
    assert not list(verify.spoilt(verify.CACHE))


def test_a_whole_project_is_whole_and_a_broken_reading_is_found(finished, tmp_path):
    for name in ("data", "params.yaml"):
        copy = shutil.copytree if (finished.folder / name).is_dir() else shutil.copy
        copy(finished.folder / name, tmp_path / name)
    assert verify.verify(tmp_path) > 10
    spoil(next(p for p in (tmp_path / NAME / "activation/c").rglob("*") if p.is_file()))
    with pytest.raises(InputError, match="stories.zarr: "):
        verify.verify(tmp_path)


def test_the_cache_is_looked_at_where_dvc_has_it(kept, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("disk")
    assert verify.cache_of(kept) == kept / verify.CACHE
    subprocess.run((sys.executable, "-m", "dvc", "cache", "dir", "-q", "--local", str(elsewhere)), check=True)
    subprocess.run((sys.executable, "-m", "dvc", "commit", "-fq"), check=True)
    shutil.rmtree(kept / verify.CACHE)
    (bad, *_) = sorted(p for p in elsewhere.rglob("*") if p.is_file() and p.stat().st_size > 2000)
    spoil(bad)
    with pytest.raises(InputError, match=rf"^{elsewhere}/files/md5: 1 objects are spoilt; remove them \(rm -f {bad}\)"):
        verify.verify(kept)
