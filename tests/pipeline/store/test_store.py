import numpy as np
import polars as pl
import pytest
import xarray as xr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.schemas.every import TABLES
from pipeline.schemas.geometry import GEOMETRY
from pipeline.schemas.pairs import PAIRS
from pipeline.store import arrays, layout, roots, tables


def test_an_out_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "data/out.txt"
    with layout.whole_or_nothing(target) as scratch:
        scratch.write_text("old")
    with pytest.raises(RuntimeError), layout.whole_or_nothing(target) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert not list((tmp_path / ".scratch").iterdir())


def row(name, **values):
    return TABLES[name].blank() | values


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_tables_keys_come_first_and_are_its_columns(table):
    assert list(table.columns)[: len(table.keys)] == table.keys


def test_a_table_refuses_nan_repeated_keys_and_other_columns():
    good = row("geometry", model="m", precision="fp32", position="last", variant="centred", layer=0, accuracy=0.5)
    assert tables.assembled(GEOMETRY, [good]).height == 1
    with pytest.raises(ValueError, match="NaN in accuracy"):
        tables.assembled(GEOMETRY, [good | {"accuracy": float("nan")}])
    with pytest.raises(ValueError, match="two rows with the same keys"):
        tables.assembled(GEOMETRY, [good, good])
    with pytest.raises(ValueError, match="the schema says"):
        tables.assembled(GEOMETRY, [good | {"acuracy": 1.0}])


def test_a_tables_rows_are_sorted_whatever_order_they_come_in():
    rows = [row("geometry", model=m, layer=n) for m in "ba" for n in (2, 0, 1)]
    assert tables.assembled(GEOMETRY, rows).select("model", "layer").rows() == [(m, n) for m in "ab" for n in range(3)]


def test_what_params_no_longer_name_is_removed(project):
    for path in ("vectors.zarr/old", "vectors.zarr/tiny-qwen2.5", "activations/old/fp32", "activations/tiny-qwen2.5/nf4"):
        (project.folder / "data" / path).mkdir(parents=True)
    (project.folder / "data/activations/tiny-qwen2.5/fp16").mkdir()
    removed = {str(p) for p in roots.prune(roots.Params.load())}
    assert removed == {"data/vectors.zarr/old", "data/activations/old", "data/activations/tiny-qwen2.5/nf4"}
    assert not (project.folder / "data/activations/old").exists()
    assert (project.folder / "data/activations/tiny-qwen2.5/fp16").exists()


# --- opening ----------------------------------------------------------------------------------------------------------


def test_the_whole_store_opens_as_the_readme_says(in_finished):
    tree = xr.open_datatree("data/vectors.zarr", engine="zarr", consolidated=False)
    assert set(tree.children) == {"tiny-llama-3.2", "tiny-qwen2.5", "tiny-untrained"}
    vector = tree["tiny-qwen2.5/comprehension"]["vector"]
    assert vector.dims == layout.VECTOR_DIMS
    assert vector.sel(precision="fp16", position="mean50", layer=2, emotion="calm", variant="centred").shape == (64,)
    assert tree["tiny-untrained/comprehension"]["vector"].dims == ("seed", *layout.VECTOR_DIMS)
    assert not tree["tiny-qwen2.5"].data_vars
    assert all(
        (in_finished.folder / p).exists() for p in ("data/vectors.zarr/zarr.json", "data/vectors.zarr/tiny-qwen2.5/zarr.json")
    )


def test_what_is_not_there_says_how_to_get_it(project):
    with pytest.raises(InputError, match="stories.zarr: not there; .* is no checkout of this project: start Python in one"):
        opening.activations("tiny-qwen2.5", "fp32", "stories")
    with pytest.raises(InputError, match="vectors.zarr: not there; .* is no checkout of this project"):
        opening.vectors()
    with pytest.raises(InputError, match="pairs.parquet: not there"):
        opening.table("pairs")
    with pytest.raises(InputError, match="no table 'pair'; did you mean 'pairs'\\? there are behaviour, beyond"):
        opening.table("pair")


def test_a_missing_chunk_is_no_silent_nan(project):
    from pipeline.reading import read

    read.main(["tiny-qwen2.5", "fp32", "stories"])
    path = layout.activations_path("tiny-qwen2.5", "fp32", "stories")
    chunks = [p for p in (path / "activation").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(chunks) == 1  # one shard: few files for dvc to carry
    chunks[0].unlink()
    with pytest.raises(InputError, match="not readable: .*No such file.*remove it and run `dvc repro`"):
        opening.activations("tiny-qwen2.5", "fp32", "stories")


def test_arrays_of_other_dimensions_are_refused(in_finished):
    good = opening.activations("tiny-qwen2.5", "fp32", "stories")
    with pytest.raises(InputError, match="'activation' has .*float64"):
        arrays.check_activations(good.assign(activation=good["activation"].astype(np.float64)), layout.ACTIVATIONS)
    with pytest.raises(InputError, match="has no array 'finite'"):
        arrays.check_activations(good.drop_vars("finite"), layout.ACTIVATIONS)


def test_a_table_of_another_version_is_refused(project):
    tables.TABLES.mkdir(parents=True)
    tables.write_rows(pl.DataFrame({"model": ["m"]}), tables.table_path(PAIRS.name))
    with pytest.raises(InputError, match="its columns are not those of this version"):
        opening.table("pairs")
    tables.table_path(PAIRS.name).write_bytes(b"PAR1 broken")
    with pytest.raises(InputError, match="pairs.parquet: not readable"):
        opening.table("pairs")
