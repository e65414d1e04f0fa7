"""The arrays of the store, opened, and refused where they are not whole, not what was written (`integrity`), or not what their
place says.

Local trees are opened without consolidated metadata: with it, a group that was never pulled reads as NaN without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import InputError, note_file, one_line
from pipeline.store import integrity, layout

MEND = "remove it and run `dvc repro`"


def activations(model: str, precision: str, reading: str, **only: Sequence[Any]) -> xr.Dataset:
    """One reading's activations, loaded: `activation` (stimulus, position, layer, hidden) float32, `finite` beside it; an
    untrained twin has `seed` first. `only`: what is wanted along a dimension (position=["mean0"], seed=[0], layer=[9]); the
    shortest run of steps that holds it is loaded. Raises InputError for what is missing or not whole."""
    return activations_at(layout.activations_path(model, precision, reading), **only)


def activations_at(path: Path, **only: Sequence[Any]) -> xr.Dataset:
    """The same of a store by its path."""
    with _readable(path), xr.open_zarr(path, consolidated=False) as lazy:
        _as_written(path, lazy)
        dataset: xr.Dataset = lazy.isel({dim: _run(lazy, dim, wanted, path) for dim, wanted in only.items()}).load()
    check_activations(dataset, path)
    _is_of(dataset.attrs, path, **layout.place_of(path))
    return _without_seal(dataset)


def _is_of(attributes: dict[Any, Any], path: Path, **place: str) -> None:
    if bad := list(integrity.faults_of_place(attributes, **place)):
        raise InputError(f"{path}: {'; '.join(bad)}; {MEND}")


def _as_written(path: Path, lazy: xr.Dataset) -> None:
    """Raise InputError unless a group on disk is what was written: attributes, the small arrays, which this loads, and the
    checksums of the large ones, which Zarr holds against each chunk that it reads."""
    note_file(path / "zarr.json")  # whose digests stand for the whole
    faults = list(integrity.faults_of_files(path)) or list(integrity.faults_of_names(lazy))
    if bad := faults or list(integrity.faults_of_values(lazy)):
        raise InputError(f"{path}: {'; '.join(bad)}; {MEND}")


def _without_seal(dataset: xr.Dataset) -> xr.Dataset:
    """A part of what was written, or what is made of it, must not carry the digests of the whole."""
    dataset.attrs.pop(integrity.SEAL)
    return dataset


def _run(dataset: xr.Dataset, dim: str, wanted: Sequence[Any], path: Path) -> slice:
    """From the first to the last of what is wanted: of a slice no chunk is copied index by index."""
    if dim not in dataset.dims:
        raise InputError(f"{path}: no dimension '{dim}'; there are {', '.join(map(str, dataset.dims))}")
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
        _as_written(path, lazy)
        _is_of(lazy.attrs, path, **layout.place_of(path))
        found: xr.DataArray = lazy["finite"].load()
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_dir():
        raise InputError(f"{path}: not there; make it with `dvc repro`")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Zarr and its codecs meet broken files with errors of every kind
        raise InputError(f"{path}: not readable: {one_line(error)}; {MEND}") from error


def check_activations(dataset: xr.Dataset, path: Path) -> None:
    """Raise InputError unless the Dataset has the store's arrays, dimensions and types."""
    lead = ("seed",) if "seed" in dataset.dims else ()
    for name, dims, dtype in (
        ("activation", layout.ACTIVATION_DIMS, np.float32),
        ("finite", layout.FINITE_DIMS, np.bool_),
        ("embedding", layout.EMBEDDING_DIMS, np.float32),
    ):
        if name not in dataset:
            raise InputError(f"{path}: has no array '{name}'; {MEND}")
        if dataset[name].dims != (*lead, *dims) or dataset[name].dtype != dtype:
            found = f"{dataset[name].dims} {dataset[name].dtype}"
            raise InputError(f"{path}: '{name}' has {found}, not {(*lead, *dims)} {np.dtype(dtype)}")


def vectors(path: Path = layout.VECTORS) -> xr.DataTree:
    """All emotion vectors, lazily. Raises InputError where the store is not there or holds no model."""
    if not (path / "zarr.json").is_file():
        raise InputError(f"{path}: no vectors here; make them with `dvc repro`")
    with _readable(path):
        tree = xr.open_datatree(path, engine="zarr", consolidated=False)
        for node in tree.descendants:
            _as_written(path / node.path.strip("/"), node.to_dataset(inherit=False))
        for model, node in tree.children.items():
            _is_of(node.attrs, path / model, model=model)
    if not tree.children:
        raise InputError(f"{path}: holds no model; run `dvc repro vectors`")
    return tree


def vectors_of(model: str, group: str = "comprehension") -> xr.Dataset:
    """One group of a model's emotion vectors, loaded. Raises InputError for what is missing, not whole or not what was
    written."""
    path = layout.VECTORS / model / group
    with _readable(path):
        dataset: xr.Dataset = xr.open_zarr(path, consolidated=False)
        _as_written(path, dataset)
        dataset.load()
        _is_of(xr.open_zarr(path.parent, consolidated=False).attrs, path.parent, model=model)
    return _without_seal(dataset)
