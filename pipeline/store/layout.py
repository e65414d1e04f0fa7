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

ABOUT = {
    "Conventions": "ACDD-1.3",
    "license": "CC BY 4.0 for this project's part; what derives from a model's weights is under that model's terms, too",
    "references": "https://arxiv.org/abs/2604.11050",
}
"""What every store says of itself (Attribute Convention for Data Discovery), beside its title and summary."""

MEANING = {
    "activation": "residual stream after a block, over the tokens of a position",
    "embedding": "input embeddings, over the tokens of a position",
    "vector": "mean over an emotion's texts less the baseline",
    "finite": "whether every number of the state is finite",
    "n_neutral_components": "principal components of the neutral texts that denoised vectors are without",
    "n_tokens": "tokens of a text, BOS not counted",
    "layer": "block, counted from 0, whose output is read",
    "position": "tokens that are read",
    "emotion": "label of the text",
    "topic": "topic of the text, the unit of resampling",
    "stimulus": "content hash of the text",
    "precision": "arithmetic that the model was read in",
    "variant": "what was taken out of the vectors",
    "seed": "seed of the untrained twin's weights",
}
"""The long_name of every array."""

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
    dataset = with_meaning(dataset)
    dataset.attrs = {"title": "Activations of a language model", **ABOUT, **dataset.attrs}
    with whole_or_nothing(path) as scratch:
        dataset.to_zarr(
            scratch, mode="w", consolidated=False, zarr_format=3, encoding=_encoding(dataset, ("stimulus", "hidden"))
        )


def write_vectors(groups: dict[str, xr.Dataset], attributes: dict[str, Any], model: str) -> None:
    """One model's groups of `data/vectors.zarr`. The model's own node carries `attributes` only."""
    groups = {name: with_meaning(dataset) for name, dataset in groups.items()}
    about = {"title": f"Emotion vectors of {model}", **ABOUT, **attributes}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=about), **{f"/{k}": v for k, v in groups.items()}})
    encoding = {f"/{name}": _encoding(dataset, ("emotion", "hidden")) for name, dataset in groups.items()}
    with whole_or_nothing(VECTORS / model) as scratch:
        tree.to_zarr(scratch, mode="w", consolidated=False, zarr_format=3, encoding=encoding)


def with_meaning(dataset: xr.Dataset) -> xr.Dataset:
    """The same Dataset, whose arrays say what they are and in which units: those of the residual stream have none (1)."""
    made = dataset.copy()
    for name in map(str, made.variables):
        if name in MEANING:
            made[name].attrs |= {"long_name": MEANING[name]}
            if made[name].dtype.kind in "if":
                made[name].attrs |= {"units": "1"}
    return made


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
