"""Our activations and RDMs as rsatoolbox's objects, for what it can do with them.

rsatoolbox (https://rsatoolbox.readthedocs.io) is the optional extra `rsatoolbox`; nothing else here needs it. It has no cosine
distance: its "correlation" also takes each pattern's mean over the hidden dimensions away. Its squared distances ("euclidean",
"crossnobis") are divided by the number of dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from analysis.rsa.gram import Floats
from pipeline.errors import InputError


def to_rsatoolbox(
    dataset: xr.Dataset, position: str, layer: int, emotions: Sequence[str] | None = None, centred: bool = True
) -> Any:
    """One layer's activations as an `rsatoolbox.data.Dataset` of stimuli (S, H), float64.

    `dataset` is what `pipeline.store.arrays.activations` gives, of one seed (`dataset.sel(seed=0)`). Observation descriptors:
    `emotion`, `topic`, `stimulus`; descriptors: `position`, `layer`; channel descriptor: `hidden`. `emotions` restricts the
    stimuli and does not reorder them. `centred` takes the mean of the label means of these emotions away, so that means by
    `emotion` are emotion vectors, centred over the labels; it changes no Euclidean distance. Raises InputError for a seed not
    selected, a position, layer or emotion that is not there, states that are not finite, and a missing rsatoolbox.
    """
    data = _module("rsatoolbox.data")
    if "seed" in dataset.dims:
        raise InputError("several seeds of an untrained twin: select one, as in dataset.sel(seed=0)")
    _is_there(position, dataset["position"].values.tolist(), "position")
    _is_there(layer, dataset["layer"].values.tolist(), "layer")
    here = dataset.sel(position=position, layer=layer)
    labels = np.array(here["emotion"].values.tolist(), dtype=str)
    wanted = np.unique(labels).tolist() if emotions is None else list(emotions)
    for emotion in wanted:
        _is_there(emotion, np.unique(labels).tolist(), "emotion")
    kept = np.isin(labels, wanted)
    lost = int((~here["finite"].values[kept]).sum())
    if lost:
        raise InputError(f"layer {layer} at '{position}' is not finite in {lost} of {kept.sum()} stimuli: choose another")
    states, labels = here["activation"].values[kept].astype(np.float64), labels[kept]
    if centred:
        states -= np.mean([states[labels == label].mean(axis=0) for label in np.unique(labels)], axis=0)
    own = {name: np.array(here[name].values[kept].tolist(), dtype=str) for name in ("topic", "stimulus")}
    return data.Dataset(
        states,
        descriptors={"position": position, "layer": int(layer)},
        obs_descriptors={"emotion": labels, **own},
        channel_descriptors={"hidden": np.arange(states.shape[1])},
    )


def rdms_to_rsatoolbox(
    rdms: Floats, labels: Sequence[str], measure: str = "cosine", readers: Mapping[str, Sequence[Any]] | None = None
) -> Any:
    """RDMs (C, P), entries in the order of `rdm.pairs`, as `rsatoolbox.rdm.RDMs` with pattern descriptor `emotion`.

    `labels` (E) name the patterns, in order; `measure` says what the entries are; `readers` describes the RDMs, each a
    sequence (C), as {"model": [...]}. Raises ValueError where the sizes do not fit, InputError for a missing rsatoolbox.
    """
    module = _module("rsatoolbox.rdm")
    entries = np.asarray(rdms, dtype=np.float64)
    size = len(labels) * (len(labels) - 1) // 2
    if entries.ndim != 2 or entries.shape[1] != size:
        raise ValueError(f"RDMs over {len(labels)} labels have shape (C, {size}), not {entries.shape}")
    described = {name: list(values) for name, values in (readers or {}).items()}
    for name, values in described.items():
        if len(values) != len(entries):
            raise ValueError(f"'{name}' describes {len(values)} RDMs, and there are {len(entries)}")
    return module.RDMs(
        entries, dissimilarity_measure=measure, rdm_descriptors=described, pattern_descriptors={"emotion": list(labels)}
    )


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # A module that rsatoolbox itself misses is another mistake than having no rsatoolbox.
        if error.name is None or error.name.split(".")[0] != "rsatoolbox":
            raise
        raise InputError("rsatoolbox is not installed: pip install rsatoolbox") from None


def _is_there(wanted: str | int, known: Sequence[str | int], what: str) -> None:
    if wanted not in known:
        raise InputError(f"no {what} '{wanted}'; there are {', '.join(map(str, known))}")
