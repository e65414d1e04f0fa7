"""Stage `vectors`: emotion vectors of one model, from its activations, into `data/vectors.zarr/<model>`.

    python -m pipeline.reading.vectors MODEL

A vector is the mean over a label's stories minus a baseline. `centred`: the baseline is the mean of the emotions' means
(the neutral label does not count). `denoised`: the same, without the principal components of the neutral texts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.errors import InputError, run_stage
from pipeline.params.reading import NEUTRAL, STORIES
from pipeline.params.vectors import Vectors, VectorsSections
from pipeline.params.writing import CONTEXTS, WritingSections
from pipeline.reading.components import neutral_components
from pipeline.store import arrays, layout, writer
from pipeline.store.provenance import code_digest

# Attributes that differ between the precisions of one model; the others are said once.
BY_PRECISION = ("precision", "compute_dtype", "quantisation", "batch_plan", "not_finite")


class Params(WritingSections, VectorsSections):
    """The sections that this stage loads."""


def emotion_vectors(
    states: NDArray[np.floating],
    label: NDArray[np.int64],
    baseline: NDArray[np.bool_],
    neutral: NDArray[np.floating],
    share: float,
) -> tuple[NDArray[np.float64], int]:
    """Vectors (variant, E, H) at one layer and position, and the number of neutral components removed.

    `states` (S, H); `label` (S), an index into E labels; `baseline` (E), the labels that the mean is taken over;
    `neutral` (N, H); `share`, the neutral variance to remove.
    """
    x = np.asarray(states, dtype=np.float64)
    means = np.stack([x[label == e].mean(axis=0) for e in range(len(baseline))])
    centred = means - means[baseline].mean(axis=0)
    components = neutral_components(neutral, share)
    return np.stack([centred, centred - (centred @ components.T) @ components]), len(components)


@dataclass(frozen=True)
class Group:
    """One group of a model's node: whose texts, and the reading that each precision has of them."""

    method: str
    setting: str
    context: str  # alone, or prompted
    readings: dict[str, str]  # by precision
    positions: list[str]


def groups_of(model: str, params: Params) -> dict[str, Group]:
    """The groups of a model by name: comprehension of the stories, and every setting of writing that a precision reads of its
    own, in each context in which it does."""
    precisions = params.precisions_of(model)
    kept = positions_of(params.readings[STORIES].positions, params.vectors)
    stories = Group(layout.METHODS[STORIES], STORIES, "alone", dict.fromkeys(precisions, STORIES), kept)
    groups = {layout.METHODS[STORIES]: stories}
    kept_settings = params.write.settings if params.vectors.settings == "all" else params.vectors.settings
    written = product(kept_settings, CONTEXTS) if model in params.write.models else ()
    for setting, context in written:
        asked = [r for r in params.writings_read if r.setting == setting and r.read == r.written and context in r.readings]
        own = {r.read: r.readings[context] for r in asked}
        if own:
            own = {p: own[p] for p in precisions if p in own}
            at = params.write.positions if params.vectors.positions == "all" else [params.write.settings[setting].position]
            groups[layout.group_name(setting, context)] = Group("generation", setting, context, own, at)
    return groups


def positions_of(read: list[str], vectors: Vectors) -> list[str]:
    """Those of the positions that the stories are `read` at, at which vectors are kept. Raises InputError for one that is not
    read."""
    if vectors.positions == "all":
        return read
    if missing := [p for p in vectors.positions if p not in read]:
        raise InputError(f"params.yaml: vectors.positions: '{missing[0]}' is not read; there are {', '.join(read)}")
    return [p for p in read if p in vectors.positions]


@dataclass(frozen=True)
class Texts:
    """What a group is made of, by precision: the texts that were read, and the neutral ones."""

    labels: NDArray[np.str_]
    read: dict[str, xr.Dataset]
    neutral: dict[str, xr.Dataset]
    left_out: dict[str, str]  # precisions that lack texts of a label, with the reason

    @property
    def seeds(self) -> list[int | None]:
        one = next(iter(self.read.values()))
        return one["seed"].values.tolist() if "seed" in one.dims else [None]


def counted(read: xr.Dataset, vectors: Vectors) -> xr.Dataset:
    """The texts of the emotions that count, and the neutral ones."""
    return read.isel(stimulus=[i for i, e in enumerate(read["emotion"].values) if vectors.counts(str(e))])


def drawn(read: xr.Dataset, vectors: Vectors) -> xr.Dataset:
    """The first draws of an untrained twin, of which vectors are kept; a trained model's reading as it is."""
    return read.isel(seed=slice(vectors.draws)) if "seed" in read.dims else read


def texts_of(model: str, group: Group, vectors: Vectors) -> Texts | None:
    """The readings of a group; None where no precision has texts of every label. A precision that lacks some (none was
    written there that can be read) is left out."""
    read = {p: drawn(counted(arrays.activations(model, p, r), vectors), vectors) for p, r in group.readings.items()}
    labels = np.unique([e for t in read.values() for e in t["emotion"].values.tolist()])
    lacking = {p: sorted(set(labels) - set(t["emotion"].values.tolist())) for p, t in read.items()}
    left_out = {p: f"no text of {', '.join(names[:5])}" for p, names in lacking.items() if names}
    for precision, why in left_out.items():
        print(f"{model} {precision} {group.setting}: {why}; it has no vectors", file=sys.stderr)
    whole = {p: t for p, t in read.items() if p not in left_out}
    if not len(labels) or not whole:
        return None
    return Texts(labels, whole, {p: drawn(arrays.activations(model, p, NEUTRAL), vectors) for p in whole}, left_out)


def vectors_of(
    texts: Texts, positions: list[str], baseline: NDArray[np.bool_], share: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors (seed, precision, variant, position, layer, E, H), NaN where a text is not finite; and the number of neutral
    components removed (seed, precision, position, layer), -1 there."""
    one, seeds = next(iter(texts.read.values())), texts.seeds
    n_layers, hidden = one.sizes["layer"], one.sizes["hidden"]
    lead = (len(seeds), len(texts.read))
    vector = np.full(
        (*lead, len(layout.VARIANTS), len(positions), n_layers, len(texts.labels), hidden), np.nan, dtype=np.float32
    )
    removed = np.full((*lead, len(positions), n_layers), -1, dtype=np.int64)
    for (i, seed), (j, precision), (p, position) in product(enumerate(seeds), enumerate(texts.read), enumerate(positions)):
        at: dict[str, Any] = {"position": position} if seed is None else {"position": position, "seed": seed}
        here, calm = texts.read[precision].sel(at), texts.neutral[precision].sel(at)
        whole = here["finite"].values.all(axis=0) & calm["finite"].values.all(axis=0)
        states, plain = here["activation"].values, calm["activation"].values
        label = np.searchsorted(texts.labels, np.array(here["emotion"].values.tolist()))
        for layer in np.flatnonzero(whole):
            made, count = emotion_vectors(states[:, layer], label, baseline, plain[:, layer], share)
            vector[i, j, :, p, layer], removed[i, j, p, layer] = made, count
    return vector, removed


def of_group(model: str, group: Group, params: Params) -> xr.Dataset | None:
    """The Dataset of one group (see `pipeline.store.layout`); None where there are no texts of every label. Raises InputError
    where there is nothing to compare."""
    texts = texts_of(model, group, params.vectors)
    if texts is None:
        return None
    baseline = texts.labels != params.vectors.neutral_label
    if baseline.sum() < 2:
        path = params.readings[STORIES].path
        raise InputError(f"{path}: fewer than two emotions beside the neutral label: nothing to compare")
    vector, removed = vectors_of(texts, group.positions, baseline, params.vectors.neutral_variance)
    lead: tuple[str, ...] = ("seed",)
    if texts.seeds == [None]:
        vector, removed, lead = vector[0], removed[0], ()
    coords: dict[str, Any] = {
        "precision": ("precision", np.array(list(texts.read), dtype=layout.STRING)),
        "variant": ("variant", np.array(layout.VARIANTS, dtype=layout.STRING)),
        "position": ("position", np.array(group.positions, dtype=layout.STRING)),
        "layer": ("layer", np.arange(removed.shape[-1])),
        "emotion": ("emotion", np.array(texts.labels.tolist(), dtype=layout.STRING)),
    }
    if lead:
        coords["seed"] = ("seed", np.array(texts.seeds, dtype=np.int64))
    variables = {
        "vector": ((*lead, *layout.VECTOR_DIMS), vector),
        "finite": ((*lead, *layout.LAYER_DIMS), removed >= 0),
        "n_neutral_components": ((*lead, *layout.LAYER_DIMS), removed),
    }
    about = {"positions": "; ".join(f"{p} = {params.positions[p].in_words()}" for p in group.positions)}
    return xr.Dataset(variables, coords=coords, attrs=about | convention(group, texts, bool(baseline.all()), params.vectors))


def convention(group: Group, texts: Texts, every_label: bool, vectors: Vectors) -> dict[str, Any]:
    """What a group says of itself, in words and digests."""
    return {
        "method": group.method,
        "setting": group.setting,
        "context": "the text alone"
        if group.context == "alone"
        else "after the prompt that was answered, which names the label",
        "baseline": "mean of the label means" + ("" if every_label else f" without '{vectors.neutral_label}'"),
        "denoised": "without the principal components of the neutral texts that hold"
        f" {vectors.neutral_variance:.0%} of their variance, fitted at the same layer, position and precision;"
        " n_neutral_components counts them",
        "finite": "False: a text's states were not finite at this layer; the vector is NaN and n_neutral_components -1",
        **({"precisions_left_out": texts.left_out} if texts.left_out else {}),
        "n_texts": {p: t.sizes["stimulus"] for p, t in texts.read.items()},
        "stimuli_sha256": {p: t.attrs["stimuli_sha256"] for p, t in texts.read.items()},
        "neutral_sha256": next(iter(texts.neutral.values())).attrs["stimuli_sha256"],
    }


def attributes_of(model: str, params: Params) -> dict[str, Any]:
    """What a model's node says: what its readings of the stories share, once; and what differs by precision."""
    precisions = params.precisions_of(model)
    stories = [arrays.activations(model, p, STORIES) for p in precisions]
    one = stories[0].attrs
    of_the_reading = ("title", *BY_PRECISION, "reading", "positions", "stimuli_sha256", "code_sha256")
    return {
        **{k: v for k, v in one.items() if k not in of_the_reading},
        "best_layers": "opening.table('layers'): by rule, position and variant",
        "precisions": {p: {k: s.attrs[k] for k in BY_PRECISION[1:]} for p, s in zip(precisions, stories, strict=True)},
        "read_code_sha256": one["code_sha256"],
        "vectors_code_sha256": code_digest("vectors"),
        "vectors_params": params.vectors.model_dump(),
    }


def main(arguments: list[str]) -> None:
    (model,) = arguments
    params = Params.load()
    made = {name: of_group(model, group, params) for name, group in groups_of(model, params).items()}
    groups = {name: dataset for name, dataset in made.items() if dataset is not None}
    writer.write_vectors(groups, attributes_of(model, params), model)


if __name__ == "__main__":
    run_stage(main)
