"""Stage `vectors`: emotion vectors of one model, from its activations, into `data/vectors.zarr/<model>`.

    python -m pipeline.vectors MODEL

A vector is the mean over a label's stories minus a baseline. `centred`: the baseline is the mean of the emotions' means
(the neutral label does not count). `denoised`: the same, without the principal components of the neutral texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.gram import neutral_components
from pipeline import opening, store
from pipeline.checked import InputError, run_stage
from pipeline.params import NEUTRAL, STORIES, Params, load_params
from pipeline.provenance import code_digest

# Attributes that differ between the precisions of one model; the others are said once.
BY_PRECISION = ("precision", "compute_dtype", "quantisation", "batch_plan", "not_finite")


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


def of_model(model: str, params: Params) -> tuple[xr.Dataset, dict[str, Any]]:
    """The Dataset of `<model>/comprehension` and the attributes of the model's node."""
    precisions = params.precisions_of(model)
    stories = [opening.activations(model, p, STORIES) for p in precisions]
    neutral = [opening.activations(model, p, NEUTRAL) for p in precisions]
    one = stories[0]
    positions = params.readings[STORIES].positions
    seeds: list[int | None] = one["seed"].values.tolist() if "seed" in one.dims else [None]
    labels, label = np.unique(np.array(one["emotion"].values.tolist()), return_inverse=True)
    baseline = labels != params.vectors.neutral_label
    if baseline.sum() < 2:
        path = params.readings[STORIES].path
        raise InputError(f"{path}: fewer than two emotions beside the neutral label: nothing to compare")
    n_layers, hidden = one.sizes["layer"], one.sizes["hidden"]
    shape = (len(seeds), len(precisions), len(store.VARIANTS), len(positions), n_layers, len(labels), hidden)
    vector = np.full(shape, np.nan, dtype=np.float32)
    removed = np.full((len(seeds), len(precisions), len(positions), n_layers), -1, dtype=np.int64)
    for (i, seed), (j, _), (p, position) in (
        (s, q, r) for s in enumerate(seeds) for q in enumerate(precisions) for r in enumerate(positions)
    ):
        at: dict[str, Any] = {"position": position} if seed is None else {"position": position, "seed": seed}
        here, calm = stories[j].sel(at), neutral[j].sel(at)
        whole = here["finite"].values.all(axis=0) & calm["finite"].values.all(axis=0)
        states, plain = here["activation"].values, calm["activation"].values
        for layer in np.flatnonzero(whole):
            made, count = emotion_vectors(states[:, layer], label, baseline, plain[:, layer], params.vectors.neutral_variance)
            vector[i, j, :, p, layer], removed[i, j, p, layer] = made, count
    lead: tuple[str, ...] = ("seed",)
    if seeds == [None]:
        vector, removed, lead = vector[0], removed[0], ()
    coords: dict[str, Any] = {
        "precision": ("precision", np.array(precisions, dtype=store.STRING)),
        "variant": ("variant", np.array(store.VARIANTS, dtype=store.STRING)),
        "position": ("position", np.array(positions, dtype=store.STRING)),
        "layer": ("layer", np.arange(n_layers)),
        "emotion": ("emotion", np.array(labels.tolist(), dtype=store.STRING)),
    }
    if lead:
        coords["seed"] = ("seed", np.array(seeds, dtype=np.int64))
    dataset = xr.Dataset(
        {
            "vector": ((*lead, *store.VECTOR_DIMS), vector),
            "finite": ((*lead, *store.LAYER_DIMS), removed >= 0),
            "n_neutral_components": ((*lead, *store.LAYER_DIMS), removed),
        },
        coords=coords,
        attrs={
            "method": store.METHODS[STORIES],
            "setting": STORIES,
            "baseline": "mean of the label means" + ("" if baseline.all() else f" without '{params.vectors.neutral_label}'"),
            "denoised": "without the principal components of the neutral texts that hold"
            f" {params.vectors.neutral_variance:.0%} of their variance, fitted at the same layer, position and precision;"
            " n_neutral_components counts them",
            "finite": "False: a story's states were not finite at this layer; the vector is NaN and n_neutral_components -1",
            "n_stories": one.sizes["stimulus"],
            "stimuli_sha256": one.attrs["stimuli_sha256"],
            "neutral_sha256": neutral[0].attrs["stimuli_sha256"],
        },
    )
    shared = {k: v for k, v in one.attrs.items() if k not in (*BY_PRECISION, "reading", "stimuli_sha256", "code_sha256")}
    attributes = {
        **shared,
        "precisions": {p: {k: s.attrs[k] for k in BY_PRECISION[1:]} for p, s in zip(precisions, stories, strict=True)},
        "read_code_sha256": one.attrs["code_sha256"],
        "vectors_code_sha256": code_digest("pipeline.vectors"),
        "vectors_params": params.vectors.model_dump(),
    }
    return dataset, attributes


def main(arguments: list[str]) -> None:
    (model,) = arguments
    dataset, attributes = of_model(model, load_params())
    store.write_vectors({store.METHODS[STORIES]: dataset}, attributes, model)


if __name__ == "__main__":
    run_stage(main)
