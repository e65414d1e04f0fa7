"""A table is the one that dvc.lock records: complete against the params of that run, and of no other."""

import hashlib
import shutil

import polars as pl
import pytest
from dvc.repo import Repo

from pipeline import opening
from pipeline.errors import InputError
from pipeline.schemas.geometry import GEOMETRY
from pipeline.store import layout, tables
from tests.conftest import STAGES, write_yaml

PATH = tables.table_path("geometry")


@pytest.fixture
def repository(finished, tmp_path, monkeypatch):
    """A checkout whose dvc.lock records one table."""
    shutil.copytree(finished.folder / "data/models", tmp_path / "data/models")
    shutil.copy(finished.folder / "params.yaml", tmp_path)
    (tmp_path / PATH).parent.mkdir(parents=True)
    shutil.copy(finished.folder / PATH, tmp_path / PATH)
    md5 = hashlib.md5((tmp_path / PATH).read_bytes()).hexdigest()
    outs = [{"path": str(PATH), "md5": md5, "size": 1}, {"path": "data/layers", "md5": "0.dir", "nfiles": 1}]
    write_yaml(tmp_path / "dvc.lock", {"schema": "2.0", "stages": {"geometry": {"cmd": "c", "outs": outs}}})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "how",
    [
        lambda t: t.head(t.height // 2),
        lambda t: t.clear(),
        lambda t: t.with_columns(pl.col("layer") + 1),
        lambda t: t.filter(model="tiny-qwen2.5"),
    ],
)
def test_a_table_of_another_run_whose_own_digest_is_right_is_refused(repository, how):
    """Half of its rows, none, layers that moved, the rows of other params."""
    assert opening.table("geometry").height > 10
    tables.write_rows(how(tables.read_table(GEOMETRY)), PATH, GEOMETRY.metadata)
    with pytest.raises(
        InputError, match=r"geometry.parquet: not what dvc.lock of this repository records: .*; remove it and run `make pull`"
    ):
        opening.table("geometry")


def test_a_table_that_no_lock_records_opens(repository):
    tables.write_rows(tables.read_table(GEOMETRY).head(3), PATH, GEOMETRY.metadata)
    (repository / "dvc.lock").unlink()
    assert opening.table("geometry").height == 3
    (repository / "dvc.lock").write_text("{")
    assert opening.table("geometry").height == 3


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """A checkout whose dvc.lock records the layers as DVC itself does, and that holds them."""
    (tmp_path / "data").mkdir()
    shutil.copytree(finished.folder / "data/models", tmp_path / "data/models")
    shutil.copytree(finished.folder / layout.CHOSEN_LAYERS, tmp_path / layout.CHOSEN_LAYERS)
    shutil.copy(finished.folder / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True) as repo:
        repo.run(name="geometry", cmd="true", outs_persist=[str(layout.CHOSEN_LAYERS)], no_exec=True)
        repo.commit(force=True)
    return tmp_path / layout.CHOSEN_LAYERS


@pytest.mark.parametrize("opened", [lambda: opening.table("layers"), lambda: opening.layers("tfidf")])
def test_a_folder_that_has_lost_a_file_is_not_the_one_that_the_lock_records(folder, opened):
    """Nobody who opens it knows which there should be."""
    (folder / ".DS_Store").write_text("left by a file manager")
    assert opened().height > 10
    (folder / "tiny-qwen2.5.parquet").unlink()
    with pytest.raises(InputError, match="data/layers: not what dvc.lock of this repository records: .*`make pull`"):
        opened()


def test_of_a_stage_the_lock_holds_the_params_that_its_tables_are_complete_against():
    """So `dvc repro` makes a table anew that is of older params, and one that was replaced: it compares outs, too. Which
    sections a stage loads, and that they stand there, is held in tests/test_dag.py."""
    made = [stage for stage, section in STAGES.items() if any("data/tables/" in str(out) for out in section["outs"])]
    assert len(made) > 10
    assert [stage for stage in made if not STAGES[stage].get("params")] == []
