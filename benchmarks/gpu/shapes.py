"""Models of true size with random weights, made on the card; and texts of the lengths of our stories."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from pipeline.models import cpu_arithmetic, int8

STORIES = Path(__file__).resolve().parents[2] / "data/stimuli/stories.csv"
CHARACTERS_PER_TOKEN = 5.4  # of our stories: with it a story has 110 tokens
OUTLIERS = 8
"""Features that are made outliers, as trained models of this size have them in their residual stream (Dettmers et al. 2022)."""


SIZES: dict[str, dict[str, int]] = {
    "8B": {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "1B": {
        "num_hidden_layers": 16,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "tiny": {
        "num_hidden_layers": 4,
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
}
"""Llama 3.1 8B and 3.2 1B, and one for a CPU."""


def llama(size: str, **more: Any) -> LlamaConfig:
    """A config of SIZES."""
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 8192
    gain = 0.113 if size == "tiny" else 0.02
    known: dict[str, Any] = SIZES[size] | {"max_position_embeddings": 131072, "tie_word_embeddings": False}
    return LlamaConfig(**known | {"rope_parameters": rope, "initializer_range": gain} | more)


def made(config: LlamaConfig, dtype: torch.dtype, device: torch.device) -> Any:
    """A model with its head, weights drawn on the device, scaled so that it is like a trained one in what costs time: some
    features of what blocks read are outliers and none of what is inside an MLP; and a nucleus has a hundred tokens. The token
    that fills texts up (0) has an outlier that no text has."""
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    for block in model.model.layers:
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            norm.weight.data[:: len(norm.weight) // OUTLIERS] = 4.0
        block.mlp.up_proj.weight.data *= 0.1
    model.model.embed_tokens.weight.data[0, 1] = 2.0
    model.lm_head.weight.data *= 3.0
    return model.eval().requires_grad_(False)


def parameters(body: nn.Module) -> int:
    """Parameters that a token is multiplied by: without the embeddings and the norms."""
    config: Any = body.config
    d = config.hidden_size // config.num_attention_heads
    attention = 2 * config.hidden_size**2 + 2 * config.hidden_size * config.num_key_value_heads * d
    return int(config.num_hidden_layers * (attention + 3 * config.hidden_size * config.intermediate_size))


def fitted(model: Any, precision: str, device: torch.device) -> Any:
    """A model as `loading.load` leaves it at a precision, or `int8_stock`, as bitsandbytes does it; in place."""
    if precision in ("int8", "int8_stock", "nf4"):
        model = quantised(model, precision)
    cpu_arithmetic.compute_on(device, model)
    return model


def quantised(model: Any, precision: str) -> Any:
    """The same model with its blocks' linear maps quantised in place, as `loading.load` has them: `int8`, `nf4`; or
    `int8_stock`, as bitsandbytes has them."""
    import bitsandbytes as bnb

    for block in model.model.layers:
        for module in list(block.modules()):
            for name, child in module.named_children():
                if type(child) is nn.Linear:
                    setattr(module, name, _quantised(child, precision, bnb))
    if precision == "int8":
        int8.separate_texts(model)
    return model.eval().requires_grad_(False)


def _quantised(linear: nn.Linear, precision: str, bnb: Any) -> nn.Module:
    out, into, weight = linear.out_features, linear.in_features, linear.weight.data.half()
    if precision == "nf4":
        new = bnb.nn.Linear4bit(into, out, bias=False, compute_dtype=torch.float16, quant_type="nf4", device="meta")
        new.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4").to(weight.device)
        return new
    new = bnb.nn.Linear8bitLt(into, out, bias=False, has_fp16_weights=False, threshold=6.0, device="meta")
    whole, scale, _ = bnb.functional.int8_vectorwise_quant(weight)
    new.weight = bnb.nn.Int8Params(whole, requires_grad=False, has_fp16_weights=False, CB=whole, SCB=scale)
    return new


def held_bytes(model: nn.Module) -> int:
    """Bytes of the weights, as they are held."""
    return sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))


def texts(n: int, vocabulary: int, longest: int | None = None) -> list[list[int]]:
    """Token ids of `n` texts, drawn at random, as long as our stories are."""
    with STORIES.open(newline="", encoding="utf-8") as file:
        lengths = [round(len(row["text"]) / CHARACTERS_PER_TOKEN) for row in csv.DictReader(file)]
    lengths = [min(length, longest or length) for length in (lengths * (n // len(lengths) + 1))[:n]]
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(3, vocabulary, (length,), generator=generator).tolist() for length in lengths]
