"""Tiny models of the six families of the paper, with random weights, in the form that a hub snapshot has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

SIZE = {
    "vocab_size": 600,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "initializer_range": 0.113,  # the gain of a layer (times sqrt(hidden)) is then that of a true-size model at 0.02
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
GEMMA_LAYERS = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]

# The six families of the paper: config, and whether the family's tokenizer begins a text with BOS.
FAMILIES = {
    "qwen2.5": (lambda: Qwen2Config(**SIZE, tie_word_embeddings=True), False),
    "smollm2": (lambda: LlamaConfig(**SIZE, tie_word_embeddings=True), False),
    "llama-3.2": (lambda: LlamaConfig(**SIZE, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True), True),
    "gemma-3": (
        lambda: Gemma3TextConfig(**SIZE, sliding_window=16, layer_types=GEMMA_LAYERS, query_pre_attn_scalar=16),
        True,
    ),
    "mistral": (lambda: MistralConfig(**SIZE, sliding_window=None), True),
    "llama-3.1": (lambda: LlamaConfig(**SIZE, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=False), True),
}


def trained_tokenizer(begins_with_bos: bool, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on texts, with the family's BOS habit and a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE["vocab_size"],
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if begins_with_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    return fast


def save(family: str, folder: Path, texts: Iterable[str]) -> None:
    """A model of a family with a tokenizer trained on `texts`; of one family always the same weights."""
    config, bos = FAMILIES[family]
    with torch.random.fork_rng():
        torch.manual_seed(list(FAMILIES).index(family))
        AutoModelForCausalLM.from_config(config()).save_pretrained(folder)
    trained_tokenizer(bos, texts).save_pretrained(folder)
