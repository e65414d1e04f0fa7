"""The door for users: open what the pipeline made, by name, and refuse what is not whole. No stage depends on it.

Everything is looked for in the working directory where that is a checkout of this project, else in the repository that holds
this code; `root` names another.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from pipeline.door import pair as pairs
from pipeline.door.home import home, is_a, is_known, is_recorded, missing, outs_made, profile
from pipeline.door.vectors import open_vectors, validate
from pipeline.errors import InputError
from pipeline.params.writing import CONTEXTS
from pipeline.schemas.every import TABLES
from pipeline.schemas.geometry import LAYERS
from pipeline.schemas.pairs import PAIRS
from pipeline.schemas.steered import STEERED_TEXTS
from pipeline.schemas.table import Table
from pipeline.schemas.transcripts import TRANSCRIPTS
from pipeline.schemas.written import WRITTEN
from pipeline.store import arrays, chosen_layers, layout, parts
from pipeline.store.tables import read_rows, table_path

__all__ = [
    "activations",
    "finite",
    "layers",
    "open_vectors",
    "pair",
    "steered",
    "table",
    "transcripts",
    "validate",
    "vectors",
    "vectors_of",
    "writing",
]

Root = str | os.PathLike[str] | None
NAMED = ("stimulus", "position")
DIMENSIONS = ("seed", *layout.ACTIVATION_DIMS)
"""Of activations; those of NAMED have names, the others whole numbers."""
LEVELS = {
    layout.ACTIVATIONS: ("activations of", "precision", "reading", "context"),
    layout.WRITINGS: ("writings of", "precision", "setting"),
    layout.STEERED: ("steered texts of", "precision"),
    layout.TRANSCRIPTS: ("transcripts of", "precision"),
    layout.CHOSEN_LAYERS: ("layers of",),
}
"""What the names below a folder of data are, level by level; the first is of a model."""


def table(name: str, root: Root = None) -> pl.DataFrame:
    """A table of `data/tables/`, in parts or not, or all `layers`. Raises InputError for an unknown name, and for what is
    missing or of other columns."""
    if name == LAYERS.name:
        folder = _there(layout.CHOSEN_LAYERS, root)
        is_recorded(folder, home(root))
        return chosen_layers.read(sorted(path.stem for path in folder.glob("*.parquet")), folder)
    of = TABLES[is_known(name, [*TABLES, LAYERS.name], "table")]
    return parts.joined(of, [_rows(path, of, root) for path in parts.paths(of)])


def layers(model: str, root: Root = None) -> pl.DataFrame:
    """The layer that each rule chooses of a model or a reader of words, on all topics and on halves of them: columns of
    `pipeline.schemas.geometry`. Raises InputError for what is missing, not readable, or of other columns."""
    path = _there(_path(layout.chosen_layers_path, model=model), root)
    is_recorded(path.parent, home(root))
    return chosen_layers.of(model, path.parent)


def pair(a: str, b: str, root: Root = None, position: str | None = None) -> pl.DataFrame:
    """How alike two readers are: one row of table `pairs`, in any order of the two, with side a the first named.

    A reader is `model`, `model#seed`, `model/precision` or `model/precision/setting`; without a precision, the most exact that
    both have; without a seed, the first draw of a twin. The row is of the report's position, or another of
    `geometry.positions`, at best_layer_cv: every number with its 95% interval over topics. Other read-outs are in the table
    `choices`. Raises InputError for a name that no row has, with the names that there are.
    """
    where = home(root)
    if not (where / table_path(PAIRS.name)).is_file():
        raise missing(where / table_path(PAIRS.name), where)
    return pairs.pair(a, b, where, position)


def writing(model: str, precision: str, setting: str, root: Root = None) -> pl.DataFrame:
    """What a model wrote in a setting, at a precision: a row per text, columns of `pipeline.schemas.written`. Raises InputError
    for what is missing, not readable, of other columns, or another's."""
    return _rows(_path(layout.writings_path, model=model, precision=precision, setting=setting), WRITTEN, root)


def steered(model: str, precision: str, root: Root = None) -> pl.DataFrame:
    """What a model wrote under steering, at a precision: a row per text, columns of `pipeline.schemas.steered`. Raises
    InputError for what is missing, not readable, of other columns, or another's."""
    return _rows(_path(layout.steered_path, model=model, precision=precision), STEERED_TEXTS, root)


def transcripts(model: str, precision: str, root: Root = None) -> pl.DataFrame:
    """What was asked of a model and what it replied, at a precision: a row per turn, columns of `pipeline.schemas.transcripts`.
    Raises InputError for what is missing, not readable, of other columns, or another's."""
    return _rows(_path(layout.transcripts_path, model=model, precision=precision), TRANSCRIPTS, root)


def activations(model: str, precision: str, reading: str, root: Root = None, **only: Any) -> xr.Dataset:
    """One reading's activations, loaded: see `pipeline.store.arrays.activations`. They are made, never pulled. A single value
    of `only` may stand for a list of it (layer=9). Raises InputError for a dimension and for values that there are not."""
    wanted = {is_known(dim, DIMENSIONS, "dimension of activations"): _listed(dim, given) for dim, given in only.items()}
    path = _there(_path(layout.activations_path, model=model, precision=precision, reading=reading), root)
    if "seed" in wanted and not (path / "seed").is_dir():
        raise InputError(f"'{model}' is no untrained twin: its readings have no seed; leave it out")
    return arrays.activations_at(path, **wanted)


def finite(model: str, precision: str, reading: str, root: Root = None) -> xr.DataArray:
    """Where one reading's states are finite: see `pipeline.store.arrays.finite`."""
    return arrays.finite_at(_there(_path(layout.activations_path, model=model, precision=precision, reading=reading), root))


def vectors(root: Root = None) -> xr.DataTree:
    """All emotion vectors, lazily: `open_vectors` of the repository at hand."""
    return open_vectors(home(root))


def vectors_of(model: str, group: str = "comprehension", root: Root = None) -> xr.Dataset:
    """One group of a model's emotion vectors, lazily. Raises InputError where it is not there."""
    tree = open_vectors(home(root), models=[model])
    groups = tree[model]
    return groups[is_known(group, groups.children, f"group of '{model}'")].to_dataset()


def _listed(dim: str, given: Any) -> list[Any]:
    """What is wanted along a dimension as a list, of values of its type: else they would be looked for in vain in a store that
    is whole. Raises InputError for others, and for none."""
    kind, said = (str, "names") if dim in NAMED else (int, "whole numbers")
    try:
        values: list[Any] = np.atleast_1d(given).tolist()
    except ValueError:  # lists of different lengths
        values = []
    if not values or not all(isinstance(value, kind) for value in values):
        raise InputError(f"{dim}={given!r}: give {said}, as in {dim}=[{kind(0)!r}]; without it all are opened")
    return values


def _path(of: Callable[..., Path], **names: str) -> Path:
    """Where the store has what some names mean. Raises InputError for a name that is no text."""
    for argument, name in names.items():
        is_a(name, str, argument, "a name")
    return of(**names)


def _there(path: Path, root: Root) -> Path:
    """The path in the repository at hand. What is not there is answered with the names that are, or, where a run of this
    profile makes it, with what brings it: a name that is mistyped must not cost a run."""
    where = home(root)
    if (where / path).exists():
        return where / path
    folder = Path(*path.parts[:2])
    levels = LEVELS.get(folder, ())
    outs = outs_made(where) if levels else []
    for kind, part in zip(levels, path.parts[2:], strict=False):
        is_recorded(where / folder, where)
        here = [p.name for p in (where / folder).iterdir()] if (where / folder).is_dir() else []
        if folder.as_posix() in outs and not here:
            break  # an out itself: what is in it nobody knows
        below = [Path(out).relative_to(folder).parts for out in outs if Path(out).is_relative_to(folder)]
        known = {name for name in [*here, *(parts[0] for parts in below if parts)] if not name.startswith(".")}
        if part not in known and (outs or (known and not (where / f"data/models/{_stem(part)}.yaml").is_file())):
            is_known(_stem(part), [_shown(name, kind) for name in known], kind, f"{profile(where)} has " if outs else "")
        folder /= part
    raise missing(where / path, where)


def _shown(name: str, kind: str) -> str:
    """A file's or folder's name as a caller writes it; the readings of what a model wrote lie one deeper."""
    return f"{name}/{'|'.join(CONTEXTS)}" if kind == "reading" and not name.endswith(".zarr") else _stem(name)


def _stem(name: str) -> str:
    return name.removesuffix(".zarr").removesuffix(".parquet")


def _rows(path: Path, of: Table, root: Root) -> pl.DataFrame:
    found = _there(path, root)
    is_recorded(found, home(root))
    return read_rows(found, of.columns)
