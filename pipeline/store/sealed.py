"""Whole stores of small groups, whose every number is held against the digests that were written with it (`integrity`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from pipeline.errors import one_line
from pipeline.store import integrity

GROUPS = "groups"
"""Attribute of a store's root: the names of its groups, so that one which is gone is missed."""


def faults(store: Path) -> Iterator[str]:
    """What is not as it was written, in words: a group that is not there or is another's, an attribute, a number."""
    try:
        tree = xr.open_datatree(store, engine="zarr", consolidated=False)
        found = list(integrity.faults_of_files(store))
        if found:
            yield from found
            return
        named = set(tree.attrs.get(GROUPS, []))
    except Exception as error:  # Zarr and its codecs meet broken files with errors of every kind
        yield f"not readable: {one_line(error)}"
        return
    there = {node.path.strip("/"): node for node in tree.subtree if node.to_dataset(inherit=False).variables}
    yield from (f"{name}: not there" for name in sorted(named - there.keys()))
    yield from (f"{name}: was not written with it" for name in sorted(there.keys() - named))
    for name in sorted(named & there.keys()):
        yield from (f"{name}: {fault}" for fault in _of_group(store / name, there[name].to_dataset(inherit=False)))


def _of_group(group: Path, dataset: xr.Dataset) -> list[str]:
    try:
        bad = list(integrity.faults_of_files(group)) or list(integrity.faults_of_names(dataset))
        return bad or list(integrity.faults_of_values(dataset, large_too=True))
    except Exception as error:  # the same
        return [f"not readable: {one_line(error)}"]
