"""What lies on disk is what was written: whatever is changed in a file is an error or changes nothing that is read."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

from pipeline import opening
from pipeline.errors import InputError
from pipeline.schemas.geometry import GEOMETRY, LAYERS
from pipeline.store import arrays, chosen_layers, integrity, layout, tables

A, B = "tiny-llama-3.2", "tiny-qwen2.5"
READING = layout.activations_path(A, "fp32", "stories")


@pytest.fixture
def data(finished, tmp_path, monkeypatch) -> Path:
    """What the finished project made, to break: one reading, the vectors, the tables."""
    for path in (READING, layout.VECTORS, tables.TABLES, layout.CHOSEN_LAYERS):
        shutil.copytree(finished.folder / path, tmp_path / path)
    shutil.copy(finished.folder / "params.yaml", tmp_path)
    shutil.copytree(finished.folder / "data/models", tmp_path / "data/models")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def activations():
    return arrays.activations(A, "fp32", "stories")


def vectors():
    return opening.validate(opening.open_vectors())[f"{A}/comprehension"].to_dataset().load()


def layers():
    return chosen_layers.of(A)


@pytest.mark.parametrize(
    ("place", "opened", "n"),
    [(READING, activations, 60), (layout.VECTORS / A, vectors, 40), (layout.chosen_layers_path(A), layers, 120)],
)
def test_a_flipped_bit_is_an_error_or_changes_nothing(data, rng, place, opened, n):
    """One random bit each, three of four in numbers and coordinates, the others in what Zarr says of them."""
    truth = opened()
    files = [p for p in place.rglob("*") if p.is_file()] if place.is_dir() else [place]
    caught = 0
    for i in range(n):
        kind = [p for p in files if (p.name == "zarr.json") == (i % 4 == 0)] or files
        path = kind[rng.integers(len(kind))]
        content = path.read_bytes()
        path.write_bytes(flipped(content, int(rng.integers(8 * len(content)))))
        try:
            same = opened()
            assert same.equals(truth) if isinstance(same, pl.DataFrame) else same.identical(truth), path
        except InputError:
            caught += 1
        finally:
            path.write_bytes(content)
    assert caught > n / 2


@pytest.mark.parametrize("name", ["activation", "embedding", "vector"])
def test_every_inner_chunk_of_a_shard_is_held_whatever_part_is_read(data, name):
    place = READING / name if name != "vector" else layout.VECTORS / A / "comprehension/vector"
    shard = next(p for p in (place / "c").rglob("*") if p.is_file())
    content = shard.read_bytes()
    for at in np.linspace(0, len(content) - 1, 12).astype(int):
        shard.write_bytes(flipped(content, 8 * int(at)))
        with pytest.raises(InputError, match="not readable|not what was written|whole"):
            vectors() if name == "vector" else activations()
    shard.write_bytes(content)


def test_a_shard_of_another_reading_is_refused_though_all_its_checksums_are_right(data, finished):
    shutil.rmtree(READING / "activation")
    shutil.copytree(finished.folder / layout.activations_path(A, "fp16", "stories") / "activation", READING / "activation")
    for only in ({}, {"position": ["last"]}):
        with pytest.raises(InputError, match="'activation' is not what was written"):
            arrays.activations(A, "fp32", "stories", **only)
    with pytest.raises(InputError, match="'activation' is not what was written"):
        arrays.finite(A, "fp32", "stories")


def rewritten(path: Path, name: str, how) -> None:
    """A coordinate written anew with other values, as a careless script would."""
    with xr.open_zarr(path, consolidated=False) as opened:
        dataset = opened[[name]].load()
    values = dataset[name].copy(data=how(dataset[name].values))
    values.encoding = {}
    xr.Dataset(coords={name: values}).to_zarr(path, mode="r+", consolidated=False)


@pytest.mark.parametrize("name", ["position", "emotion", "topic", "stimulus", "n_tokens", "layer"])
def test_coordinates_that_are_exchanged_are_refused(data, name):
    rewritten(READING, name, lambda values: values[::-1].copy())
    with pytest.raises(InputError, match=f"'{name}' is not what was written"):
        activations()


@pytest.mark.parametrize("name", ["emotion", "position", "precision", "layer"])
def test_coordinates_of_vectors_that_are_exchanged_are_refused_by_every_door(data, name):
    group = layout.VECTORS / A / "comprehension"
    rewritten(group, name, lambda values: values[::-1].copy())
    for opened in (lambda: arrays.vectors_of(A), arrays.vectors, opening.vectors, lambda: opening.vectors_of(A)):
        with pytest.raises(InputError, match=f"'{name}' is not what was written"):
            opened()
    with pytest.raises(InputError, match=f"'{name}' is not what was written"):
        opening.validate(xr.open_datatree(layout.VECTORS, engine="zarr", consolidated=False))


def test_vectors_that_are_changed_in_memory_are_not_those_that_were_written(data):
    dataset = vectors()
    with pytest.raises(InputError, match="'vector' is not what was written"):
        opening.validate(xr.DataTree.from_dict({"/a/b": dataset.assign(vector=dataset["vector"] * 2)}))


def test_a_deleted_chunk_array_or_attribute_is_refused(data):
    (READING / "emotion/c/0").unlink()
    with pytest.raises(InputError, match="stories.zarr: "):
        activations()
    shutil.rmtree(READING / "emotion")
    with pytest.raises(InputError, match="'emotion' is not there"):
        activations()
    node = json.loads((layout.VECTORS / A / "zarr.json").read_text())
    for changed in ({"precisions": {}}, {"model": B}, {integrity.SEAL: None}):
        (layout.VECTORS / A / "zarr.json").write_text(json.dumps(node | {"attributes": node["attributes"] | changed}))
        for opened in (arrays.vectors, opening.vectors):
            with pytest.raises(InputError, match="attributes are not those|has no digests"):
                opened()


def test_a_part_does_not_carry_the_digests_of_the_whole(data):
    assert integrity.SEAL not in arrays.activations(A, "fp32", "stories", position=["last"]).attrs
    assert integrity.SEAL not in arrays.vectors_of(A).attrs


def test_digests_are_of_values_not_of_how_they_are_encoded(data):
    found = activations()
    with xr.open_zarr(READING, consolidated=False) as lazy:
        written = lazy.attrs[integrity.SEAL]["values"]
        assert integrity.values_of(lazy) == written
    assert integrity.values_of(found) == written
    for changed in (found["finite"].T, found["finite"].astype(np.int8), ~found["finite"], found["finite"][1:]):
        assert integrity.of_values(changed) != written["finite"]
    nan = xr.Variable("x", np.array([np.nan, 1.0], dtype=np.float32))
    other = nan.copy(data=np.array([0x7FC00001, 0x3F800000], dtype=np.uint32).view(np.float32))
    assert integrity.of_values(nan) == integrity.of_values(other) != integrity.of_values(nan[::-1])


# --- what its place says ---------------------------------------------------------------------------------------------------


def test_readings_that_are_exchanged_or_links_to_another_are_refused(data, finished):
    shutil.rmtree(READING)
    source = finished.folder / layout.activations_path(A, "fp16", "stories")
    for put in (shutil.copytree, lambda a, b: b.symlink_to(a)):
        put(source, READING)
        for opened in (activations, lambda: arrays.finite(A, "fp32", "stories"), lambda: opening.finite(A, "fp32", "stories")):
            with pytest.raises(
                InputError, match=r"stories.zarr: is of precision 'fp16', not 'fp32'; remove it and run `dvc repro`"
            ):
                opened()
        shutil.rmtree(READING) if not READING.is_symlink() else READING.unlink()
    shutil.copytree(finished.folder / layout.activations_path(B, "fp32", "neutral"), READING)
    with pytest.raises(InputError, match=f"is of model '{B}', not '{A}'; is of reading 'neutral', not 'stories'"):
        activations()


def test_vectors_of_another_model_are_refused_by_every_door(data):
    shutil.rmtree(layout.VECTORS / A)
    shutil.copytree(layout.VECTORS / B, layout.VECTORS / A)
    for opened in (lambda: arrays.vectors_of(A), arrays.vectors, opening.vectors, lambda: opening.vectors_of(A)):
        with pytest.raises(InputError, match=f"is of model '{B}', not '{A}'"):
            opened()


# --- tables --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        lambda t: t.head(t.height // 2),
        lambda t: t.clear(),
        lambda t: t.with_columns(pl.lit(float("nan")).alias("accuracy")),
        lambda t: t.with_columns(pl.col("layer") + 1),
        lambda t: t.reverse(),
        lambda t: t.with_columns(pl.col("model").str.replace("llama-3.2", "qwen2.5")),
    ],
)
def test_rows_that_are_not_those_that_were_written_are_refused(data, how):
    path = tables.table_path("geometry")
    how(pl.read_parquet(path)).write_parquet(path, metadata=pl.read_parquet_metadata(path))
    for opened in (lambda: tables.read_table(GEOMETRY), lambda: opening.table("geometry")):
        with pytest.raises(InputError, match="not what was written, or by another version; remove it and run `dvc repro`"):
            opened()


def test_a_table_of_another_schema_says_of_which(data, monkeypatch):
    monkeypatch.setattr(layout, "SCHEMA_VERSION", "17")
    with pytest.raises(InputError, match="geometry.parquet: is of schema version 1, and this version of the project reads 17"):
        tables.read_table(GEOMETRY)
    with pytest.raises(InputError, match="is of schema version 1, and this version of the project reads 17"):
        opening.open_vectors()


def test_a_table_is_a_parquet_file_for_everyone(data):
    path = layout.chosen_layers_path(A)
    read = pl.read_parquet(path)
    assert read.equals(opening.layers(A))
    assert read.equals(pl.scan_parquet(path).collect())
    assert pl.read_parquet_metadata(path)["title"] == LAYERS.title
    tables.write_rows(read, path, LAYERS.metadata)
    once = path.read_bytes()
    tables.write_rows(read, path, LAYERS.metadata)
    assert path.read_bytes() == once


TEXTS = {
    "writing": (layout.writings_path(A, "fp32", "matched"), layout.writings_path(A, "fp16", "matched")),
    "setting": (layout.writings_path(A, "fp32", "matched"), layout.writings_path(A, "fp32", "reliable")),
    "transcripts": (layout.transcripts_path(A, "fp32"), layout.transcripts_path(B, "fp32")),
}


@pytest.mark.parametrize(
    ("which", "stage", "said"),
    [
        ("writing", "analysis.confounds.writings", "is of precision 'fp16', not 'fp32'"),
        ("setting", "analysis.confounds.writings", "is of another setting"),
        ("transcripts", "analysis.behaviour.behaviour", "is of model 'tiny-qwen2.5', not 'tiny-llama-3.2'"),
    ],
)
@pytest.mark.parametrize("linked", [True, False], ids=["linked", "copied"])
def test_texts_in_anothers_place_are_named(finished, tmp_path, monkeypatch, which, stage, said, linked):
    """Every digest in them is right. They were read: a model was judged by what another had written."""
    shutil.copytree(finished.folder, tmp_path / "p", symlinks=True)
    monkeypatch.chdir(tmp_path / "p")
    own, other = TEXTS[which]
    own.unlink()
    own.symlink_to(other.absolute()) if linked else own.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=f"{own}: {said}; remove it and run `dvc repro`"):
        importlib.import_module(stage).main([])
