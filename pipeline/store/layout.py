"""The store: where every out lies, and the dimensions of its arrays. One place knows each of these; tables have theirs in
`pipeline.schemas`.

An out is written whole or not at all: it is built under `.scratch/` and moved into place, and the old one stays until then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.errors import InputError, check_noted
from pipeline.params.reading import STORIES

WRITINGS = Path("data/writings")
STEERED = Path("data/steered")
TRANSCRIPTS = Path("data/transcripts")
ACTIVATIONS = Path("data/activations")
VECTORS = Path("data/vectors.zarr")
CHOSEN_LAYERS = Path("data/layers")
REPORT = Path("data/report")
SCRATCH = Path(".scratch")
MAY_BE_EMPTY = (WRITINGS, STEERED, TRANSCRIPTS)
"""Deps of stages that run where no model writes, too."""

STRING = np.dtypes.StringDType()

# An untrained twin's arrays carry `seed` before these dimensions.
ACTIVATION_DIMS = ("stimulus", "position", "layer", "hidden")
FINITE_DIMS = ("stimulus", "position", "layer")
EMBEDDING_DIMS = ("stimulus", "position", "hidden")  # of the input embeddings: what enters block 0
VECTOR_DIMS = ("precision", "variant", "position", "layer", "emotion", "hidden")
LAYER_DIMS = ("precision", "position", "layer")
VARIANTS = ("centred", "denoised")

SCHEMA_VERSION = "1"
"""Which arrays and columns there are, and what they mean: a store or a table of another version is refused by name. What says
none is of the first."""

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
    "variant": "centred: less the baseline; denoised: also without what neutral texts vary in",
    "seed": "seed of the untrained twin's weights",
}
"""The long_name of every array."""

METHODS = {STORIES: "comprehension", "reliable": "generation"}
"""Which readings are a method of the field: the stories, and the writing with prompts enough; every other is a setting of its
own name."""


def group_name(setting: str, context: str) -> str:
    """The group of `vectors.zarr` of what was written in a setting: its method or its own name where the text was read alone,
    the same with the context where the prompt, which names the label, stood before it."""
    name = METHODS.get(setting, setting)
    return name if context == "alone" else f"{name}_{context}"


# --- paths ---------------------------------------------------------------------------------------------------------


def writings_path(model: str, precision: str, setting: str) -> Path:
    return WRITINGS / model / precision / f"{setting}.parquet"


def activations_path(model: str, precision: str, reading: str) -> Path:
    return ACTIVATIONS / model / precision / f"{reading}.zarr"


def steered_path(model: str, precision: str) -> Path:
    return STEERED / model / f"{precision}.parquet"


def transcripts_path(model: str, precision: str) -> Path:
    return TRANSCRIPTS / model / f"{precision}.parquet"


def place_of(path: Path) -> dict[str, str]:
    """What the path of a reading or of texts says that it is of: model, precision and, of a reading, its name. Nothing for
    another path."""
    for folder in (ACTIVATIONS, WRITINGS, STEERED, TRANSCRIPTS):
        _, found, name = path.with_suffix("").as_posix().rpartition(f"{folder.as_posix()}/")
        if found:
            keys = ("model", "precision", *(("reading",) if folder == ACTIVATIONS else ()))
            return dict(zip(keys, name.split("/", 2), strict=False))  # a writing's setting is no name in its provenance
    return {}


def chosen_layers_path(model: str) -> Path:
    """A model's own rows of table `layers`: what runs that model again must not wait for, or rerun with, another's."""
    return CHOSEN_LAYERS / f"{model}.parquet"


# --- writing -------------------------------------------------------------------------------------------------------


UNFINISHED = ".out-"


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """Yields a scratch path to build an out at; it takes the place of `path` only when the block ends well, and what was there
    is removed only then. Raises InputError where an input of the stage changed meanwhile."""
    with _unfinished(SCRATCH) as folder:
        yield folder / path.name
        check_noted()
        _make(path.parent)
        try:
            _put(folder / path.name, path, folder)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # on another file system nothing is moved in one step: a copy is made beside the target, and moved from there
            with _unfinished(path.parent) as beside:
                copy = shutil.copytree if (folder / path.name).is_dir() else shutil.copyfile
                copy(folder / path.name, beside / path.name)
                _put(beside / path.name, path, beside)


def _make(folder: Path) -> None:
    """Make a folder and those above it. Raises InputError where something else stands there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        other = next((p for p in (folder, *folder.parents) if os.path.lexists(p) and not p.is_dir()), folder)
        raise InputError(f"{other}: no folder, as it should be; remove it and run `dvc repro`") from error


def _put(made: Path, path: Path, folder: Path) -> None:
    """Move what was made into its place. What stood there, a folder or a link, goes to `folder`, and back if the move fails."""
    if not os.path.lexists(path) or (made.is_file() and not path.is_dir()):
        os.replace(made, path)
        return
    old = folder / "before"
    os.rename(path, old)
    try:
        os.replace(made, path)
    except OSError:
        os.rename(old, path)
        raise


@contextmanager
def _unfinished(place: Path) -> Iterator[Path]:
    """A new folder in a place, removed at the end; those that a kill left there are removed before."""
    _make(place)
    for lock in sorted(place.glob(f"{UNFINISHED}*.lock")):
        discard(lock.with_suffix(""))
    with _locked(place / f"{UNFINISHED}{uuid.uuid4().hex}") as folder:
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def taken(folder: Path) -> Iterator[Path]:
    """A folder of scratch that no other process uses meanwhile; raises InputError where one does. The files in it stay."""
    _make(folder.parent)
    try:
        with _locked(folder):
            _make(folder)
            for other in (p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()):
                shutil.rmtree(other)  # what is kept is files, in whose place it may stand
            yield folder
    except BlockingIOError:
        raise InputError(f"{folder}: another process does the same work now; wait for it, or stop it") from None


def discard(folder: Path) -> None:
    """Remove a folder of scratch, unless another process uses it."""
    with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(folder):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Hold the lock of a folder, a file beside it that says while it is locked that a process lives. Raises BlockingIOError
    where another process holds it."""
    lock = folder.with_name(f"{folder.name}.lock")
    while True:
        file = lock.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file.fileno(), lock):  # and was not removed by the process that held it before
                break
        except BaseException:
            file.close()
            raise
        file.close()
    try:
        yield folder
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
