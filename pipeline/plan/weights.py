"""Whether the weights in a folder are those that its config asks for, by their headers: transformers would fill what lacks with
random numbers, and leave out what lies beside."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pipeline.errors import InputError, one_line, some
from pipeline.models import inspection

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
POINTER = b"version https://git-lfs"
PLAIN = {"F64", "F32", "F16", "BF16"}
"""Dtypes of numbers that stand for themselves."""
COUNTED = {"I64", "BOOL"}
"""Dtypes of positions and masks."""
HEAD = rf"(^|\.)({inspection.HEADS})\."


@contextmanager
def said_of(where: Path) -> Iterator[None]:
    """Within, what is wrong with a model's files names its entry, too."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def are_files(folder: Path) -> None:
    """Raise InputError for a file of a model that is a link to nothing, a folder, or a pointer to what Git LFS keeps."""
    for path in sorted({path for pattern in inspection.READ for path in folder.glob(pattern)}):
        if not path.exists():
            raise InputError(f"{path}: a link to nothing; put the file there")
        if not path.is_file():
            raise InputError(f"{path}: not a file; put the file there")
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise InputError(f"{path}: a Git LFS pointer, not the file itself; run git lfs pull where it comes from")


def loaded(folder: Path) -> list[Path]:
    """The files of weights that transformers loads of a folder, and no others. Raises InputError where there are none, where
    one lacks, and for shards that no index names."""
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if not found:
        raise InputError(f"{folder} has no *.safetensors, and weights of another form are not read; put them there")
    if SINGLE in found:
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder} has {some(found)}, but neither {SINGLE} nor {INDEX}; put the one that lacks there")
    named = _named(folder / INDEX)
    if lacking := sorted(named - set(found)):
        raise InputError(f"{folder} has no {lacking[0]}; put its weights there")
    return [folder / name for name in sorted(named)]


def _named(index: Path) -> set[str]:
    """The files that an index names."""
    try:
        return {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"cannot load the model from {index}: not readable as an index of weights") from None


def _header_of(path: Path) -> dict[str, Any]:
    """As `inspection.header_of`, which looks at shapes; raises InputError for a header without the rest, too."""
    header = inspection.header_of(path)
    if any(not {"dtype", "data_offsets"} <= tensor.keys() for tensor in header.values()):
        raise InputError(f"{path}: not readable as safetensors: its header is broken")
    return header


def are_one_set(folder: Path) -> None:
    """Raise InputError for weights beside those that are loaded: which were meant, nothing says, and labels and digests would
    be of both."""
    files = {path.name for path in loaded(folder)}
    others = {path.name for path in folder.glob("*.safetensors")}
    others |= _named(folder / INDEX) if (folder / INDEX).is_file() else set()
    if beside := sorted(others - files):
        raise InputError(f"{folder} has two sets of weights: {min(files)}, and {some(beside)} beside it; remove one")


def quantised(folder: Path, config: Mapping[str, Any]) -> str | None:
    """How weights that are no plain numbers are quantised, though their config has no quantization_config; None: they are
    plain."""
    header = {name: tensor for path in folder.glob("*.safetensors") for name, tensor in _header_of(path).items()}
    if any(isinstance(own, dict) and "quantization" in own for own in (config, config.get("text_config"))):
        return "quantised (MLX)"
    if (folder / "quantize_config.json").exists() or any(name.endswith(".qweight") for name in header):
        return "quantised (GPTQ or AWQ, in their old form)"
    own = {name: str(header[name]["dtype"]) for name in inspection.unexpected(header)}
    odd = [
        f"{name}: {dtype}"
        for name, dtype in own.items()
        if dtype not in PLAIN and not (dtype in COUNTED and not name.endswith((".weight", ".bias")))
    ]
    return f"quantised, and nothing says how ({odd[0]})" if odd else None


def are_whole(folder: Path, config: Any, writes: bool) -> None:
    """Raise InputError for weights of which a file is cut off, and for those that are not the ones that a config asks for: with
    the head, where the model `writes`."""
    header: dict[str, Any] = {}
    for path in loaded(folder):
        own = _header_of(path)
        with path.open("rb") as file:
            begin = 8 + int.from_bytes(file.read(8), "little")
        if (length := begin + max((t["data_offsets"][1] for t in own.values()), default=0)) != path.stat().st_size:
            raise InputError(f"{path}: {path.stat().st_size} bytes, its header says {length}: cut off, or damaged")
        if twice := sorted(header.keys() & own.keys()):
            raise InputError(
                f"{path}: {some(twice, 1)} stands in another file, too, and nothing says which is meant; remove one"
            )
        header |= own
    found = {int(m[1]) for name in header if (m := re.search(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.", name))}
    n = (getattr(config, "text_config", None) or config).num_hidden_layers
    if found and max(found) + 1 < n:
        raise InputError(f"{folder.name}: its weights have {max(found) + 1} layers, but its config says num_hidden_layers: {n}")
    if why := unlike(config, {name: tensor["shape"] for name, tensor in header.items()}, writes):
        raise InputError(f"{folder} {why}")


def unlike(config: Any, shapes: Mapping[str, Collection[int]], writes: bool) -> str | None:
    """How tensors of these names and shapes differ from those of a config's model, as transformers finds it when it loads them:
    here on the meta device, where nothing has numbers. None where they do not, or where that device does not tell."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.models.auto import auto_factory

    kind, class_of = cast(Any, AutoModelForCausalLM if writes else AutoModel), cast(Any, auto_factory)._get_model_class
    try:
        _, info = class_of(config, kind._model_mapping).from_pretrained(
            None,
            config=config,
            state_dict={name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()},
            dtype=torch.float32,
            device_map={"": "meta"},
            ignore_mismatched_sizes=True,  # or the first of them would be an error without a name
            output_loading_info=True,
        )
    except Exception:  # what the meta device cannot do, a true one may
        return None
    if missing := sorted(info["missing_keys"]):
        return f"lacks weights of the model: {some(missing, 1)}; they would be random numbers. Put the whole model there"
    if other := sorted(info["mismatched_keys"]):
        name, here, asked = other[0]
        return (
            f"has {name} of the shape {list(here)}, but its config asks for {list(asked)}; put the config of this model there"
        )
    heads = [name for name in info["unexpected_keys"] if writes and re.search(HEAD, name)]
    if extra := [*inspection.unexpected(info["unexpected_keys"]), *heads]:
        return f"holds weights that its config has no place for: {some(extra, 1)}; put the config of this model there"
    return None


def generation_config_is_readable(folder: Path) -> None:
    """Raise InputError for a generation_config.json without which transformers would go on: it names the tokens that end a
    text."""
    path = folder / "generation_config.json"
    try:
        if path.exists() and not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
            raise InputError(f"{path}: not a JSON object; put the model's own there, or remove it")
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON: {one_line(error)}; put the model's own there, or remove it") from None
