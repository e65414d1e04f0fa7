"""Emotion vectors in the forms that other tools read.

    python -m pipeline.publish.export gguf MODEL EMOTION FOLDER    control vectors: llama.cpp --control-vector, repeng
    python -m pipeline.publish.export npz MODEL FILE               NumPy: keys layer_<l>__<emotion>
    python -m pipeline.publish.export huggingface FOLDER           a dataset: README with its configs, tables, vectors

Vectors are those of `comprehension`, centred, at the report's position and the model's most exact precision.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import numpy as np
import xarray as xr
from gguf import GGUFReader, GGUFWriter
from numpy.typing import NDArray

from pipeline import opening
from pipeline.door.home import home, is_known
from pipeline.errors import InputError, one_line, run_stage
from pipeline.params.base import PARAMS
from pipeline.params.reading import Precision
from pipeline.params.report import ReportSections
from pipeline.publish import about, card
from pipeline.schemas.every import TABLES
from pipeline.store import layout, parts, tables

ARCHITECTURE = "controlvector"
"""What llama.cpp and repeng call a file of directions."""

Directions = dict[int, NDArray[np.float32]]
"""A vector (hidden) for each layer: the output of that block, counted from 0."""


def headline(model: str, root: Path | None = None) -> xr.DataArray:
    """A model's vectors (layer, emotion, hidden) at the read-out that this module exports. Raises InputError for what is not
    there, and for an untrained twin, whose draws have no one vector."""
    where = home(root)
    report = ReportSections.load(where / PARAMS).report
    dataset = opening.vectors_of(model, root=where)
    if "seed" in dataset.dims:
        raise InputError(f"'{model}' is an untrained twin: its draws differ; export a trained model")
    precision = min(map(str, dataset["precision"].values), key=get_args(Precision).index)
    at = {"precision": precision, "variant": report.variant, "position": report.position}
    for key in ("variant", "position"):
        kind = f"{key} (report.{key} of {where / PARAMS}) among the vectors of '{model}'"
        is_known(at[key], map(str, dataset[key].values), kind)
    found: xr.DataArray = dataset["vector"].sel(at).load()
    finite = dataset["finite"].sel({k: at[k] for k in ("precision", "position")}).load()
    if not finite.values.any():
        raise InputError(f"'{model}': at no layer is every state finite at {precision}; read it at another of read.precisions")
    return found.isel(layer=finite.values).assign_attrs(at)


def _named(given: str) -> Path:
    """The path that a user means, in whose shell a `~` within quotes stays one."""
    return Path(os.path.expanduser(given))


@contextmanager
def _put_at(path: Path) -> Iterator[Path]:
    """A scratch path to build an export at, which then takes the place that a user named. Raises InputError, before anything
    is built, for a folder in that place, which would be lost, and for a place in `data/`; later for one that cannot be
    written."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, whose files would be lost; give a name that is not there")
        if path.resolve().is_relative_to((home() / "data").resolve()):
            raise InputError(f"{path}: data/ is for what the pipeline makes; give a place outside it")
        path.parent.mkdir(parents=True, exist_ok=True)  # here, so that it fails in this place's words, not in those of an out
        with layout.whole_or_nothing(path) as scratch:
            yield scratch
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or one_line(error)}); give another place") from error


# --- GGUF ----------------------------------------------------------------------------------------------------------------


def directions(vectors: xr.DataArray, emotion: str) -> Directions:
    """One emotion's vector at every layer but 0, which llama.cpp's format has no place for."""
    is_known(emotion, map(str, vectors["emotion"].values), "emotion")
    own = vectors.sel(emotion=emotion)
    return {int(n): own.sel(layer=n).values.astype(np.float32) for n in own["layer"].values if n}


def write_gguf(found: Directions, model: str, path: Path) -> None:
    """A control vector: tensors `direction.<layer>`, float32."""
    with _put_at(path) as scratch:
        writer = GGUFWriter(scratch, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", model)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(found))
        for layer, vector in found.items():
            writer.add_tensor(f"direction.{layer}", vector)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def read_gguf(path: Path) -> Directions:
    """The directions of a control vector. Raises InputError for another kind of file."""
    try:
        reader = GGUFReader(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as GGUF: {one_line(error)}") from error
    field = reader.get_field("general.architecture")
    if field is None or field.contents() != ARCHITECTURE:
        raise InputError(f"{path}: not a control vector (general.architecture is not '{ARCHITECTURE}')")
    return {int(t.name.removeprefix("direction.")): np.array(t.data, dtype=np.float32) for t in reader.tensors}


def to_gguf(model: str, emotion: str, folder: str) -> None:
    label = emotion.replace("%", "%25").replace("/", "%2F")  # a file's name holds no slash, and two labels are two files
    path = _named(folder) / f"{model}-{label}.gguf"
    write_gguf(directions(headline(model), emotion), model, path)
    print(f"{path}: llama-cli -m MODEL.gguf --control-vector-scaled {path} 1.0; its length is that of the difference of means")


# --- NumPy ---------------------------------------------------------------------------------------------------------------


def to_npz(model: str, file: str) -> None:
    """Keys `layer_<l>__<emotion>`, float32 (hidden): the form in which others publish theirs, and in which a bank is read."""
    vectors = headline(model)
    named = {
        f"layer_{int(n)}__{emotion}": vectors.sel(layer=n, emotion=emotion).values
        for n in vectors["layer"].values
        for emotion in map(str, vectors["emotion"].values)
    }
    path = _named(file)
    if path.suffix.lower() != ".npz" and not os.path.isdir(path):
        path = path.with_name(f"{path.name}.npz")
    with _put_at(path) as scratch, scratch.open("wb") as opened:  # of a name NumPy would make another
        np.savez_compressed(opened, **named)  # type: ignore[arg-type]
    print(f"{path}: {len(named)} vectors of '{model}'; numpy.load('{path}')")


# --- Hugging Face --------------------------------------------------------------------------------------------------------


def to_huggingface(folder: str) -> None:
    """A dataset repository: README.md with a config for each table that has rows, `tables/`, and the Zarr stores beside."""
    target, where = _named(folder), home()
    if os.path.lexists(target):
        raise InputError(f"{target}: is there already; give a new folder")
    with _put_at(target) as scratch:
        made = {name: opening.table(name, root=where) for name, table in TABLES.items() if parts.are_there(table, where)}
        opening.validate(opening.vectors(root=where))
        (scratch / "tables").mkdir(parents=True)
        kept = [name for name, table in made.items() if table.height]
        for name in kept:
            for path in parts.paths(TABLES[name]):
                copy = scratch / path.relative_to(tables.TABLES.parent)
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(where / path, copy)
        for store in card.STORES:
            if (where / store).is_dir():
                shutil.copytree(where / store, scratch / store.name)
        said = about.about(where)
        (scratch / "README.md").write_text(card.dataset_card(kept, said), encoding="utf-8")
    one = f"; datasets.load_dataset('{target}', '{'claims' if 'claims' in kept else kept[0]}')" if kept else ""
    unknown = [key for key, value in (("license", said.licence), ("language", said.language)) if value is None]
    print(f"{target}: {len(kept)} tables{one}{card.to_fill_in(unknown)}")


COMMANDS: dict[str, tuple[Callable[..., None], Sequence[str]]] = {
    "gguf": (to_gguf, ("MODEL", "EMOTION", "FOLDER")),
    "npz": (to_npz, ("MODEL", "FILE")),
    "huggingface": (to_huggingface, ("FOLDER",)),
}


def main(arguments: list[str]) -> None:
    usage = "; or ".join(f"export {name} {' '.join(names)}" for name, (_, names) in COMMANDS.items())
    if not arguments or arguments[0] not in COMMANDS or len(arguments) - 1 != len(COMMANDS[arguments[0]][1]):
        raise InputError(f"python -m pipeline.publish.{usage}")
    COMMANDS[arguments[0]][0](*arguments[1:])


if __name__ == "__main__":
    run_stage(main)
