"""The arrays of the store, opened, and refused where they are not whole.

Local trees are opened without consolidated metadata: with it, a group that was never pulled reads as NaN without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import InputError, one_line
from pipeline.store import layout


def activations(model: str, precision: str, reading: str, **only: Sequence[Any]) -> xr.Dataset:
    """One reading's activations, loaded: `activation` (stimulus, position, layer, hidden) float32, `finite` beside it; an
    untrained twin has `seed` first. `only`: what is wanted along a dimension (position=["mean0"], seed=[0], layer=[9]); the
    shortest run of steps that holds it is loaded. Raises InputError for what is missing or not whole."""
    return activations_at(layout.activations_path(model, precision, reading), **only)


def activations_at(path: Path, **only: Sequence[Any]) -> xr.Dataset:
    """The same of a store by its path."""
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
    return finite_at(layout.activations_path(model, precision, reading))


def finite_at(path: Path) -> xr.DataArray:
    """The same of a store by its path."""
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
        ("activation", layout.ACTIVATION_DIMS, np.float32),
        ("finite", layout.FINITE_DIMS, np.bool_),
        ("embedding", layout.EMBEDDING_DIMS, np.float32),
    ):
        if name not in dataset:
            raise InputError(f"{path}: has no array '{name}'; remove it and run `dvc repro`")
        if dataset[name].dims != (*lead, *dims) or dataset[name].dtype != dtype:
            found = f"{dataset[name].dims} {dataset[name].dtype}"
            raise InputError(f"{path}: '{name}' has {found}, not {(*lead, *dims)} {np.dtype(dtype)}")
    finite = np.isfinite(dataset["activation"].values).all(axis=-1)
    if not np.array_equal(finite, dataset["finite"].values) or not np.isfinite(dataset["embedding"].values).all():
        raise InputError(f"{path}: NaN where none was measured: a chunk is missing or broken; remove it and run `dvc repro`")


def vectors(path: Path = layout.VECTORS) -> xr.DataTree:
    """All emotion vectors, lazily. Raises InputError where the store is not there or holds no model."""
    if not (path / "zarr.json").is_file():
        raise InputError(f"{path}: no vectors here; make them with `dvc repro`")
    tree = xr.open_datatree(path, engine="zarr", consolidated=False)
    if not tree.children:
        raise InputError(f"{path}: holds no model; run `dvc repro vectors`")
    return tree


def vectors_of(model: str, group: str = "comprehension") -> xr.Dataset:
    """One group of a model's emotion vectors, lazily. Raises InputError where it is not there."""
    path = layout.VECTORS / model
    try:
        dataset: xr.Dataset = xr.open_zarr(path, group=group, consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no vectors of {group} here ({one_line(error)}); make them with `dvc repro`") from error
    return dataset
