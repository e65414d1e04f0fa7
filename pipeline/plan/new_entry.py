"""Write the entry of a model from its own files: config, tokenizer, and the headers of its weights. Nothing is loaded.

    python -m pipeline.plan.new_entry NAME HUB=org/model[@revision] | GGUF=file | FOLDER=path

Counts the parameters, takes the shape, tries the tokenizer's BOS habit, and takes the revision or digest. Family, lineage and
tuning are guessed from names and said to be guesses: read the file before you use it.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.errors import InputError, one_line, run_stage
from pipeline.models import hub, inspection, packages
from pipeline.models.entries import MODELS, Gguf, Hub, ModelEntry, load_entry
from pipeline.params.base import is_a_name
from pipeline.plan import weights

OVERFLOWING = ("gemma3",)
"""Beginnings of the `model_type` of architectures whose trained states are known to be beyond fp16."""


@dataclass(frozen=True)
class Found:
    """What a model's own files say: its config, BOS habit, number of parameters, chat template, and licence (GGUF alone)."""

    config: Any
    bos: bool
    parameters: int
    template: bool
    licence: str | None = None


def safetensors_parameters(path: Path) -> int:
    """Numbers in a safetensors file, from its header alone. Raises InputError for what has none."""
    return sum(prod(tensor["shape"]) for tensor in inspection.header_of(path).values())


def of_folder(folder: Path) -> Found:
    """What a folder of safetensors says. Raises InputError for one that lacks weights, config or tokenizer, and whose weights
    are not those of its config."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: {'a file, not a folder; a GGUF file is given as GGUF=' * folder.exists() or 'no such folder'}"
        )
    if (folder / "adapter_config.json").exists():
        raise InputError(f"{folder}: a LoRA adapter, not a model; merge it into its base model first")
    weights.are_files(folder)
    parameters = sum(map(safetensors_parameters, weights.loaded(folder)))  # what lies beside is another form of the same
    if how := weights.quantised(folder, inspection.config_of(folder)):
        raise InputError(f"{folder}: its weights are {how}; take the original weights")
    found = _found({"pretrained_model_name_or_path": folder, "local_files_only": True}, parameters)
    weights.are_whole(folder, found.config, writes=False)
    return found


def of_gguf(path: Path) -> Found:
    """What a GGUF file's header and tokenizer say. Raises InputError for one that is not the whole of a model."""
    if not path.is_file():
        raise InputError(f"{path}: {'a folder, not a file; it is given as FOLDER=' * path.exists() or 'no such file'}")
    import gguf

    from pipeline.models.gguf import parsed_once
    from pipeline.plan import gguf_header

    gguf_header.is_whole(path)
    with parsed_once():
        try:
            reader = gguf.GGUFReader(str(path))
            n = sum(prod(map(int, tensor.shape)) for tensor in reader.tensors)
            licence = reader.fields.get("general.license")
        except Exception as error:  # the parser meets a broken file with errors of every kind
            raise InputError(f"{path}: not readable as GGUF: {one_line(error)}") from None
        options = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
        return _found(options, n, None if licence is None else str(licence.contents()))


def _found(options: dict[str, Any], parameters: int, licence: str | None = None) -> Found:
    from transformers import AutoConfig, AutoTokenizer

    place = options["pretrained_model_name_or_path"]
    try:
        config, tokenizer = AutoConfig.from_pretrained(**options), AutoTokenizer.from_pretrained(**options)
    except Exception as error:  # the libraries meet broken files with errors of every kind
        raise InputError(f"{place}: its config or tokenizer cannot be read: {one_line(error)}") from None
    bos = tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]
    return Found(config, bos, parameters, tokenizer.chat_template is not None, licence)


def text_of(name: str, found: Found, source: str) -> str:
    """The entry as YAML; `source` is its line or lines on where the model comes from. Raises InputError for a config without
    the sizes of a language model."""
    own = getattr(found.config, "text_config", None) or found.config
    tuning = "instruct" if found.template or re.search("instruct|chat|-it", name.lower()) else "base"
    family = re.sub(r"[-_.](\d+(\.\d+)?[mb]|instruct|chat|it|base|pt).*$", "", name.lower()) or name
    try:
        tied = str(bool(found.config.tie_word_embeddings)).lower()
        shape = f"layers: {own.num_hidden_layers}, hidden: {own.hidden_size}, vocabulary: {own.vocab_size}, tied: {tied}"
    except AttributeError as error:
        raise InputError(f"NAME={name}: its config is not that of a language model: {one_line(error)}") from None
    wide = "compute_dtype: bf16           # of int8 and nf4: fp16 ends at 65,504, and the states of Gemma 3 do not\n"
    return (
        f"# From the model's own files ({own.model_type}). Family, lineage, tuning and licence are guesses: check them.\n"
        f"family: {_scalar(family)}\nlineage: {_scalar(family)}\ntuning: {tuning}\nbos: {str(found.bos).lower()}\n"
        f"parameters: {found.parameters}\nshape: {{{shape}}}\n"
        + (wide if own.model_type.startswith(OVERFLOWING) else "")
        + f"{source}\nlicence: {{name: {json.dumps(found.licence or 'unstated')}, text: the model's page}}\n"
    )


def _scalar(text: str) -> str:
    """Text as YAML reads it back: 2024 or null is one in quotes alone."""
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(text, out)
    return out.getvalue().splitlines()[0]


def entry_text(name: str, kind: str, value: str) -> str:
    """The entry of a model that `kind` (HUB, GGUF, FOLDER) says where to find. Raises InputError for what is not there."""
    if kind == "FOLDER":
        folder = Path(value)
        found = of_folder(folder)
        weights.are_one_set(folder)
        return text_of(name, found, f"folder: {{path: {json.dumps(value)}, sha256: {inspection.digest(folder)}}}")
    if kind == "GGUF":
        found = of_gguf(Path(value))
        known = Gguf(file=value, sha256=packages.digest_of_file(Path(value)))
        return text_of(name, found, f"gguf: {{file: {json.dumps(known.file)}, sha256: {known.sha256}}}")
    id_, _, revision = value.partition("@")
    known_hub = Hub(id=id_, revision=hub.revision_of(id_, revision or None))
    folder = hub.snapshot(known_hub, MODELS / f"{name}.yaml")
    return text_of(name, of_folder(folder), f"hub: {{id: {json.dumps(id_)}, revision: {known_hub.revision}}}")


def main(arguments: list[str]) -> None:
    given = dict(a.split("=", 1) for a in arguments[1:] if "=" in a and a.split("=", 1)[1])
    wanted = {kind: value for kind, value in given.items() if kind in ("HUB", "GGUF", "FOLDER")}
    if not arguments or not arguments[0] or len(wanted) != 1:
        raise InputError("say NAME, and one of HUB=org/model, GGUF=file, FOLDER=path")
    name = arguments[0]
    try:
        path = MODELS / f"{is_a_name(name)}.yaml"
    except ValueError as error:
        raise InputError(f"NAME={name}: {error}") from None
    if path.exists():
        raise InputError(f"{path}: exists already, and is left as it is; take another NAME, or delete it first")
    ((kind, value),) = wanted.items()
    text = entry_text(name, kind, value)
    ModelEntry.model_validate(YAML(typ="safe").load(text))  # or what nobody can read would stay there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    load_entry(name)
    print(f"{path}:\n{text}Check what is guessed, then put '{name}' into read.models of params.yaml.")


if __name__ == "__main__":
    run_stage(main)
