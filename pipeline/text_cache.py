"""The step from one token to the next for several texts at once, so that none can tell that it is not alone.

Left padding would make one attention call for all texts of a batch; but its sums are then taken in another order, rounding
differs, and a text may go another way. Here each text has keys and values of its own, attention goes text by text, and only
the linear maps, where the time goes, are shared. Neither order, neighbours nor size of a batch then change a single bit
(measured on CPUs, in every dtype; GPU libraries may choose another product for another number of texts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from pipeline.checked import InputError

ROOM = 64
"""Tokens for which there is room beyond those held: what is held is copied once in so many steps, not at each."""

FEWEST = 4
"""Rows of a step; where texts are fewer, the last is repeated. On a CPU a product of 1 to 3 rows adds up in another order."""


class Held:
    """Keys and values of one text in one layer: the columns from `begin` to `end` of a buffer (2, head, token, dim).

    On a CPU fp16 and bf16 are held as fp32, which holds all of their numbers: attention of one token takes a tenth of the time
    there, and is rounded once, as `pipeline.arithmetic` does it.
    """

    def __init__(self, states: Tensor, window: int | None) -> None:
        self.window, self.begin, self.end = window, 0, 0
        self._move(states.float() if states.device.type == "cpu" else states)

    def _move(self, states: Tensor) -> None:
        _, heads, self.end, dim = states.shape
        self.begin, self.buffer = 0, states.new_empty(2, heads, self.end + ROOM, dim)
        self.buffer[:, :, : self.end] = states

    def states(self) -> Tensor:
        return self.buffer[:, :, self.begin : self.end]

    def add(self, states: Tensor) -> Tensor:
        """Add one token (2, head, dim); what it attends to, itself included (2, 1, head, token, dim)."""
        if self.end == self.buffer.shape[2]:
            self._move(self.states())
        self.buffer[:, :, self.end] = states
        self.end += 1
        if self.window is not None:
            self.begin = max(self.begin, self.end - self.window)
        return self.states()[:, None]


class TextCache:
    """What a model keeps of one text: its length in tokens, and its keys and values layer by layer."""

    def __init__(self, length: int, layers: list[Held]) -> None:
        self.length, self.layers = length, layers

    def copy(self) -> TextCache:
        return TextCache(self.length, [Held(layer.states(), layer.window) for layer in self.layers])


class _Together(DynamicCache):
    """The texts of one step as the model's attention meets them: lists in place of tensors, for `_text_by_text`."""

    def __init__(self, texts: Sequence[TextCache]) -> None:
        super().__init__()
        self.texts = texts

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        new = torch.stack([key_states, value_states])[:, :, :, 0]
        held = [text.layers[layer_idx].add(new[:, i]) for i, text in enumerate(self.texts)]
        return [keys for keys, _ in held], [values for _, values in held]


def _text_by_text(
    module: nn.Module, query: Tensor, key: list[Tensor], value: list[Tensor], attention_mask: None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one token a text, (row, 1, head, dim). A text sees all that it holds, so that no mask is needed."""
    asked = query.to(key[0].dtype)
    found = [
        sdpa_attention_forward(module, asked[i : i + 1], keys, values, attention_mask, **options)[0]
        for i, (keys, values) in enumerate(zip(key, value, strict=True))
    ]
    return torch.cat(found + found[-1:] * (len(query) - len(found))).to(query.dtype), None


AttentionInterface.register("text_by_text", _text_by_text)


@contextmanager
def _attention(body: nn.Module, name: str) -> Iterator[None]:
    config = cast(PreTrainedConfig, body.config)
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def after_prompt(body: nn.Module, head: nn.Module, ids: Sequence[int]) -> tuple[Tensor, TextCache]:
    """Logits (1, token) after a prompt, which is read alone, and what is kept of it.

    Raises InputError for an architecture whose layers keep anything but keys and values, of all tokens or of the last ones.
    """
    cache = DynamicCache(config=cast(PreTrainedConfig, body.config))
    for i, layer in enumerate(cache.layers):
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise InputError(f"{type(body).__name__}: the cache of block {i} ({type(layer).__name__}) is not known here")
    device = next(body.parameters()).device
    states = body(input_ids=torch.tensor([list(ids)], device=device), past_key_values=cache, use_cache=True).last_hidden_state
    held = [
        Held(torch.cat([cast(Tensor, layer.keys), cast(Tensor, layer.values)]), getattr(layer, "sliding_window", None))
        for layer in cast(list[DynamicLayer], cache.layers)
    ]
    logits: Tensor = head(states[:, -1])
    return logits, TextCache(len(ids), held)


def after_tokens(body: nn.Module, head: nn.Module, tokens: Sequence[int], texts: Sequence[TextCache]) -> Tensor:
    """Logits (text, token) after one more token of each text, which its cache takes in."""
    device = next(body.parameters()).device
    rows = [*range(len(texts)), *[len(texts) - 1] * (FEWEST - len(texts))]
    ids = torch.tensor([[tokens[row]] for row in rows], device=device)
    positions = torch.tensor([[texts[row].length] for row in rows], device=device)
    with _attention(body, "text_by_text"):
        states = body(input_ids=ids, position_ids=positions, past_key_values=_Together(texts), use_cache=True).last_hidden_state
    for text in texts:
        text.length += 1
    logits: Tensor = head(states[:, -1])[: len(texts)]
    return logits
