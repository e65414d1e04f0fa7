"""Every table says what it is, column by column."""

import json

import polars as pl
import pytest

from pipeline.schemas.every import FILES, TABLES
from pipeline.store import tables

EVERY = [*TABLES.values(), *FILES.values()]


@pytest.mark.parametrize("table", EVERY, ids=lambda t: t.name)
def test_no_column_without_a_line_of_its_own(table):
    for name, column in table.described.items():
        assert len(column.about.split()) >= 2, name
        assert column.about.endswith("."), name
        assert "\n" not in column.about, name


@pytest.mark.parametrize("table", EVERY, ids=lambda t: t.name)
def test_a_table_says_what_it_answers_and_what_a_row_is(table):
    assert table.question.endswith("?")
    assert table.grain.endswith(".")
    assert table.title
    assert set(table.keys) <= set(table.columns)
    assert len(table.keys) == len(set(table.keys))


def test_names_are_unique_and_names_of_files():
    assert all(name == table.name for name, table in TABLES.items())
    assert len({t.name for t in EVERY}) == len(EVERY)


def test_a_written_file_says_what_its_columns_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = TABLES["lineages"]
    row = table.blank() | {"precision": "fp32", "estimator": "rho_same", "n_pairs": 2, "median": 0.5}
    tables.write_table(table, [row])
    said = pl.read_parquet_metadata(tables.table_path("lineages"))
    assert json.loads(said["columns"]) == {name: column.about for name, column in table.described.items()}
    assert json.loads(said["keys"]) == table.keys
    assert (said["title"], said["question"], said["grain"]) == (table.title, table.question, table.grain)
    assert tables.read_table(table).to_dicts() == [row]


def test_every_file_of_a_finished_project_does(in_finished):
    files = [
        p
        for folder in ("tables", "layers", "writings", "steered", "transcripts")
        for p in (in_finished.folder / "data" / folder).rglob("*.parquet")
    ]
    assert len(files) > len(TABLES)
    for path in files:
        assert list(json.loads(pl.read_parquet_metadata(path)["columns"])) == pl.read_parquet(path).columns
