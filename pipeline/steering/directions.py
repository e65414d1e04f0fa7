"""What texts are steered to: directions of the residual stream, and the prompts that texts begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.errors import InputError, nearest
from pipeline.params.base import PARAMS
from pipeline.params.reading import STORIES
from pipeline.params.steering import Steering
from pipeline.store import arrays, chosen_layers, layout, tables

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PROMPTS = ("id", "set", "prompt")
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
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(tables.read_csv(path, PROMPTS, named_by="steering.prompts").iter_rows(), start=1):
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


def first_half(stories: xr.Dataset, seed: int) -> Bools:
    """Which stories (S) are of one half of the topics, drawn by `seed`; where labels are not crossed with topics, of one half
    of each label's stories. Raises InputError where there is one topic, or one story of a label."""
    label, topic = ([str(x) for x in stories[name].values] for name in ("emotion", "topic"))
    crossed = len(set(zip(label, topic, strict=True))) == len(set(label)) * len(set(topic)) and len(set(topic)) > 1
    unit = [*topic] if crossed else [f"{label[:n].count(own):06}" for n, own in enumerate(label)]
    units = sorted(set(unit))
    fewest = min(len({u for u, e in zip(unit, label, strict=True) if e == own}) for own in label)
    if fewest < 2:
        raise InputError(
            f"{PARAMS}: readings.stories: fewer than two topics, or stories of a label: steering needs one half for the vector"
            " and the other for the scores; add some, or take the model out of steering.models"
        )
    # of labels with fewer stories than others every half must hold some: halves are of the units that all labels have
    shared = units[:fewest] if not crossed else units
    chosen = {shared[i] for i in np.random.default_rng(seed).permutation(len(shared))[: len(shared) // 2]}
    return np.array([u in chosen for u in unit])


def directions(
    stories: xr.Dataset,
    position: str,
    layer: int | None,
    neutral_label: str | None,
    *,
    over_all: bool,
    chosen: Bools | None = None,
    random: int = 0,
    seed: int = 0,
) -> Targets:
    """The labels' centred vectors at one layer, of length 1, from activations of the stories that are `chosen` (S; null: all);
    then `random` Gaussian directions, each of its own seed, named random#0 and so on.

    `over_all`: centred over all labels, the neutral one included, as published; else over the emotions.
    """
    label = np.array([str(x) for x in stories["emotion"].values])
    labels = sorted(set(label.tolist()))
    emotions = [e for e in labels if e != neutral_label]
    names = [*labels, *(f"{RANDOM}{k}" for k in range(random))]
    none = np.full((len(names), stories.sizes["hidden"]), np.nan)
    where = f"{position}, {stories.attrs['precision']}"
    if layer is None:
        return Targets(names, none, None, f"no layer could be chosen at {where}")
    states = stories["activation"].sel(position=position, layer=layer).values.astype(np.float64)
    own = np.ones(len(label), dtype=bool) if chosen is None else chosen
    means = np.stack([states[own & (label == e)].mean(axis=0) for e in labels])
    counts = np.array([over_all or e in emotions for e in labels])
    made = np.concatenate([means - means[counts].mean(axis=0), *(_gaussian(means.shape[1], seed, random))])
    length = np.linalg.norm(made, axis=1, keepdims=True)
    if not np.isfinite(length).all() or not length.all():
        return Targets(names, none, layer, f"layer {layer} has no finite vectors at {where}")
    return Targets(names, made / length, layer, None, emotions)


def _gaussian(hidden: int, seed: int, n: int) -> list[Floats]:
    return [np.random.default_rng([seed, k]).standard_normal((1, hidden)) for k in range(n)]


def targets_of(name: str, precision: str, steering: Steering, neutral: str | None) -> tuple[dict[str, Targets], Targets]:
    """The directions of both rules, and those that every text is scored on. Raises InputError for a target that has no vector.

    What steers by our rule is made of one half of the topics, what scores of the other, so that no passage stands on both
    sides. The published vector is made of all topics, as published: it shares with its scorer that one half of its passages.
    """
    chosen = chosen_layers.of(name).filter(precision=precision, setting=STORIES, variant="centred")

    def layer(position: str, rule: str) -> int | None:
        found = chosen.filter(position=position, layer_rule=rule)["layer"]
        return found[0] if len(found) else None

    paper, ours = steering.paper, steering.ours
    at = {"paper": layer(paper.position, "best_layer_paper"), "ours": layer(ours.position, "best_layer_cv")}
    layers = [x for x in at.values() if x is not None] or [0]
    stories = arrays.activations(name, precision, STORIES, position=[paper.position, ours.position], layer=layers)
    half = first_half(stories, ours.seed)
    made = {"paper": directions(stories, paper.position, at["paper"], neutral, over_all=True)}
    made["ours"], scored_by = (
        directions(stories, ours.position, at["ours"], neutral, over_all=False, chosen=part, random=ours.random, seed=ours.seed)
        for part in (half, ~half)
    )
    labels = sorted({str(e) for e in stories["emotion"].values})
    where = layout.activations_path(name, precision, STORIES)
    known(list(paper.scenarios.values()), labels, "steering.paper.scenarios", where)
    known(ours.emotions, labels, "steering.ours.emotions", where)
    return made, scored_by
