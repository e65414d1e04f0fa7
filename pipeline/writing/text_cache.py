"""The step from one token to the next for several texts at once, so that none can tell that it is not alone.

Left padding would make one attention call for all texts of a batch; but its sums are then taken in another order, rounding
differs, and a text may go another way. Here only texts of one length share an attention call, in which each has keys and
values of its own; the linear maps, where the time goes, are shared by all. Neither order, neighbours nor size of a batch then
change a single bit (measured on CPUs, in every dtype; GPU libraries may choose another product for another number of texts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from pipeline.errors import InputError

ROOM = 64
"""Tokens for which there is room beyond those held: what is held is copied once in so many steps, not at each."""

FEWEST = 4
"""Rows of a step; where texts are fewer, the last is repeated. On a CPU a product of 1 to 3 rows adds up in another order."""


PASS = 512
"""Tokens of prompts that share a pass, at most."""


class Held:
    """Keys and values of texts of one length in one layer: the columns from `begin` to `end` of a buffer (2, text, head, token,
    dim).

    On a CPU fp16 and bf16 are held as fp32, which holds all of their numbers: attention of one token takes a tenth of the time
    there, and is rounded once, as `pipeline.models.cpu_arithmetic` does it.
    """

    def __init__(self, states: Tensor, window: int | None) -> None:
        self.window, self.begin, self.end = window, 0, 0
        self._move(states.float() if states.device.type == "cpu" else states)

    def _move(self, states: Tensor) -> None:
        *lead, self.end, dim = states.shape
        self.begin, self.buffer = 0, states.new_empty(*lead, self.end + ROOM, dim)
        self.buffer[..., : self.end, :] = states

    def states(self) -> Tensor:
        return self.buffer[..., self.begin : self.end, :]

    def keep(self, rows: list[int]) -> None:
        self._move(self.states()[:, rows])

    def add(self, states: Tensor) -> Tensor:
        """Add one token of each text (2, text, head, dim); what it attends to, itself included (2, text, head, token, dim)."""
        if self.end == self.buffer.shape[-2]:
            self._move(self.states())
        self.buffer[..., self.end, :] = states
        self.end += 1
        if self.window is not None:
            self.begin = max(self.begin, self.end - self.window)
        return self.states()


class TextCache:
    """What a model keeps of texts of one length, which go on together: how many they are, their length in tokens, and their
    keys and values layer by layer."""

    def __init__(self, texts: int, length: int, layers: list[Held]) -> None:
        self.texts, self.length, self.layers = texts, length, layers

    @classmethod
    def of(cls, texts: Sequence[TextCache]) -> TextCache:
        """A copy of texts of one length, to go on together."""
        layers = [
            Held(torch.cat([layer.states() for layer in layers], dim=1), layers[0].window)
            for layers in zip(*(text.layers for text in texts), strict=True)
        ]
        return cls(sum(text.texts for text in texts), texts[0].length, layers)

    def keep(self, rows: list[int]) -> None:
        """Go on with these texts alone."""
        self.texts = len(rows)
        for layer in self.layers:
            layer.keep(rows)


class _Together(DynamicCache):
    """The texts of one step as the model's attention meets them: lists in place of tensors, for `_length_by_length`."""

    def __init__(self, caches: Sequence[TextCache]) -> None:
        super().__init__()
        self.caches = caches

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        new = torch.stack([key_states, value_states])[:, :, :, 0]
        new = new[:, : sum(cache.texts for cache in self.caches)]  # without the rows that are there twice
        parts = torch.split(new, [cache.texts for cache in self.caches], dim=1)
        held = [cache.layers[layer_idx].add(part) for cache, part in zip(self.caches, parts, strict=True)]
        return [keys for keys, _ in held], [values for _, values in held]


def _length_by_length(
    module: nn.Module,
    query: Tensor,
    key: list[Tensor],
    value: list[Tensor],
    attention_mask: None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of one token a text, (row, head, 1, dim). A text sees all that it holds, so that no mask is needed; heads that
    share keys go together, as if they were tokens."""
    rows, heads, _one, dim = query.shape
    asked = query.to(key[0].dtype).reshape(rows, key[0].shape[1], -1, dim)
    parts = torch.split(asked[: sum(map(len, key))], [len(keys) for keys in key])
    found = [
        nn.functional.scaled_dot_product_attention(part, keys, values, scale=scaling)
        for part, keys, values in zip(parts, key, value, strict=True)
    ]
    every = torch.cat(found).reshape(-1, 1, heads, dim).to(query.dtype)
    return torch.cat([every, every[-1:].expand(rows - len(every), -1, -1, -1)]), None


AttentionInterface.register("length_by_length", _length_by_length)


@contextmanager
def attention(body: nn.Module, name: str) -> Iterator[None]:
    """Let a model's attention go by the function of this name, and by its own again whatever happens."""
    config = cast(PreTrainedConfig, body.config)
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def empty_cache(body: nn.Module) -> DynamicCache:
    """What a model of transformers keeps, before it has read anything.

    Raises InputError for an architecture whose layers keep anything but keys and values, of all tokens or of the last ones.
    """
    cache = DynamicCache(config=cast(PreTrainedConfig, body.config))
    for i, layer in enumerate(cache.layers):
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise InputError(f"{type(body).__name__}: the cache of block {i} ({type(layer).__name__}) is not known here")
    return cache


def after_prompt(body: nn.Module, head: nn.Module, ids: Sequence[int]) -> tuple[Tensor, TextCache]:
    """Logits (1, token) after a prompt, which is read alone, and what is kept of it.

    Raises InputError as `empty_cache` does.
    """
    return _after_pass(body, head, [ids])[0]


def after_prompts(body: nn.Module, head: nn.Module, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, TextCache]]:
    """`after_prompt` of each of some prompts of one length, which share a pass where none can tell: on a CPU at fp32, for two
    thirds of the time. At 16 bits a product of more rows may add up in another order (measured on AMX units)."""
    one, n = next(body.parameters()), 1
    if one.device.type == "cpu" and one.dtype == torch.float32 and prompts and len(prompts[0]) >= FEWEST:
        n = max(1, PASS // len(prompts[0]))
    return [kept for i in range(0, len(prompts), n) for kept in _after_pass(body, head, prompts[i : i + n])]


def _after_pass(body: nn.Module, head: nn.Module, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, TextCache]]:
    cache = empty_cache(body)
    ids = torch.tensor([list(prompt) for prompt in prompts], device=next(body.parameters()).device)
    states = body(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
    layers = [
        (torch.stack([cast(Tensor, layer.keys), cast(Tensor, layer.values)]), getattr(layer, "sliding_window", None))
        for layer in cast(list[DynamicLayer], cache.layers)
    ]
    found = []
    for row in range(len(prompts)):
        own = slice(row, row + 1)
        held = [Held(kept[:, own], window) for kept, window in layers]
        # the head a row at a time: of fewer than FEWEST rows the product is another
        found.append((head(states[own, -1]), TextCache(1, ids.shape[1], held)))
    return found


def after_tokens(body: nn.Module, head: nn.Module, tokens: Sequence[int], caches: Sequence[TextCache]) -> Tensor:
    """Logits (text, token) after one more token of each text, cache by cache, which these take in."""
    device = next(body.parameters()).device
    rows = [*range(len(tokens)), *[len(tokens) - 1] * (FEWEST - len(tokens))]
    lengths = [cache.length for cache in caches for _ in range(cache.texts)]
    ids = torch.tensor([[tokens[row]] for row in rows], device=device)
    positions = torch.tensor([[lengths[row]] for row in rows], device=device)
    with attention(body, "length_by_length"):
        states = body(input_ids=ids, position_ids=positions, past_key_values=_Together(caches), use_cache=True)
    for cache in caches:
        cache.length += 1
    logits: Tensor = head(states.last_hidden_state[:, -1])[: len(tokens)]
    return logits
