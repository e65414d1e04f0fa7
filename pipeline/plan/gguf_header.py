"""Whether a GGUF file is the whole of a model that transformers reads as it is, by its header: what lacks it would fill with
random numbers, and what it has no name for it would leave out."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import gguf as library
from gguf import GGUFReader, GGUFValueType, LlamaFileType

from pipeline.errors import InputError, one_line, some
from pipeline.models import gguf, packages
from pipeline.models.entries import Gguf
from pipeline.plan.weights import said_of

SPLIT, KIND = "split.count", "general.file_type"
SCALING = {"rope.scaling.type": ("none",), "rope.scaling.factor": (0.0, 1.0), "rope.scale_linear": (0.0, 1.0)}
"""How positions are scaled, of which transformers reads nothing (5.23), and what says that they are not."""


class _Header(GGUFReader):
    """The library's reader without the words of a vocabulary, with which it takes seconds."""

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        kind, length = int(self._get(orig_offs, "uint32")[0]), int(self._get(orig_offs + 4, "uint64")[0])
        if length < 1000:  # an array of the config
            return super()._get_field_parts(orig_offs, raw_type)
        end = orig_offs + 12
        if (scalar := self.gguf_scalar_to_np.get(GGUFValueType(kind))) is not None:
            end += length * scalar().itemsize
        else:
            for _ in range(length):
                end += 8 + struct.unpack_from("<Q", cast(Any, self.data), end)[0]
        return end - orig_offs, [], [], [GGUFValueType.ARRAY]


def check(gguf_: Gguf, where: Path) -> None:
    """Raise InputError for a GGUF file, where it is here, that is not a whole model. One in parts is put together for it,
    unless it has been dequantised: its parts are pinned."""
    dequantised = packages.copy_of(gguf_).is_dir()
    if packages.not_installed([gguf_]) or (dequantised and (gguf_.parts or not (gguf_.carried or Path(gguf_.file).is_file()))):
        return
    with gguf._whole_file(gguf_, where) as path, said_of(where):
        is_whole(path)


def is_whole(path: Path) -> None:
    """Raise InputError for a file that is one of several, that lacks a tensor of its architecture or has one that would not be
    read, whose positions are scaled, and that does not say what its weights are kept in."""
    from transformers import AutoConfig

    try:
        header = _Header(path)
    except Exception as error:  # the parser meets a broken file with errors of every kind
        raise InputError(f"{path}: not readable as GGUF: {one_line(error)}") from None
    if (split := header.fields.get(SPLIT)) is not None and (n := split.contents()) > 1:
        raise InputError(f"{path}: one of {n} parts; merge it with llama-gguf-split --merge")
    kind = header.fields.get(KIND)
    if kind is None or kind.contents() not in {known.value for known in LlamaFileType}:
        raise InputError(f"{path}: no {KIND} that is known, which says what its weights are kept in; convert the model anew")
    sizes = {tensor.name: prod(map(int, tensor.shape)) for tensor in header.tensors}
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        with patch.object(library, "GGUFReader", lambda *_: header):
            config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    except Exception as error:  # the same
        raise InputError(f"{path}: its config cannot be read: {one_line(error)}") from None
    if not config.vocab_size and config.hidden_size:  # it would have been counted in the vocabulary
        config.vocab_size = sizes.get("token_embd.weight", 0) // config.hidden_size
    lacking, unread = _unlike(config, sizes)
    if lacking:
        raise InputError(
            f"{path}: lacks {some(lacking, 3)}, which would be random numbers; take the whole file, or convert the model anew"
        )
    unread += [f"{key} {value}" for key, value in _scaled(header)]
    if unread:
        raise InputError(f"{path}: holds {some(unread, 3)}, which would not be read; take this model's safetensors")


def _scaled(header: GGUFReader) -> Iterator[tuple[str, Any]]:
    """What a header says of positions that are scaled."""
    for key, field in header.fields.items():
        plain = SCALING.get(key.partition(".")[2])
        if plain is not None and field.contents() not in plain:
            yield key, field.contents()


def _unlike(config: Any, sizes: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Names, as in a GGUF file, of weights of a config's model that tensors of these sizes do not fill, and of tensors that are
    none of its weights (rope_freqs scales the positions of Llama 3), by transformers' own map of names; none of either where it
    has no map for this architecture."""
    import torch
    from transformers import AutoModelForCausalLM, modeling_gguf_pytorch_utils

    names: Any = modeling_gguf_pytorch_utils
    with torch.device("meta"):
        model = cast(Any, AutoModelForCausalLM).from_config(config)
    try:
        kind = names.TENSOR_PROCESSORS.get(config.model_type.removesuffix("_text"), names.TensorProcessor)
        with gguf.parsed_once():  # or the map would be made anew for every module
            named = names.get_gguf_hf_weights_map(model, kind(config=config.to_dict()))
    except NotImplementedError:
        return [], []
    tied = set(model.all_tied_weights_keys)
    filled = dict.fromkeys(named.values(), 0)
    for name, size in sizes.items():
        if name in named:
            filled[named[name]] += size  # experts of several tensors are one weight of the model
    lacking = [
        next((g for g, own in named.items() if own == weight), weight)
        for weight, tensor in model.state_dict().items()
        if weight not in tied and filled.get(weight, 0) != tensor.numel()
    ]
    return lacking, sorted(sizes.keys() - named.keys())
