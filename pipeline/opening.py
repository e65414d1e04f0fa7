"""Open what the pipeline made, and refuse what is not whole: the safe way in, for users and for the stages after the store.

Local trees are opened without consolidated metadata: with it, a group that was never pulled reads as NaN without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from pipeline import store, tables
from pipeline.checked import InputError, one_line
from pipeline.schemas.behaviour import TRANSCRIPT
from pipeline.schemas.steering import STEERED
from pipeline.schemas.writings import WRITING


def activations(model: str, precision: str, reading: str, **only: Sequence[Any]) -> xr.Dataset:
    """One reading's activations, loaded: `activation` (stimulus, position, layer, hidden) float32, `finite` beside it; an
    untrained twin has `seed` first. `only`: what is wanted along a dimension (position=["mean0"], seed=[0], layer=[9]); the
    shortest run of steps that holds it is loaded. Raises InputError for what is missing or not whole."""
    path = store.activations_path(model, precision, reading)
    with _readable(path), xr.open_zarr(path, consolidated=False) as lazy:
        dataset: xr.Dataset = lazy.isel({dim: _run(lazy, dim, wanted, path) for dim, wanted in only.items()}).load()
    check_activations(dataset, path)
    return dataset


def _run(dataset: xr.Dataset, dim: str, wanted: Sequence[Any], path: Path) -> slice:
    """From the first to the last of what is wanted: of a slice no chunk is copied index by index."""
    known = dataset[dim].values.tolist()
    if missing := [x for x in wanted if x not in known]:
        raise InputError(f"{path}: no {dim} {missing[0]}; there are {', '.join(map(str, known))}")
    at = [known.index(x) for x in wanted]
    return slice(min(at), max(at) + 1)


def finite(model: str, precision: str, reading: str) -> xr.DataArray:
    """Where one reading's states are finite: bool (stimulus, position, layer), an untrained twin's with `seed` first. The
    states themselves are not loaded. Raises InputError for what is missing."""
    path = store.activations_path(model, precision, reading)
    with _readable(path), xr.open_zarr(path, consolidated=False) as lazy:
        found: xr.DataArray = lazy["finite"].load()
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_dir():
        raise InputError(f"{path}: not there; make it with `dvc repro`")
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not readable: {one_line(error)}; remove it and run `dvc repro`") from error


def check_activations(dataset: xr.Dataset, path: Path) -> None:
    """Raise InputError unless the Dataset has the store's dimensions and is NaN exactly where `finite` says so."""
    lead = ("seed",) if "seed" in dataset.dims else ()
    for name, dims, dtype in (
        ("activation", store.ACTIVATION_DIMS, np.float32),
        ("finite", store.FINITE_DIMS, np.bool_),
        ("embedding", store.EMBEDDING_DIMS, np.float32),
    ):
        if name not in dataset:
            raise InputError(f"{path}: has no array '{name}'; remove it and run `dvc repro`")
        if dataset[name].dims != (*lead, *dims) or dataset[name].dtype != dtype:
            found = f"{dataset[name].dims} {dataset[name].dtype}"
            raise InputError(f"{path}: '{name}' has {found}, not {(*lead, *dims)} {np.dtype(dtype)}")
    finite = np.isfinite(dataset["activation"].values).all(axis=-1)
    if not np.array_equal(finite, dataset["finite"].values) or not np.isfinite(dataset["embedding"].values).all():
        raise InputError(f"{path}: NaN where none was measured: a chunk is missing or broken; remove it and run `dvc repro`")


def writing(model: str, precision: str, setting: str) -> pl.DataFrame:
    """What a model wrote in a setting, at a precision: a row per text, columns of `pipeline.schemas.writings`. Raises
    InputError for what is missing, not readable, or of other columns."""
    return _parquet(store.writings_path(model, precision, setting), WRITING)


def counted(texts: pl.DataFrame) -> pl.DataFrame:
    """The texts of a writing that count: those of `writing` that are no other's twin and are not left out."""
    return texts.filter(pl.col("same_as").is_null() & pl.col("left_out").is_null())


def vectors(path: Path = store.VECTORS) -> xr.DataTree:
    """All emotion vectors, lazily. Raises InputError where the store is not there or holds no model."""
    if not (path / "zarr.json").is_file():
        raise InputError(f"{path}: no vectors here; make them with `dvc repro`")
    tree = xr.open_datatree(path, engine="zarr", consolidated=False)
    if not tree.children:
        raise InputError(f"{path}: holds no model; run `dvc repro vectors`")
    return tree


def vectors_of(model: str, group: str = "comprehension") -> xr.Dataset:
    """One group of a model's emotion vectors, lazily. Raises InputError where it is not there."""
    path = store.VECTORS / model
    try:
        dataset: xr.Dataset = xr.open_zarr(path, group=group, consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no vectors of {group} here ({one_line(error)}); make them with `dvc repro`") from error
    return dataset


def steered(model: str, precision: str) -> pl.DataFrame:
    """What a model wrote under steering, at a precision: a row per text, columns of `pipeline.schemas.steering`. Raises
    InputError for what is missing, not readable, or of other columns."""
    return _parquet(store.steered_path(model, precision), STEERED)


def transcripts(model: str, precision: str) -> pl.DataFrame:
    """What was asked of a model and what it replied, at a precision: a row per turn, columns of `pipeline.schemas.behaviour`.
    Raises InputError for what is missing, not readable, or of other columns."""
    return _parquet(store.transcripts_path(model, precision), TRANSCRIPT)


def table(name: str) -> pl.DataFrame:
    """A table of `data/tables/`, with the columns that the store says. Raises InputError for what is missing or differs."""
    path = tables.table_path(name)
    if name not in tables.SCHEMAS:
        raise InputError(f"no table '{name}'; there are {', '.join(tables.SCHEMAS)}")
    return _parquet(path, tables.SCHEMAS[name])


def _parquet(path: Path, schema: pl.Schema) -> pl.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: not there; make it with `dvc repro`")
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not readable: {one_line(error)}; remove it and run `dvc repro`") from error
    if frame.schema != schema:
        raise InputError(f"{path}: its columns are not those of this version; run `dvc repro`")
    return frame
