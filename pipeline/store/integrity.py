"""What lies on disk is what was written: digests that a group of the store carries in its attribute `sha256`, taken when it is
written and held against it wherever it is opened.

`values`: of every array and coordinate by name, over dimensions, type, shape and numbers. `arrays`: of what each says of
itself (zarr.json) and, of one that is written in shards, of the CRC-32C of each of its inner chunks, which stand at their ends
(Zarr v3, codec crc32c). Zarr checks a chunk against its own when it reads it, so that both together hold the whole array,
though little is read. `attributes`: of all other attributes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.store import layout
from pipeline.store.provenance import digest_of

SEAL = "sha256"
NOT_SEALED = "has no digests: another version of this project wrote it"
VERSION, FIRST = "schema_version", "1"
CRC = 4  # bytes of a CRC-32C
BLOCK = 2**24  # numbers of which a digest is taken at once


def of_values(array: xr.DataArray | xr.Variable) -> str:
    """SHA-256 of an array: names of its dimensions, type, shape and values; of NaN, whichever bits it has, and of text, however
    it is encoded."""
    values = np.asarray(array.values)
    if values.dtype.kind not in "biuf":
        return digest_of([list(map(str, array.dims)), list(values.shape), [str(x) for x in values.ravel().tolist()]])
    little = values.dtype.newbyteorder("<")
    digest = hashlib.sha256(json.dumps([list(map(str, array.dims)), little.str, list(values.shape)]).encode())
    flat = np.ascontiguousarray(values).reshape(-1)
    for block in np.split(flat, range(BLOCK, flat.size, BLOCK)):  # of what lies in a file, a part at a time in memory
        nan = np.isnan(block) if block.dtype.kind == "f" else np.False_
        numbers = np.where(nan, block.dtype.type(np.nan), block) if nan.any() else block
        digest.update(numbers.astype(little, copy=False).view(np.uint8).data)
    return digest.hexdigest()


def of_array(array: Path) -> str:
    """SHA-256 of what an array says of itself and, where it is in shards, of the checksums of its inner chunks, in order.
    Raises OSError or ValueError for one that is not readable."""
    content = (array / "zarr.json").read_bytes()
    digest = hashlib.sha256(content)
    metadata = json.loads(content)
    sharding = _sharding(metadata)
    if sharding is None:
        return digest.hexdigest()
    shape, shard = metadata["shape"], metadata["chunk_grid"]["configuration"]["chunk_shape"]
    n = prod(ceil(whole / inner) for whole, inner in zip(shard, sharding["chunk_shape"], strict=True))
    for index in product(*(range(ceil(a / b)) for a, b in zip(shape, shard, strict=True))):
        bytes_ = np.memmap(array / "c" / "/".join(map(str, index)), np.uint8, "r")
        places = np.frombuffer(bytes_[-16 * n - CRC : -CRC].tobytes(), "<u8").reshape(n, 2)
        ends = places.sum(axis=1, dtype=np.uint64)
        if (ends > bytes_.size).any() or (ends < CRC).any():
            raise ValueError("its index points behind its end")
        digest.update(places.tobytes() + bytes_[ends[:, None] - np.uint64(CRC) + np.arange(CRC, dtype=np.uint64)].tobytes())
    return digest.hexdigest()


def _sharding(metadata: dict[str, Any]) -> dict[str, Any] | None:
    return next((c["configuration"] for c in metadata["codecs"] if c["name"] == "sharding_indexed"), None)


def values_of(dataset: xr.Dataset) -> dict[str, str]:
    """`of_values` of every array and coordinate of a Dataset."""
    return {str(name): of_values(variable) for name, variable in sorted(dataset.variables.items(), key=lambda x: str(x[0]))}


def seal(group: Path, values: Mapping[str, str]) -> None:
    """Put digests into the attributes of a group that has just been written; `values` as `values_of` gives them."""
    path = group / "zarr.json"
    node = json.loads(path.read_text(encoding="utf-8"))
    arrays = {name: of_array(group / name) for name in values}
    attributes = node.setdefault("attributes", {})
    attributes[VERSION] = layout.SCHEMA_VERSION
    attributes[SEAL] = {"values": dict(values), "arrays": arrays, "attributes": digest_of(attributes)}
    path.write_text(json.dumps(node, indent=2), encoding="utf-8")


def faults_of_attributes(attributes: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the attributes of a group, as they stand in its zarr.json."""
    own = attributes.get(SEAL)
    if own is not None and (version := attributes.get(VERSION, FIRST)) != layout.SCHEMA_VERSION:
        yield of_another_version(version)
    elif not isinstance(own, dict) or not {"values", "arrays", "attributes"} <= own.keys():
        yield NOT_SEALED
    elif own["attributes"] != digest_of({key: value for key, value in attributes.items() if key != SEAL}):
        yield "its attributes are not those that were written"


def of_another_version(version: object) -> str:
    """In words."""
    return f"is of schema version {version}, and this version of the project reads {layout.SCHEMA_VERSION}"


def faults_of_files(group: Path) -> Iterator[str]:
    """What is not as it was written in a group on disk: attributes, what arrays say of themselves, and those in shards. Raises
    OSError or ValueError for what is not readable."""
    attributes = json.loads((group / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
    found = list(faults_of_attributes(attributes))
    yield from found
    for name, digest in attributes[SEAL]["arrays"].items() if not found else ():
        if not (group / name / "zarr.json").is_file():
            yield f"'{name}' is not there"
        elif of_array(group / name) != digest:
            yield f"'{name}' is not what was written"


def faults_of_place(attributes: Mapping[str, Any], **place: str) -> Iterator[str]:
    """Where a group's attributes name something else than its place does: it was moved, or is a link to another."""
    yield from (
        f"is of {key} '{attributes.get(key)}', not '{name}'" for key, name in place.items() if attributes.get(key) != name
    )


def faults_of_names(dataset: xr.Dataset) -> Iterator[str]:
    """Arrays and coordinates that a group lacks, or has beside those that were written."""
    written = dataset.attrs[SEAL]["values"].keys()
    yield from (f"'{name}' is not there" for name in sorted(written - set(map(str, dataset.variables))))
    yield from (f"'{name}' was not written with it" for name in sorted(set(map(str, dataset.variables)) - written))


def faults_of_values(dataset: xr.Dataset, large_too: bool = False) -> Iterator[str]:
    """Arrays and coordinates of a group whose values are not those that were written: all of each is read, and of those with a
    dimension `hidden`, which are in shards, nothing unless `large_too`."""
    for name, digest in dataset.attrs[SEAL]["values"].items():
        there = dataset.variables.get(name)
        if there is not None and (large_too or "hidden" not in there.dims) and of_values(there) != digest:
            yield f"'{name}' is not what was written"
