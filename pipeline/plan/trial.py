"""Whether a model can be read, before anything is loaded or fetched but its config: by what the config says, by the headers of
weights that are here, and by a pass of its architecture without numbers (torch's fake tensors take no memory)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from pipeline.errors import InputError, one_line
from pipeline.models import hub, inspection, packages
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.plan import gguf_header, weights
from pipeline.plan.weights import said_of

BY_FLAG = ("bert-generation",)
"""Architectures that are causal where `is_decoder` says so, and that transformers does not list as filling in words."""


def folder_of(entry: ModelEntry) -> Path | None:
    """Where the files of a model are as far as they are here: its folder, its dequantised copy, or what the hub's cache has of
    its snapshot, for which its config alone is fetched; None where nothing is known yet."""
    if entry.folder is not None:
        return entry.folder.path
    if entry.gguf is not None:
        copy = packages.copy_of(entry.gguf)
        return copy if copy.is_dir() else None
    assert entry.hub is not None
    return hub.config_folder(entry.hub)


def check(
    entries: Mapping[str, ModelEntry], precisions: Mapping[str, Sequence[str]], writers: Collection[str] = frozenset()
) -> None:
    """Raise InputError, a line for each, for models that a stage would refuse. `precisions`: by model; `writers`: those that
    write, are steered or are asked."""
    said, tried = [], Tried()
    for model, entry in entries.items():
        try:
            _check(entry, MODELS / f"{model}.yaml", precisions[model], model in writers, tried)
        except InputError as error:
            said.append(str(error))
    if said:
        raise InputError(*said)


class Tried:
    """What a pass without numbers says of the config of a folder, once: models may share one."""

    def __init__(self) -> None:
        self.reads, self.writes = cache(why_not), cache(why_no_writer)


def _check(entry: ModelEntry, where: Path, precisions: Sequence[str], writes: bool, tried: Tried) -> None:
    if entry.gguf is not None and not entry.untrained:
        gguf_header.check(entry.gguf, where)
    folder = folder_of(entry)
    if folder is None:
        return
    if not folder.is_dir():
        raise InputError(f"{where}: folder.path: {folder} is not a folder")
    with said_of(where):
        weights.are_files(folder)
    _config_is_whole(folder, where)
    inspection.check(folder, where, precisions)
    if entry.folder is not None:
        inspection.is_noted(folder, entry.folder.sha256, where)
    with said_of(where):
        weights.generation_config_is_readable(folder)
        if not entry.untrained and (how := weights.quantised(folder, inspection.config_of(folder))):
            raise InputError(
                f"{folder.name}: its weights are {how}: every precision would be of those; take the original weights"
            )
    if why := tried.reads(folder, "int8" in precisions) or (tried.writes(folder) if writes else None):
        raise InputError(f"{where}: {why}")
    config = _config_as_meant(folder, entry, where)
    if own := inspection.config_of(folder).get("auto_map"):
        named = ", ".join(sorted(map(str, own))) if isinstance(own, Mapping) else own
        print(
            f"{where.stem}: its config names code of its own (auto_map: {named}), which is never run: it is read as the"
            f" {config.model_type} of transformers"
        )
    if entry.untrained:
        return
    with said_of(where):
        if entry.folder is not None:
            weights.are_one_set(folder)
        if entry.folder is not None or (entry.hub is not None and hub.is_cached(entry.hub)):
            weights.are_whole(folder, config, writes)


def _config_is_whole(folder: Path, where: Path) -> None:
    """Raise InputError for values in config.json that are no objects where `inspection` looks into them."""
    with said_of(where):
        config = inspection.config_of(folder)
    for own in (config, config.get("text_config") or {}):
        for key in ("text_config", "quantization_config"):
            if not isinstance(own, dict) or not isinstance(own.get(key) or {}, dict):
                raise InputError(f"{where}: {folder / 'config.json'}: {key} is not an object; put the model's own config there")


def _config_as_meant(folder: Path, entry: ModelEntry, where: Path) -> Any:
    """A model's config, checked as `pipeline.models.loading` does once it can be loaded."""
    from transformers import AutoConfig

    from pipeline.models import loading

    config = AutoConfig.from_pretrained(folder, local_files_only=True)  # which `why_not` could read
    loading._config_is_readable(config, where)
    loading._shape_is_as_declared(config, entry, where)
    return config


def why_not(folder: Path, int8: bool = False) -> str | None:
    """Why a model of this config cannot be read, or not at `int8`; None where it can, or where a pass without numbers does not
    tell."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoConfig, AutoModel

    from pipeline.models.loading import quiet
    from pipeline.reading import residual

    quiet()
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)
    shapes: list[tuple[int, ...]] = []
    dimensions: list[int] = []

    def see(_layer: int, states: Any) -> None:
        shapes.append(tuple(states.shape))

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        kind, model = str(config.model_type), cast(Any, AutoModel)
        if looks_both_ways(config):
            raise InputError(f"{kind} is an encoder, whose tokens see those after them; only causal language models are read")
        with FakeTensorMode(allow_non_fake_inputs=True):
            whole = model.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
            body = whole if getattr(config, "text_config", None) is None else whole.get_decoder()
            blocks = residual.blocks(body)
            for linear in (m for m in blocks.modules() if isinstance(m, torch.nn.Linear)):
                linear.register_forward_pre_hook(lambda _linear, inputs: dimensions.append(inputs[0].dim()))
            with torch.inference_mode(), residual.hooked([body.get_input_embeddings(), *blocks], see):
                try:
                    body(input_ids=torch.zeros(1, 3, dtype=torch.long), use_cache=False)
                except Exception:  # the same
                    return None
    except InputError as error:
        return str(error)
    except RuntimeError:  # what a fake tensor cannot do, a true one may
        return None
    except Exception as error:  # the library meets a broken config with errors of every kind (TypeError, its own validation's)
        return f"this architecture cannot be read: {one_line(error, 160)}"
    if int8 and set(dimensions) - {3}:
        return (
            f"{kind}: its linear maps take the tokens of all texts in one row, so that int8 cannot go text by text; take bf16"
        )
    return _odd(kind, shapes)


def looks_both_ways(config: Any) -> bool:
    """Whether this is the config of an encoder: of an architecture that fills in masked words, and is no causal one, or can be
    one and is not asked to (`is_decoder`, or XLM's `causal`)."""
    from transformers.models.auto import modeling_auto

    masked, causal = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    for own in (config, getattr(config, "text_config", None) or config):
        kind = own.model_type
        if kind not in masked and kind not in BY_FLAG:
            continue
        if kind not in causal or not getattr(own, "is_decoder", getattr(own, "causal", False)):
            return True
    return False


def _odd(kind: str, shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Why states of these shapes, of the embeddings and then of every block, are no residual stream."""
    if bad := [shape for shape in shapes if len(shape) != 3]:
        return f"{kind}: its blocks put out states of {len(bad[0])} dimensions {bad[0]}; this architecture is not known"
    if len(widths := dict.fromkeys(shape[-1] for shape in shapes)) > 1:
        return f"{kind}: its embeddings and blocks have {' and '.join(map(str, widths))} dimensions, and are no one stream"
    return None


def why_no_writer(folder: Path) -> str | None:
    """Why a model of this config, which can be read, cannot write; None where it can, or where a pass without numbers does not
    tell."""
    import torch
    from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode, UnsupportedFakeTensorException
    from transformers import AutoConfig, AutoModelForCausalLM

    from pipeline.writing import generation, text_cache

    config, model = AutoConfig.from_pretrained(folder, local_files_only=True), cast(Any, AutoModelForCausalLM)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
            whole = model.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
            body, head = whole.get_decoder(), whole.get_output_embeddings()
            generation._head_gives_the_logits(body)
            read = [text_cache.after_prompt(body, head, ids)[1] for ids in ([0, 0, 0], [0, 0])]
            text_cache.after_tokens(body, head, [0, 0], read)
    except InputError as error:
        return str(error)
    except (UnsupportedFakeTensorException, DataDependentOutputException):  # what a fake tensor cannot do, a true one may
        return None
    except Exception as error:  # an architecture that keeps texts in another way meets ours with errors of every kind
        return f"{config.model_type}: texts cannot be kept here as it keeps them: {one_line(error, 120)}"
    return None
