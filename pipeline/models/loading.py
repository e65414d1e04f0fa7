"""Models: from an entry of `data/models/` to weights and tokenizer in memory, at a precision, without surprises.

Whatever the source, it becomes a local folder of safetensors first: a hub snapshot at its pinned revision, the user's
folder, or a GGUF file dequantised once. Nothing is unpickled, no remote code runs, no weight is silently missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pipeline.errors import InputError, note_folder, one_line
from pipeline.models import cpu_arithmetic, gguf, hub, inspection, int8
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.params.reading import QUANTISED
from pipeline.store.provenance import digest_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def dtype_of(precision: str, entry: ModelEntry) -> torch.dtype:
    """What a model computes in at a precision. A quantised one: what its entry says, and so is all that is not quantised."""
    return DTYPES[entry.compute_dtype if precision in QUANTISED else precision]


@dataclass(frozen=True)
class Model:
    """A model ready to be read: the blocks without the LM head, and its tokenizer. Of one that writes, the head too, and its
    generation config, which names the tokens that end a text."""

    name: str
    body: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    attributes: dict[str, Any]
    head: torch.nn.Module | None = None
    generation_config: Any = None


def quiet() -> None:
    """Silence what the libraries say on every load and call, by message; everything else is still heard."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for logger in ("bitsandbytes", "transformers.integrations.hub_kernels"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="MatMul8bitLt: inputs will be cast")


def pick_device(wanted: str) -> torch.device:
    """`auto`: CUDA when present. Raises InputError for a `cuda` that is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("params.yaml: read.device: cuda, but torch sees no CUDA device; set it to auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def load(
    name: str,
    entry: ModelEntry,
    precision: str,
    device: torch.device,
    seed: int | None = None,
    *,
    writes: bool = False,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Model:
    """Load the model of an entry at a precision, with its head if it `writes`; `seed` draws the weights of an untrained twin,
    whose other draws have the same `tokenizer`: a large one takes longer to load than small weights to draw.

    Raises InputError for whatever the user can mend: a file or hub id that is missing, gated or broken, weights that the file
    lacks, a tokenizer whose BOS habit is not what the entry says, an untrained twin that is to write.
    """
    quiet()
    where = MODELS / f"{name}.yaml"
    if writes and entry.untrained:
        raise InputError(f"{where}: an untrained twin (seeds) does not write; take {name} out of write.models")
    folder = locate(entry, where)
    note_folder(folder)
    inspection.check(folder, where, [precision])
    if entry.folder is not None:
        inspection.is_noted(folder, entry.folder.sha256, where)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        _config_is_readable(config, where)
        _shape_is_as_declared(config, entry, where)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True) if tokenizer is None else tokenizer
        untrained = entry.untrained
        dtype = dtype_of(precision, entry)
        whole = _untrained(config, dtype, seed) if untrained else _trained(folder, precision, dtype, device, where, writes)
        _bos_is_as_declared(tokenizer, entry, where)
    except InputError:
        raise
    except Exception as error:  # the libraries meet broken files with errors of every kind
        raise InputError(f"{where}: cannot load the model from {folder}: {one_line(error)}") from error
    if not untrained and getattr(config, "text_config", None) is not None and not writes:
        whole = whole.get_decoder()  # of a model with other senses, the part that reads
    if precision not in QUANTISED:
        whole = whole.to(device)  # type: ignore[arg-type]
    if precision == "int8":
        int8.separate_texts(whole)
    cpu_arithmetic.compute_on(device, whole)
    whole.eval().requires_grad_(False)
    attributes = {
        "model": name,
        "family": entry.family,
        "tuning": entry.tuning,
        "source": _source_in_words(entry),
        "licence": "unstated" if entry.licence is None else f"{entry.licence.name}: {entry.licence.text}",
        "weights": "random, one draw per seed" if entry.untrained else _true_precision(folder),
        "config_sha256": config_digest(config),
        "weights_sha256": "" if entry.untrained else weights_digest(folder),
        "files_sha256": inspection.digest(folder),
        "compute_dtype": str(dtype).removeprefix("torch."),
        "quantisation": {"int8": "bitsandbytes LLM.int8, threshold 6.0", "nf4": "bitsandbytes NF4"}.get(precision, "none"),
    }
    if not writes:
        return Model(name, whole, tokenizer, device, attributes)
    blocks, head = cast(PreTrainedModel, whole.get_decoder()), whole.get_output_embeddings()
    return Model(name, blocks, tokenizer, device, attributes, head, whole.generation_config)


def locate(entry: ModelEntry, where: Path) -> Path:
    """The local folder (config, tokenizer, safetensors) of an entry's source, fetched or converted if need be."""
    if entry.hub is not None:
        return hub.snapshot(entry.hub, where)
    if entry.gguf is not None:
        return gguf.dequantised(entry.gguf, where)
    assert entry.folder is not None
    if not entry.folder.path.is_dir():
        raise InputError(f"{where}: folder.path: {entry.folder.path} is not a folder")
    return entry.folder.path


def _config_is_readable(config: Any, where: Path) -> None:
    # An older transformers misreads a newer one's config without a word (rope parameters fall back to defaults).
    written, installed = str(config.transformers_version or ""), transformers.__version__
    if (major := re.match(r"\d+", written)) and int(major[0]) > int(installed.split(".")[0]):
        raise InputError(f"{where}: its config was written by transformers {written}; {installed} would misread it")


def _trained(
    folder: Path, precision: str, dtype: torch.dtype, device: torch.device, where: Path, writes: bool
) -> PreTrainedModel:
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa"}
    if precision in QUANTISED or device.type != "cpu":
        options["device_map"] = {"": device}  # straight to where they are needed: no second copy in the host's memory
    if precision in QUANTISED:
        options["quantization_config"] = (
            BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=6.0)
            if precision == "int8"
            else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
        )
    kind: Any = AutoModelForCausalLM if writes else AutoModel
    model, info = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, output_loading_info=True, **options)
    inspection.nothing_lacks(info, folder, where)
    if extra := inspection.unexpected(map(str, info["unexpected_keys"])):
        raise InputError(
            f"{where}: {folder} holds weights that its config has no place for ({len(extra)}, first {extra[0]}): it would be"
            " another model without them"
        )
    return cast(PreTrainedModel, model)


def _untrained(config: Any, dtype: torch.dtype, seed: int | None) -> PreTrainedModel:
    assert seed is not None, "an untrained twin is drawn from a seed"
    config = getattr(config, "text_config", None) or config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Drawn on the CPU in fp32, so that a seed means the same weights on every device and at every precision.
        body = AutoModel.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    return body.to(dtype)


def _bos_is_as_declared(tokenizer: PreTrainedTokenizerBase, entry: ModelEntry, where: Path) -> None:
    ids, own = tokenizer("a").input_ids, tokenizer("a", add_special_tokens=False).input_ids
    begins: list[int] = next((ids[:i] for i in range(len(ids)) if ids[i : i + len(own)] == own), [])
    if other := [token for token in begins if token != tokenizer.bos_token_id]:
        named = ", ".join(tokenizer.convert_ids_to_tokens(other))
        raise InputError(f"{where}: its tokenizer begins every text with {named}, which is no BOS; this model is not read")
    habit = tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
    if habit != entry.bos:
        raise InputError(f"{where}: bos: {str(entry.bos).lower()}, but its tokenizer {'adds' if habit else 'does not add'} BOS")


def _shape_is_as_declared(config: Any, entry: ModelEntry, where: Path) -> None:
    text = getattr(config, "text_config", None) or config
    found = {"layers": text.num_hidden_layers, "hidden": text.hidden_size, "vocabulary": text.vocab_size}
    found["tied"] = bool(config.tie_word_embeddings)
    for name, declared in entry.shape.model_dump(exclude_none=True).items() if entry.shape is not None else ():
        if declared != found[name]:
            raise InputError(f"{where}: shape.{name}: {declared}, but its config says {found[name]}")


def _source_in_words(entry: ModelEntry) -> str:
    """Where weights come from: what names them anywhere, and no path of this machine."""
    if entry.hub is not None:
        return f"hub {entry.hub.id} at {entry.hub.revision}"
    if entry.gguf is not None:
        names = [part.package for part in entry.gguf.carried]
        which = f", of {names[0]}{f' to {names[-1]}' if len(names) > 1 else ''} {entry.gguf.version}" if names else ""
        return f"GGUF {entry.gguf.name}, sha256 {entry.gguf.sha256}{which}"
    assert entry.folder is not None
    return f"folder {entry.folder.path.name}"


def _true_precision(folder: Path) -> str:
    note = folder / "gguf.json"
    return str(json.loads(note.read_text())["weights"]) if note.exists() else inspection.true_precision(folder)


def config_digest(config: Any) -> str:
    """SHA-256 of an architecture: the config without the path that it was read from."""
    return digest_of({k: v for k, v in config.to_dict().items() if k != "_name_or_path"})


def weights_digest(folder: Path) -> str:
    """SHA-256 over the SHA-256 of a folder's safetensors files, by name. The hub's cache names its files by theirs."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        whole.update(f"{path.name} {inspection.digest_of_file(path)}\n".encode())
    return whole.hexdigest()
