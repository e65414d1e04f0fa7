"""A table is the one that dvc.lock records: complete against the params of that run, and of no other."""

import hashlib
import re
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


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A checkout of a profile in which nothing was made, and whose dvc.lock records what is published of it."""
    outs = [
        f"data/{out}" for out in ("writings/one/fp32/matched.parquet", "steered/one/fp32.parquet", "layers", "vectors.zarr/one")
    ]
    readings = [
        f"data/activations/{out}" for out in ("one/fp32/stories.zarr", "one/fp32/matched-fp32", "two/fp16/stories.zarr")
    ]
    made = {"cmd": "true", "outs": [*outs, *({out: {"push": False}} for out in readings), "data/steered/new/fp32.parquet"]}
    write_yaml(tmp_path / "dvc.yaml", {"stages": {"all": made}})
    held = [{"path": out, "md5": "0" * 32} for out in [*outs, *readings]]
    write_yaml(tmp_path / "dvc.lock", {"schema": "2.0", "stages": {"all": {"cmd": "true", "outs": held}}})
    write_yaml(tmp_path / "params.yaml", {"profile": "small"})
    for name in ("one", "two", "other"):
        write_yaml(tmp_path / f"data/models/{name}.yaml", {})
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    return tmp_path


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (
            lambda: opening.activations("ones", "fp32", "stories"),
            "no activations of 'ones'; did you mean 'one'? there are one, two",
        ),
        (lambda: opening.activations("other", "fp32", "stories"), "no activations of 'other'; there are one, two"),
        (lambda: opening.finite("two", "fp32", "stories"), "no precision 'fp32'; there are fp16"),
        (
            lambda: opening.activations("one", "fp32", "storys"),
            "no reading 'storys'; did you mean 'stories'? there are matched-fp32/alone|prompted, stories",
        ),
        (
            lambda: opening.activations("one", "fp32", "matched-fp32"),
            "no reading 'matched-fp32'; did you mean 'matched-fp32/alone",
        ),
        (lambda: opening.writing("two", "fp32", "matched"), "no writings of 'two'; there are one"),
        (lambda: opening.writing("one", "fp32", "matchd"), "no setting 'matchd'; did you mean 'matched'? there are matched"),
        (lambda: opening.steered("two", "fp32"), "no steered texts of 'two'; there are new, one"),
        (lambda: opening.transcripts("one", "fp32"), "no transcripts of 'one'; there are none"),
    ],
)
def test_what_no_run_of_this_profile_makes_is_not_to_be_run_for(fresh, opened, said):
    """After a pull there are no readings: a name that is mistyped looked like one that is not made yet, and cost a run."""
    with pytest.raises(InputError, match=f"^profile small has {re.escape(said)}"):
        opened()


@pytest.mark.parametrize(
    ("opened", "command"),
    [
        (lambda: opening.activations("one", "fp32", "stories"), "dvc repro"),
        (lambda: opening.activations("one", "fp32", "matched-fp32/alone"), "dvc repro"),
        (lambda: opening.steered("new", "fp32"), "dvc repro"),
        (lambda: opening.writing("one", "fp32", "matched"), "make pull"),
        (lambda: opening.layers("one"), "make pull"),
        (opening.vectors, "make pull"),
    ],
)
def test_what_a_run_makes_is_to_be_pulled_where_the_lock_records_it_published(fresh, opened, command):
    with pytest.raises(InputError, match=f": not there; run `{command}` in ") as caught:
        opened()
    assert ("`make repro` if the run is your own" in str(caught.value)) == (command == "make pull")


def test_where_dvc_cannot_say_what_a_run_makes_the_lock_does(fresh):
    (fresh / "dvc.yaml").write_text("stages: {")
    with pytest.raises(InputError, match="^profile small has no writings of 'two'; there are one$"):
        opening.writing("two", "fp32", "matched")
    with pytest.raises(InputError, match="run `make pull`"):
        opening.writing("one", "fp32", "matched")
    (fresh / "dvc.lock").unlink()
    with pytest.raises(InputError, match="run `dvc repro`"):
        opening.writing("two", "fp32", "matched")


def test_of_a_folder_that_was_pulled_the_names_are_those_in_it(folder):
    """`make pull`, which has just been done, would not bring another."""
    (folder.parents[1] / "data/models/other.yaml").write_text("{}")
    with pytest.raises(InputError, match="no layers of 'other'; there are char_ngrams, tfidf, tiny-llama-3.2"):
        opening.layers("other")


def test_of_a_stage_the_lock_holds_the_params_that_its_tables_are_complete_against():
    """So `dvc repro` makes a table anew that is of older params, and one that was replaced: it compares outs, too. Which
    sections a stage loads, and that they stand there, is held in tests/test_dag.py."""
    made = [stage for stage, section in STAGES.items() if any("data/tables/" in str(out) for out in section["outs"])]
    assert len(made) > 10
    assert [stage for stage in made if not STAGES[stage].get("params")] == []
