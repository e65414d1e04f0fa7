"""What a model's own files say before one of them is loaded. What would be read otherwise than its label says is refused by its
config.json and by the headers of its weights, in one line."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.params.reading import QUANTISED
from pipeline.store.provenance import digest_of

READ = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""The files that a model and its tokenizer are read from."""
SEAL = "files.json"
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
HEADS = "lm_head|embed_out"
"""Names of the weights that make logits of states."""
NOT_IN_BODY = rf"(^|\.)({HEADS}|score|mtp|vision_\w+|visual|audio_\w+|multi_modal_projector)\.|rotary_emb\.inv_freq$"
NOT_IN_BODY += r"|(^|\.)(attn|attention)\.(masked_bias|bias)$"
"""Names of weights that a language model's body does without: heads, other senses, and what is computed anew."""
DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16", "F8_E4M3": "float8", "F8_E5M2": "float8"}

Header = Mapping[str, Mapping[str, Any]]


def header_of(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name: dtype and shape. Raises InputError for what has no header."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            return {name: tensor for name, tensor in header.items() if name != "__metadata__" and prod(tensor["shape"]) >= 0}
    except (struct.error, ValueError, MemoryError, OverflowError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: not readable as safetensors: its header is broken") from None


def headers_of(folder: Path) -> dict[str, Any]:
    """The tensors of all safetensors files of a folder."""
    return {k: v for path in sorted(folder.glob("*.safetensors")) for k, v in header_of(path).items()}


def config_of(folder: Path) -> dict[str, Any]:
    """config.json as it stands there; raises InputError for one that is missing or not readable."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (folder / "adapter_config.json").exists():
            raise InputError(f"{folder}: a LoRA adapter, not a model; merge it into its base model first") from None
        raise InputError(f"{folder}: no config.json") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: not readable as JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{folder / 'config.json'}: not a JSON object")
    return found


def check(folder: Path, where: Path, precisions: Iterable[str]) -> None:
    """Raise InputError, naming the entry `where`, for a model that would be read otherwise than it is labelled."""
    try:
        config, header = config_of(folder), headers_of(folder)
    except InputError as error:
        raise InputError(f"{where}: cannot load the model from {error}") from None
    if why := next(filter(None, (_why_not(config, precisions), _adapter(folder), _layers(config, header))), None):
        raise InputError(f"{where}: {folder.name}: {why}")


def _why_not(config: Mapping[str, Any], precisions: Iterable[str]) -> str | None:
    text = config.get("text_config") or config
    both = (config, text)
    if any(c.get("quantization_config") for c in both):
        how = next(c["quantization_config"] for c in both if c.get("quantization_config")).get("quant_method", "another way")
        return (
            f"its weights are quantised already ({how}), so that every precision would be the same; take the original weights"
        )
    if any(c.get("use_bidirectional_attention") or c.get("is_causal") is False for c in both):
        return "its attention looks to the right, too: a text's states would depend on padding; only causal models are read"
    if config.get("is_encoder_decoder"):
        return "an encoder and a decoder; only causal language models are read"
    experts = next((text[key] for key in EXPERTS if isinstance(text.get(key), int) and text[key] > 1), None)
    if experts and (quantised := sorted(QUANTISED.intersection(precisions))):
        return f"a mixture of {experts} experts, of which {', '.join(quantised)} would leave the experts as they are; take bf16"
    return None


def _adapter(folder: Path) -> str | None:
    found = [p.name for name in ("adapter_config.json", "adapter_model.*") for p in folder.glob(name)]
    return (
        f"{found[0]}: a LoRA adapter lies beside the weights and would not be read; merge it first, or move it"
        if found
        else None
    )


def _layers(config: Mapping[str, Any], header: Header) -> str | None:
    n = (config.get("text_config") or config).get("num_hidden_layers")
    own = [k for k in header if not re.search(NOT_IN_BODY, k)]
    found = {int(m[1]) for k in own if (m := re.search(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.", k))}
    extra = int(config.get("num_nextn_predict_layers") or 0)  # predict further tokens: no part of the body
    if isinstance(n, int) and found and max(found) + 1 > n + extra:
        return f"its weights have {max(found) + 1} layers, but its config says num_hidden_layers: {n}"
    return None


def nothing_lacks(info: Mapping[str, Any], source: object, where: Path) -> None:
    """Raise InputError, naming the entry `where`, for a model that its `source` does not fill, by transformers' loading info:
    what a file lacks is filled with random numbers, and a reading of those would be a wrong number."""
    for what in ("missing_keys", "mismatched_keys"):
        if info[what]:
            first = sorted(map(str, info[what]))[0]
            raise InputError(f"{where}: {source} lacks weights of the model ({what}: {len(info[what])}, first {first})")


def unexpected(names: Iterable[str]) -> list[str]:
    """Those of the weights that a file holds and a model has no place for, which belong to its body all the same."""
    return sorted(name for name in names if not re.search(NOT_IN_BODY, name))


def true_precision(folder: Path) -> str:
    """The dtypes that the weights of a folder are kept in, the one of most numbers first; "unstated" without weights."""
    n = Counter[str]()
    for tensor in headers_of(folder).values():
        n[DTYPES.get(tensor["dtype"], str(tensor["dtype"]).lower())] += prod(tensor["shape"])
    return ", ".join(name for name, _ in n.most_common()) or "unstated"


# --- digests -------------------------------------------------------------------------------------------------------------


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file; in one process a file is read once. The hub's cache names large files by theirs: raises InputError for
    one whose contents are others, which the hub's library never looks at again."""
    real = path.resolve()
    state = real.stat()
    found = _read(real, state.st_size, state.st_mtime_ns)
    if re.fullmatch("[0-9a-f]{64}", real.name) and found != real.name:
        raise InputError(f"{path}: damaged: its contents have the SHA-256 {found}; remove {real}, and it is fetched again")
    return found


@cache
def _read(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 by name of every file that a model and its tokenizer are read from."""
    found = sorted({p for pattern in READ for p in folder.glob(pattern) if p.is_file() and p.name != SEAL})
    return {path.name: digest_of_file(path) for path in found}


def digest(folder: Path) -> str:
    """SHA-256 over `digests`: of weights, config and tokenizer."""
    return digest_of(digests(folder))


def is_noted(folder: Path, noted: str | None, where: Path) -> None:
    """Raise InputError unless a folder's files are those that its entry `where` notes; None: it notes none."""
    if noted and (found := digest(folder)) != noted:
        raise InputError(f"{where}: folder.sha256: the files of {folder} have {found}: they are others than this entry means")


def seal(folder: Path) -> None:
    """Note beside a folder's files what they are."""
    (folder / SEAL).write_text(json.dumps(digests(folder), indent=2), encoding="utf-8")


def is_as_sealed(folder: Path) -> bool:
    """Whether a folder's files are those that were there when it was sealed; False where it was not."""
    try:
        return bool(json.loads((folder / SEAL).read_text(encoding="utf-8")) == digests(folder))
    except (OSError, ValueError):
        return False
