"""What texts are steered to: directions of the residual stream, and the prompts that texts begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import xarray as xr
from numpy.typing import NDArray

from pipeline.errors import InputError, nearest, note_file, one_line
from pipeline.params.base import PARAMS

Floats = NDArray[np.float64]
PROMPTS = pl.Schema({"id": pl.String, "set": pl.String, "prompt": pl.String})
RANDOM = "random#"


@dataclass(frozen=True)
class Targets:
    """Unit vectors (name, hidden) at one layer, with their names; none, with the reason, where the layer cannot be had."""

    names: list[str]
    units: Floats
    layer: int | None
    reason: str | None = None
    emotions: list[str] = field(default_factory=list)  # the names that are labels with a feeling

    def __getitem__(self, name: str) -> Floats:
        unit: Floats = self.units[self.names.index(name)]
        return unit


def load_prompts(path: Path) -> dict[str, dict[str, str]]:
    """The prompts of each set by id, in the order of the file: CSV, columns `id, set, prompt`.

    Raises InputError, naming file and row, for an unreadable file, a missing column, an empty cell, an id that stands twice.
    """
    try:
        note_file(path)
        raw = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; steering.prompts in {PARAMS} says where the prompts are") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not readable as CSV in UTF-8: {one_line(error)}") from None
    if missing := [name for name in PROMPTS if name not in raw.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(raw.columns)}")
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(raw.select(pl.col(n).fill_null("").str.strip_chars() for n in PROMPTS).iter_rows(), start=1):
        id_, set_, prompt = row
        if "" in row:
            raise InputError(f"{path}: row {number}: an empty cell; fill it or delete the row")
        if any(id_ in prompts for prompts in found.values()):
            raise InputError(f"{path}: row {number}: the id '{id_}' stands twice; keep one")
        found.setdefault(set_, {})[id_] = prompt
    return found


def known(asked: list[str], there: list[str], key: str, where: object) -> None:
    """Raise InputError for a name that params ask for under `key` and that is not among those of `where`."""
    for name in asked:
        if name not in there:
            hint = nearest(name, there, f"there are {', '.join(there) or 'none'}")
            raise InputError(f"{PARAMS}: {key}: '{name}' is not in {where}; {hint}")


def directions(
    vectors: xr.Dataset,
    precision: str,
    position: str,
    layer: int | None,
    neutral_label: str | None,
    *,
    over_all: bool,
    random: int = 0,
    seed: int = 0,
) -> Targets:
    """The labels' centred vectors of a model (group `comprehension` of the store) at one layer, of length 1; then `random`
    Gaussian directions, each of its own seed, named random#0 and so on.

    `over_all`: centred over all labels, the neutral one included, as published; else as the store has them, over the emotions.
    """
    labels = [str(x) for x in vectors["emotion"].values]
    names = [*labels, *(f"{RANDOM}{k}" for k in range(random))]
    none = np.full((len(names), vectors.sizes["hidden"]), np.nan)
    if layer is None:
        return Targets(names, none, None, f"no layer could be chosen at {position}, {precision}")
    here = vectors["vector"].sel(precision=precision, variant="centred", position=position, layer=layer)
    made = here.values.astype(np.float64)
    made = np.concatenate([made - made.mean(axis=0) if over_all else made, *(_gaussian(made.shape[1], seed, random))])
    length = np.linalg.norm(made, axis=1, keepdims=True)
    if not np.isfinite(length).all() or not length.all():
        return Targets(names, none, layer, f"layer {layer} has no finite vectors at {position}, {precision}")
    return Targets(names, made / length, layer, None, [e for e in labels if e != neutral_label])


def _gaussian(hidden: int, seed: int, n: int) -> list[Floats]:
    return [np.random.default_rng([seed, k]).standard_normal((1, hidden)) for k in range(n)]
