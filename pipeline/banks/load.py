"""Vector banks of others: `.npz` with keys `layer_<l>__<label>`, or safetensors with the same; never unpickled."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.params.base import load_yaml
from pipeline.params.imported import BANKS, Bank
from pipeline.store.layout import SCRATCH, whole_or_nothing

KEY = re.compile(r"layer_([0-9]+)__(.+)")
PLAIN = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
"""Dtypes of safetensors that numpy has; BF16, the first half of a float32, it has not."""
LARGEST_BYTES = 2_000_000_000
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Imported:
    """A bank as it was read: `vectors` (hidden,) float32 by layer, then by label, in our names where the file maps them."""

    name: str
    bank: Bank
    vectors: dict[int, dict[str, NDArray[np.float32]]]


def load(name: str) -> Imported:
    """A bank of data/banks, by name. Raises InputError for what is missing, of another digest, pickled, not finite, of unequal
    shapes, or under other keys."""
    path = BANKS / f"{name}.yaml"
    bank = load_yaml(path, Bank)
    return Imported(name, bank, vectors_of(file_of(path, bank), path, bank))


def file_of(path: Path, bank: Bank) -> Path:
    """The bank's file, with the digest that its entry says; one with a url is fetched once."""
    file = bank.path if bank.path is not None else SCRATCH / "banks" / bank.sha256
    if bank.url is not None and not file.is_file():
        try:
            with urllib.request.urlopen(bank.url, timeout=TIMEOUT_SECONDS) as answer:  # http or https (Bank)
                content = answer.read(LARGEST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{path}: url: {bank.url}: not to be had: {one_line(error)}") from None
        if len(content) > LARGEST_BYTES:
            raise InputError(
                f"{path}: url: {bank.url}: more than {LARGEST_BYTES:,} bytes; fetch it by hand and name it as `path`"
            )
        if (found := hashlib.sha256(content).hexdigest()) != bank.sha256:
            raise InputError(f"{path}: url: {bank.url}: its sha256 is {found}, not {bank.sha256}; nothing was kept")
        with whole_or_nothing(file) as scratch:
            scratch.write_bytes(content)
    if not file.is_file():
        raise InputError(f"{path}: path: {file} is not there")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != bank.sha256:
        raise InputError(f"{path}: {file}: its sha256 is {found}, not {bank.sha256}: another version, or damaged")
    return file


def vectors_of(file: Path, path: Path, bank: Bank) -> dict[int, dict[str, NDArray[np.float32]]]:
    """The vectors of a file by layer and label."""
    found: dict[int, dict[str, NDArray[np.float32]]] = {}
    arrays = _arrays(file, path)
    if missing := sorted(set(bank.labels) - {m[2] for key in arrays if (m := KEY.fullmatch(key))}):
        raise InputError(f"{path}: labels: '{missing[0]}' is no label of {file}")
    for key, array in arrays.items():
        match = KEY.fullmatch(key)
        if match is None:
            raise InputError(f"{path}: {file}: key '{key}' is not of the form layer_<l>__<label>")
        layer, label = int(match[1]), bank.labels.get(match[2], match[2])
        if layer >= bank.n_layers:
            raise InputError(f"{path}: n_layers: {file} has layer {layer}; layers are counted from 0")
        if array.ndim != 1 or array.dtype.kind != "f" or array.shape != next(iter(arrays.values())).shape:
            raise InputError(f"{path}: {file}: '{key}' is {array.dtype} {array.shape}; all must be float vectors of one length")
        if len(array) < 2:
            raise InputError(
                f"{path}: {file}: '{key}' has {len(array)} number{'s' * (len(array) != 1)}, two or more are needed"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {file}: '{key}' holds NaN or infinity")
        with np.errstate(over="ignore"):  # said in the next line
            vector = array.astype(np.float32)
        if not np.isfinite(vector).all():
            raise InputError(f"{path}: {file}: '{key}' has values beyond float32, in which banks are compared")
        if not vector.any():
            raise InputError(f"{path}: {file}: '{key}' is all zeros, which has no direction; take the label out")
        if label in found.setdefault(layer, {}):
            raise InputError(f"{path}: labels: two of {file} become '{label}'")
        found[layer][label] = vector
    if not found:
        raise InputError(f"{path}: {file}: holds no vector")
    return found


def _arrays(file: Path, path: Path) -> dict[str, NDArray[np.floating]]:
    """The arrays of a file by key. Raises InputError for a file of another form, and for a key that stands twice."""
    with file.open("rb") as opened:
        zipped = opened.read(2) == b"PK"
    try:
        named = _zipped(file) if zipped else _tensors(file)
    except Exception as error:  # the libraries meet broken files with errors of every kind
        why = f" ({one_line(error, 120)})" if str(error) else ""
        raise InputError(f"{path}: {file}: neither .npz nor safetensors that is read without unpickling{why}") from None
    arrays: dict[str, NDArray[np.floating]] = {}
    for key, array in named:
        if key in arrays:
            raise InputError(f"{path}: {file}: '{key}' stands twice; which is meant, nothing says")
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: {file}: '{key}' is {array}; save it as float32")
        arrays[key] = array
    return arrays


def _zipped(file: Path) -> list[tuple[str, NDArray[np.floating] | str]]:
    """Key and array of every member of a .npz file; a word where it is none."""
    with np.load(file, allow_pickle=False) as archive:
        read = [(key, archive[key]) for key in archive.files]
    return [(key, array if isinstance(array, np.ndarray) else "no array") for key, array in read]


def _tensors(file: Path) -> list[tuple[str, NDArray[np.floating] | str]]:
    """Key and array of every tensor of a safetensors file; its dtype where numpy has none such."""
    found: list[tuple[str, NDArray[np.floating] | str]] = []
    for key, tensor in safetensors.deserialize(file.read_bytes()):  # type: ignore[no-untyped-call]
        dtype, data, shape = tensor["dtype"], tensor["data"], tensor["shape"]
        if dtype in PLAIN:
            found.append((key, np.frombuffer(data, PLAIN[dtype]).reshape(shape)))
        elif dtype == "BF16":
            found.append((key, (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)))
        else:
            found.append((key, dtype))
    return found
