"""Emotion vectors, lazily, from a folder or from a git revision; what is not whole, or not what was written, is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from pipeline.door import whole
from pipeline.door.home import MEND, home, is_a, is_known, missing, recorded
from pipeline.errors import InputError, one_line
from pipeline.store import integrity, layout

SHOWN = 5
"""How many faults one message names."""


def open_vectors(
    path_or_repo: str | os.PathLike[str] | None = None, rev: str | None = None, models: str | Sequence[str] | None = None
) -> xr.DataTree:
    """The emotion vectors as a DataTree, groups `<model>/<method>`, lazily.

    `path_or_repo`: a Zarr folder, a checkout of this project, or the address of a repository (file://, https://, ssh); None:
    the working directory where it is a checkout, else the repository that holds this code. With a `rev` (a tag or commit), or
    of an address, nothing is pulled: what is used is fetched from the repository's DVC remote, over local paths, https or S3.
    `models`: only these, or this one.

    Everything is refused that is not whole, or not what was written: InputError for a chunk that is missing, cut off or
    changed, a coordinate or an attribute of other values, an object that the remote lacks, a model that was not pulled, and an
    unknown model, repository or revision. A chunk of a remote that is changed within is found when it is loaded (ValueError).
    """
    from pipeline.door import revision

    is_a(path_or_repo, str | os.PathLike | None, "path_or_repo", "a path or an address")
    is_a(rev, str | None, "rev", "a tag or a commit, in quotes")
    is_a(models, Iterable | None, "models", "names")
    models = [models] if isinstance(models, str) else models
    place = home() if path_or_repo is None else path_or_repo
    if rev is not None or revision.is_remote(place):
        repo = str(place) if revision.is_remote(place) else str(home(place))
        found = revision.Revision(repo, rev, layout.VECTORS.as_posix())
        found.fetch(key for key in found.entries if whole.is_metadata(key))
        metadata = dict(found.kept)
        large = tuple(f"{node}/" for node in whole.shards(metadata))
        found.fetch(key for key in found.entries if not key.startswith(large or "//"))
        found.measure(found.entries)
        files, where = {key: found.size(key) for key in found.entries}, f"{found.what}: {found.out}"
        store: Store = found.store()
        local = None

        tail: whole.Read = found.tail
        named = sorted({key.split("/")[0] for key in files if "/" in key})
    else:
        folder, named = _folder(Path(place).expanduser())
        files = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        metadata = {key: (folder / key).read_bytes() for key in files if whole.is_metadata(key)}
        store, where, local = LocalStore(folder, read_only=True), str(folder), folder

        def tail(key: str, n: int) -> bytes | None:
            with (folder / key).open("rb") as file:
                file.seek(-n, os.SEEK_END)
                return file.read()

    wanted = named if models is None else [is_known(m, named, "model") for m in models]
    tree = _opened(store, wanted, where, files, metadata, tail)
    _is_as_written(tree, where, metadata, local)
    return tree


def _folder(place: Path) -> tuple[Path, list[str]]:
    """The Zarr folder that a path means, and the models that it should hold: those that lie there, and of a checkout those that
    its params name and its dvc.lock records."""
    if (place / "zarr.json").is_file():
        folder = place.resolve()
        return folder, sorted(p.name for p in folder.iterdir() if p.is_dir())
    root = home(place)
    folder = root / layout.VECTORS
    named = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    if not named:
        raise missing(folder, root)
    return folder, sorted(named | recorded(root))


def _opened(
    store: Store, models: Sequence[str], where: str, files: Mapping[str, int], metadata: Mapping[str, bytes], tail: whole.Read
) -> xr.DataTree:
    """The DataTree of some models of a store, after every file of them was held against its metadata."""
    if absent := [m for m in models if f"{m}/zarr.json" not in files]:
        raise InputError(f"{where}: {', '.join(absent)} not there; run `make pull`, or open models=[...] that are")
    own = {m: {k: n for k, n in files.items() if k.startswith(f"{m}/")} for m in models}
    bad = [fault for m in models for fault in whole.faults(own[m], {k: c for k, c in metadata.items() if k in own[m]}, tail)]
    if bad:
        more = f", and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise InputError(f"{where}: not whole: {'; '.join(bad[:SHOWN])}{more}; {MEND}")
    nodes = {key.rpartition("/")[0]: json.loads(content) for key, content in metadata.items()}
    arrays = {node.rpartition("/")[0] for node, of in nodes.items() if of["node_type"] == "array"}
    made = {}
    try:
        for name in (n for n, of in nodes.items() if of["node_type"] == "group" and n.split("/")[0] in ("", *models)):
            if name in arrays:
                made[f"/{name}"] = xr.open_zarr(store, group=name, consolidated=False, chunks=None)
            else:  # a node of attributes alone
                made[f"/{name}"] = xr.Dataset(attrs=nodes[name].get("attributes", {}))
        return xr.DataTree.from_dict(made)
    except InputError:
        raise
    except Exception as error:  # Zarr and its codecs meet broken files with errors of every kind
        raise InputError(f"{where}: not readable: {one_line(error)}") from error


def _is_as_written(tree: xr.DataTree, where: str, metadata: Mapping[str, bytes], folder: Path | None) -> None:
    """Raise InputError unless every node of the tree is what was written: its attributes and small arrays, which this loads; of
    a `folder` here, the checksums of what stays lazy, too."""
    bad = []
    for node in tree.descendants:
        name, own = node.path.strip("/"), node.to_dataset(inherit=False)
        try:
            said = json.loads(metadata[f"{name}/zarr.json"]).get("attributes", {})
            faults = list(integrity.faults_of_files(folder / name) if folder else integrity.faults_of_attributes(said))
            faults = faults or [*integrity.faults_of_names(own), *integrity.faults_of_values(own)]
            faults += integrity.faults_of_place(own.attrs, model=name) if node.parent is tree else ()
        except Exception as error:  # Zarr and its codecs meet broken files with errors of every kind
            faults = [f"not readable: {one_line(error)}"]
        bad += [f"{name}: {fault}" for fault in faults]
    if bad:
        more = f", and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise InputError(f"{where}: {'; '.join(bad[:SHOWN])}{more}; {MEND}")


def validate(tree: xr.DataTree) -> xr.DataTree:
    """Return a tree of emotion vectors when it is one, whoever made it: every group below a model has `vector` with the store's
    dimensions, float, of label names and layers that are named once, NaN only where `finite` says so; and where it carries
    digests (`pipeline.store.integrity`), its values are those. Everything is loaded and looked at. Raises InputError, a line
    for each fault, and for what is no tree."""
    is_a(tree, xr.DataTree, "tree", "a DataTree, as open_vectors returns it")
    bad = [f"{node.path}: {fault}" for node in tree.subtree if "vector" in node.to_dataset() for fault in _of_group(node)]
    if not any("vector" in node.to_dataset() for node in tree.subtree):
        bad = ["no group has an array 'vector'"]
    if bad:
        raise InputError(*bad)
    return tree


def _of_group(node: xr.DataTree) -> list[str]:
    dataset = node.to_dataset()
    try:
        dataset.load()
    except Exception as error:  # Zarr and its codecs meet broken files with errors of every kind
        return [f"not readable: {one_line(error)}"]
    vector = dataset["vector"]
    lead = ("seed",) if "seed" in vector.dims else ()
    if vector.dims != (*lead, *layout.VECTOR_DIMS):
        return [f"'vector' has the dimensions {vector.dims}, not {(*lead, *layout.VECTOR_DIMS)}"]
    bad = []
    if vector.dtype.kind != "f":
        bad.append(f"'vector' is {vector.dtype}, not float")
    for dim in vector.dims[:-1]:
        if dim not in dataset.coords:
            bad.append(f"'{dim}' has no names")
        elif len(set(dataset[dim].values.tolist())) < dataset.sizes[dim]:
            bad.append(f"'{dim}' has a name twice")
    if (
        unknown := sorted(set(map(str, dataset["variant"].values.tolist())) - set(layout.VARIANTS))
        if "variant" in dataset.coords
        else []
    ):
        bad.append(f"variant {', '.join(unknown)} is not among {', '.join(layout.VARIANTS)}")
    if bad:
        return bad
    if integrity.SEAL in dataset.attrs:
        bad += integrity.faults_of_values(dataset, large_too=True)
    finite = np.isfinite(vector.values).all(axis=-1)
    promised = dataset["finite"] if "finite" in dataset else xr.ones_like(vector.isel(hidden=0, drop=True), dtype=bool)
    promised = promised.broadcast_like(vector.isel(hidden=0, drop=True)).transpose(*vector.dims[:-1])
    wrong = np.argwhere(finite != promised.values)
    if len(wrong):
        at = ", ".join(f"{d} {dataset[d].values[i]}" for d, i in zip(vector.dims[:-1], wrong[0], strict=True))
        bad.append(f"{len(wrong)} vectors are not what `finite` says, first at {at}")
    return bad
