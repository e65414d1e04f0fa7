"""The store: where every out lies, the arrays' dimensions and dtypes. One place knows each of these;
tables have theirs in `tables`.

Arrays are Zarr format 3, written whole or not at all: an out is built under `.scratch/` and moved into place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec

from pipeline.params.reading import STORIES

WRITINGS = Path("data/writings")
STEERED = Path("data/steered")
TRANSCRIPTS = Path("data/transcripts")
ACTIVATIONS = Path("data/activations")
VECTORS = Path("data/vectors.zarr")
REPORT = Path("data/report")
SCRATCH = Path(".scratch")

STRING = np.dtypes.StringDType()

# An untrained twin's arrays carry `seed` before these dimensions.
ACTIVATION_DIMS = ("stimulus", "position", "layer", "hidden")
FINITE_DIMS = ("stimulus", "position", "layer")
EMBEDDING_DIMS = ("stimulus", "position", "hidden")  # of the input embeddings: what enters block 0
VECTOR_DIMS = ("precision", "variant", "position", "layer", "emotion", "hidden")
LAYER_DIMS = ("precision", "position", "layer")
VARIANTS = ("centred", "denoised")

METHODS = {STORIES: "comprehension", "reliable": "generation"}
"""Which readings are a method of the field: the stories, and the writing with texts enough; every other is a setting of its
own name."""

# --- paths ---------------------------------------------------------------------------------------------------------


def writings_path(model: str, precision: str, setting: str) -> Path:
    return WRITINGS / model / precision / f"{setting}.parquet"


def activations_path(model: str, precision: str, reading: str) -> Path:
    return ACTIVATIONS / model / precision / f"{reading}.zarr"


def steered_path(model: str, precision: str) -> Path:
    return STEERED / model / f"{precision}.parquet"


def transcripts_path(model: str, precision: str) -> Path:
    return TRANSCRIPTS / model / f"{precision}.parquet"


# --- writing -------------------------------------------------------------------------------------------------------


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """Yields a scratch path to build an out at; it takes the place of `path` only when the block ends well."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="out-", dir=SCRATCH))
    try:
        yield folder / path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_activations(dataset: xr.Dataset, path: Path) -> None:
    """One reading's Dataset as one Zarr group; a chunk holds one layer of one position, for all stimuli."""
    with whole_or_nothing(path) as scratch:
        dataset.to_zarr(
            scratch, mode="w", consolidated=False, zarr_format=3, encoding=_encoding(dataset, ("stimulus", "hidden"))
        )


def write_vectors(groups: dict[str, xr.Dataset], attributes: dict[str, Any], model: str) -> None:
    """One model's groups of `data/vectors.zarr`. The model's own node carries `attributes` only."""
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **{f"/{k}": v for k, v in groups.items()}})
    encoding = {f"/{name}": _encoding(dataset, ("emotion", "hidden")) for name, dataset in groups.items()}
    with whole_or_nothing(VECTORS / model) as scratch:
        tree.to_zarr(scratch, mode="w", consolidated=False, zarr_format=3, encoding=encoding)


def _encoding(dataset: xr.Dataset, whole: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """One shard per array; inner chunks hold the dimensions named in `whole` entirely and one step of the others. An array
    without entries (a model that overflows may write nothing that can be read) has none."""
    codec = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
    return {
        str(name): {
            "shards": array.shape,
            "chunks": tuple(n if dim in whole else 1 for dim, n in zip(array.dims, array.shape, strict=True)),
            "compressors": (codec,),
        }
        for name, array in dataset.data_vars.items()
        if "hidden" in array.dims and array.size
    }
