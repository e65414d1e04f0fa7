"""Write the arrays of the store: Zarr format 3, whole or not at all, with digests of what is written (`integrity`)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from pipeline.store import integrity, layout

SHARD = 2**28
"""Bytes of activations in a shard, at most: what is in memory when a reading is written does not grow with its stimuli."""
AT_ONCE = 2  # shards that are put together beside each other


def write_activations(dataset: xr.Dataset, path: Path) -> None:
    """One reading's Dataset as one Zarr group; a chunk holds one layer of one position, for all stimuli of its shard. Arrays
    may lie in files: a few shards at a time are in memory. Raises ValueError unless it is NaN exactly where `finite` says."""
    for block in _blocks(dataset):
        finite = np.isfinite(block["activation"].values).all(axis=-1)
        if not np.array_equal(finite, block["finite"].values) or not np.isfinite(block["embedding"].values).all():
            raise ValueError(f"{path}: not finite elsewhere than `finite` says")
    dataset = with_meaning(dataset)
    dataset.attrs = {"title": "Activations of a language model", **layout.ABOUT, **dataset.attrs}
    with layout.whole_or_nothing(path) as scratch, zarr.config.set({"async.concurrency": AT_ONCE}):
        dataset.to_zarr(
            scratch,
            mode="w",
            consolidated=False,
            zarr_format=3,
            encoding=_encoding(dataset, ("stimulus", "hidden"), {"seed": 1, "stimulus": _stimuli_of_a_shard(dataset)}),
            write_empty_chunks=True,
        )
        integrity.seal(scratch, integrity.values_of(dataset))


def write_vectors(groups: dict[str, xr.Dataset], attributes: dict[str, Any], model: str) -> None:
    """One model's groups of `data/vectors.zarr`. The model's own node carries `attributes` only."""
    groups = {name: with_meaning(dataset) for name, dataset in groups.items()}
    about = {"title": f"Emotion vectors of {model}", **layout.ABOUT, **attributes}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=about), **{f"/{k}": v for k, v in groups.items()}})
    encoding = {f"/{name}": _encoding(dataset, ("emotion", "hidden")) for name, dataset in groups.items()}
    with layout.whole_or_nothing(layout.VECTORS / model) as scratch:
        # what is NaN throughout is written, too: a chunk that is not there is then always one that was lost
        tree.to_zarr(scratch, mode="w", consolidated=False, zarr_format=3, encoding=encoding, write_empty_chunks=True)
        integrity.seal(scratch, {})
        for name, dataset in groups.items():
            integrity.seal(scratch / name, integrity.values_of(dataset))


def with_meaning(dataset: xr.Dataset) -> xr.Dataset:
    """The same Dataset, whose arrays say what they are and in which units: those of the residual stream have none (1)."""
    made = dataset.copy()
    for name in map(str, made.variables):
        if name in layout.MEANING:
            made[name].attrs |= {"long_name": layout.MEANING[name]}
            if made[name].dtype.kind in "if":
                made[name].attrs |= {"units": "1"}
    return made


def _stimuli_of_a_shard(dataset: xr.Dataset) -> int:
    """So many that a shard has at most SHARD bytes, and the last one about as many as the others."""
    n = dataset.sizes["stimulus"]
    size = dataset["activation"].nbytes // dataset.sizes.get("seed", 1)
    return ceil(n / max(1, ceil(size / SHARD)))


def _blocks(dataset: xr.Dataset) -> Iterator[xr.Dataset]:
    """The same, some stimuli at a time."""
    step = max(1, _stimuli_of_a_shard(dataset))
    for first in range(0, dataset.sizes["stimulus"], step):
        yield dataset.isel(stimulus=slice(first, first + step))


def _encoding(dataset: xr.Dataset, whole: tuple[str, ...], shard: dict[str, int] | None = None) -> dict[str, dict[str, Any]]:
    """Shards of so many steps as `shard` names for a dimension, of all where it names none; inner chunks hold the dimensions
    named in `whole` entirely and one step of the others. An array without entries (a model that overflows may write nothing
    that can be read) has none."""
    codec = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
    found = {}
    for name, array in dataset.data_vars.items():
        if "hidden" in array.dims and array.size:
            steps = {str(dim): (shard or {}).get(str(dim), n) for dim, n in array.sizes.items()}
            found[str(name)] = {
                "shards": tuple(steps.values()),
                "chunks": tuple(n if dim in whole else 1 for dim, n in steps.items()),
                "compressors": (codec, Crc32cCodec()),
            }
    return found
