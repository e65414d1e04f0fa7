"""Whether a Zarr hierarchy is whole: every chunk that its metadata promise is there, and every shard's own index agrees with
its length. Zarr itself reads what is missing as the fill value, NaN, without a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from math import ceil, prod
from typing import Any

import google_crc32c
import numpy as np

from pipeline.errors import one_line

NOTHING = 2**64 - 1  # offset and length of an inner chunk that a shard does not hold
Read = Callable[[str, int], bytes | None]
"""The last bytes of a file by its key; None where they cost as much as the file, which is then checked when it is read."""


def is_metadata(key: str) -> bool:
    """Whether a file says what a group or an array is."""
    return key.rpartition("/")[2] == "zarr.json"


def shards(metadata: Mapping[str, bytes]) -> set[str]:
    """The arrays that are written in shards: large, and not to be read whole."""
    return {key.rpartition("/")[0] for key, content in metadata.items() if b'"sharding_indexed"' in content}


def faults(files: Mapping[str, int], metadata: Mapping[str, bytes], tail: Read) -> Iterator[str]:
    """What is not whole, in words. `files`: sizes by key, relative to the root; `metadata`: contents of every zarr.json;
    `tail(key, n)`: the last n bytes of a file."""
    for key, content in sorted(metadata.items()):
        node = key.removesuffix("zarr.json").rstrip("/")
        try:
            array = json.loads(content)
        except ValueError:
            yield f"{key}: not readable as JSON"
            continue
        try:
            if array.get("node_type") == "array":
                yield from _of_array(node, array, files, tail)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            yield f"{key}: says nothing that can be understood ({one_line(error)})"
    nodes = {key.rpartition("/")[0] for key in metadata}
    for node in sorted({key.partition("/c/")[0] if "/c/" in key else key.rpartition("/")[0] for key in files}):
        for n in range(1, node.count("/") + 2):
            if (above := "/".join(node.split("/")[:n])) and above not in nodes:
                yield f"{above}: has no zarr.json"
                return


def _of_array(node: str, array: dict[str, Any], files: Mapping[str, int], tail: Read) -> Iterator[str]:
    shape, chunk = array["shape"], array["chunk_grid"]["configuration"]["chunk_shape"]
    if 0 in shape:
        return
    separator = array["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
    sharding = next((c["configuration"] for c in array["codecs"] if c["name"] == "sharding_indexed"), None)
    for index in product(*(range(ceil(n / size)) for n, size in zip(shape, chunk, strict=True))):
        key = f"{node}/{separator.join(['c', *map(str, index)])}" if shape else f"{node}/c"
        if key not in files:
            yield f"{key}: not there"
        elif not files[key]:
            yield f"{key}: empty"
        elif sharding is not None and (fault := _of_shard(files[key], chunk, sharding, partial(tail, key))):
            yield f"{key}: {fault}"


def _of_shard(size: int, shard: list[int], sharding: dict[str, Any], tail: Callable[[int], bytes | None]) -> str | None:
    """What is wrong with one shard: its index (offset and length of every inner chunk, and a CRC-32C) stands at its end, as
    Zarr's default has it (Zarr v3, codec sharding_indexed)."""
    n = prod(ceil(whole / inner) for whole, inner in zip(shard, sharding["chunk_shape"], strict=True))
    length = 16 * n + 4
    if size < length:
        return "shorter than its own index"
    content = tail(length) if sharding.get("index_location", "end") == "end" else None
    if content is None:
        return None
    if google_crc32c.value(content[:-4]) != int.from_bytes(content[-4:], "little"):
        return "cut off or changed: its index does not match its checksum"
    offset, count = np.frombuffer(content[:-4], dtype="<u8").reshape(n, 2).T
    lost = int((offset == NOTHING).sum())
    if lost:
        return f"{lost} of {n} inner chunks were never written"
    return "its index points behind its end" if (offset + count > size - length).any() else None
