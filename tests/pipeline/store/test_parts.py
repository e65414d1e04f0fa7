"""A table in parts: each part with the table's columns, the whole as Polars itself reads it, and no row twice."""

import json

import polars as pl
import pytest

from pipeline import opening
from pipeline.errors import InputError
from pipeline.schemas.every import TABLES
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Column
from pipeline.store import parts, tables

MEALS = PartedTable(
    "meals",
    title="Meals",
    question="What is eaten?",
    grain="One dish.",
    described={
        "meal": Column(pl.String, "When it is eaten."),
        "dish": Column(pl.String, "What is eaten."),
        "n": Column(pl.Int64, "How many."),
    },
    keys=["meal", "dish"],
    by="meal",
    parts={"early": {"breakfast": "soon", "lunch": "at noon"}, "late": {"supper": "at night"}},
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts.write_part(MEALS, "late", [{"meal": "supper", "dish": "soup", "n": 3}])
    rows = [{"meal": meal, "dish": "bread", "n": None} for meal in ("lunch", "breakfast")]
    parts.write_part(MEALS, "early", rows)


def test_the_whole_is_what_polars_reads_of_all_parts_sorted_by_the_keys(written):
    whole = parts.read(MEALS)
    assert whole.rows() == [("breakfast", "bread", None), ("lunch", "bread", None), ("supper", "soup", 3)]
    assert pl.read_parquet(parts.pattern(MEALS)).sort(MEALS.keys).equals(whole)
    assert parts.read_part(MEALS, "late").rows() == [("supper", "soup", 3)]


def test_a_part_says_of_itself_what_the_table_is(written):
    for path in parts.paths(MEALS):
        said = pl.read_parquet_metadata(path)
        assert said["question"] == MEALS.question
        assert json.loads(said["keys"]) == MEALS.keys
        assert json.loads(said["parts"]) == MEALS.parts


def test_rows_of_another_part_other_columns_and_keys_that_stand_twice_are_refused(written):
    with pytest.raises(ValueError, match=r"meals: meal \['supper'\] is not of the part 'early'"):
        parts.write_part(MEALS, "early", [{"meal": "supper", "dish": "soup", "n": 1}])
    with pytest.raises(ValueError, match=r"meals: meal \['None'\] is not of the part 'early'"):
        parts.write_part(MEALS, "early", [{"meal": None, "dish": "soup", "n": 1}])
    with pytest.raises(ValueError, match="a row has the columns"):
        parts.write_part(MEALS, "late", [{"meal": "supper", "dish": "soup"}])
    with pytest.raises(ValueError, match="two rows with the same keys"):
        parts.write_part(MEALS, "late", [{"meal": "supper", "dish": "soup", "n": 1}] * 2)
    assert parts.read_part(MEALS, "late")["n"].to_list() == [3]  # what was there stays


def test_a_part_that_is_missing_changed_or_stands_twice_is_named(written):
    early, late = parts.paths(MEALS)
    content = late.read_bytes()
    late.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    with pytest.raises(InputError, match=r"meals/late.parquet: not what was written"):
        parts.read(MEALS)
    late.write_bytes(early.read_bytes())
    with pytest.raises(InputError, match=r"meals/\*.parquet: two parts have a row with the same keys"):
        parts.read(MEALS)
    late.unlink()
    with pytest.raises(InputError, match="meals/late.parquet: not there"):
        parts.read(MEALS)


def test_a_table_that_is_not_in_parts_is_one_file(in_finished):
    assert parts.paths(TABLES["pairs"]) == [tables.table_path("pairs")]
    assert parts.read(TABLES["pairs"]).equals(opening.table("pairs"))


@pytest.mark.parametrize("table", [t for t in TABLES.values() if isinstance(t, PartedTable)], ids=lambda t: t.name)
def test_no_value_belongs_to_two_parts_and_all_have_rows_in_one_table(in_finished, table):
    values = [value for own in table.parts.values() for value in own]
    assert len(values) == len(set(values))
    assert table.by in table.keys
    whole = opening.table(table.name)
    assert whole.schema == table.columns
    assert whole.height == sum(parts.read_part(table, part).height for part in table.parts)
    files = sorted((in_finished.folder / tables.TABLES / table.name).iterdir())
    assert files == sorted(in_finished.folder / path for path in parts.paths(table))
