"""The step from one token to the next on a GPU: every text has a slot of its own, and every step has every slot.

A GPU's library chooses its product by the number of rows, and with it the order in which sums are taken. A step therefore has
as many rows as there are slots, whether they are taken or not: what a text gets does not depend on how many others are written,
on which, or on where it stands among them. Keys and values stand in one buffer a layer, a text's token t in column t, and what
a text does not hold is masked: one attention call serves texts of all lengths. Shapes never change, so that a step is recorded
once as a CUDA graph and replayed: starting a step's thousand kernels one by one takes five times as long as they do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, DynamicCache
from transformers.cache_utils import DynamicLayer

from pipeline.errors import one_line
from pipeline.models.int8 import TextwiseInt8
from pipeline.writing.text_cache import Held, TextCache, after_prompt, attention, empty_cache

COLUMNS = 64
"""Room is a multiple of so many tokens."""


def can_be_recorded(body: nn.Module) -> bool:
    """Whether passes of a model can be replayed: on a GPU, unless somebody hooks into the model."""
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in body.modules())
    return next(body.parameters()).device.type == "cuda" and not hooked


def recording_of(pass_: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
    """A CUDA graph of what a pass does, which can be done several times over; None, and a word, where it cannot be recorded:
    something in the model asks the host in between. Then it takes longer, for the same numbers."""
    beside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(2):  # libraries set themselves up
            pass_()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            pass_()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        print(f"a step of this model cannot be recorded and is slower: {one_line(error)}", file=sys.stderr)
        return None
    return graph


class Slots:
    """Texts that a model goes on with together. `n` slots, each with room for `room` tokens, prompt included."""

    def __init__(self, body: nn.Module, head: nn.Module, n: int, room: int, *, recorded: bool | None = None) -> None:
        """`recorded`: replay steps as a CUDA graph; None: where that can be, see `can_be_recorded`."""
        self.body, self.head, self.n = body, head, n
        self.room = -(-room // COLUMNS) * COLUMNS
        self.device = next(body.parameters()).device
        self.recorded = can_be_recorded(body) if recorded is None else recorded
        self.rows = torch.arange(n, device=self.device)
        self.columns = torch.arange(self.room, device=self.device)
        self.ids = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        self.at = torch.zeros(n, 1, dtype=torch.long, device=self.device)  # how many tokens each slot holds
        self.lengths = [0] * n
        self.held: list[tuple[Tensor, Tensor]] = []  # of each layer: keys, values (slot, head, token, dim)
        self.windows: list[int | None] = []
        self.masks: dict[int | None, Tensor] = {}
        self.logits = torch.empty(0)
        self.graph: torch.cuda.CUDAGraph | None = None

    def put(self, slot: int, text: TextCache) -> None:
        """Give a slot to a text, of which `text` holds what came before."""
        if not self.held:
            self.windows = [layer.window for layer in text.layers]
            for layer in text.layers:
                _two, _text, heads, _token, dim = layer.states().shape
                kept = layer.states().new_zeros(2, self.n, heads, self.room, dim)
                self.held.append((kept[0], kept[1]))
        for (keys, values), layer in zip(self.held, text.layers, strict=True):
            states = layer.states()
            for kept in (keys, values):
                kept[slot] = 0  # what an earlier text left there may not be finite, and nothing times that is not nothing
            first = text.length - states.shape[-2]  # a window keeps the last tokens alone
            keys[slot, :, first : text.length], values[slot, :, first : text.length] = states[0, 0], states[1, 0]
        self.lengths[slot] = text.length

    def clear(self, slot: int) -> None:
        """What a slot without a text holds: one token, that nobody looks at."""
        self.lengths[slot] = 0

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Logits (slot, token) after one more token in every slot, which those take in. They hold until the next step."""
        fresh = torch.tensor([tokens, self.lengths])
        fresh = fresh.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else fresh
        self.ids.copy_(fresh[0, :, None])
        self.at.copy_(fresh[1, :, None])
        self.lengths = [length + 1 if length else 0 for length in self.lengths]
        if self.recorded and self.graph is None:
            self.graph = recording_of(self._pass)
            self.recorded = self.graph is not None
        if self.graph is not None:
            self.graph.replay()
        else:
            self._pass()
        return self.logits

    def _pass(self) -> None:
        self.masks = {window: self._mask(window) for window in dict.fromkeys(self.windows)}
        with attention(self.body, "slots"):
            states = self.body(input_ids=self.ids, position_ids=self.at, past_key_values=_InSlots(self), use_cache=True)
        self.logits = self.head(states.last_hidden_state[:, -1])

    def _mask(self, window: int | None) -> Tensor:
        """0 where a text sees a column, -inf where it does not: (slot, 1, 1, column)."""
        seen = self.columns <= self.at
        if window is not None:
            seen &= self.columns > self.at - window
        dtype = self.held[0][0].dtype
        return torch.zeros(seen.shape, dtype=dtype, device=self.device).masked_fill_(~seen, -torch.inf)[:, None, None]

    def taken_in(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Put keys and values (slot, head, 1, dim) of the newest token where they belong; all that is held."""
        held = self.held[layer]
        for kept, new in zip(held, (keys, values), strict=True):
            kept[self.rows, :, self.at[:, 0]] = new[:, :, 0].to(kept.dtype)
        return held


class _InSlots(DynamicCache):
    """The slots as the model's attention meets them."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()
        self.slots = slots

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        keys, values = self.slots.taken_in(key_states, value_states, layer_idx)
        mask = self.slots.masks[self.slots.windows[layer_idx]]
        return (keys, mask), values


def _attention(
    module: nn.Module,
    query: Tensor,
    key: tuple[Tensor, Tensor],
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of one token a slot, (slot, head, 1, dim); heads that share keys go together, as if they were tokens."""
    keys, mask = key
    slots, heads, _one, dim = query.shape
    asked = query.to(keys.dtype).reshape(slots, keys.shape[1], -1, dim)
    # This kernel goes through the columns in their order, one text and head at a time, whatever stands beside them.
    one = sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH], set_priority=True) if query.is_cuda else nullcontext()
    with one:
        found = nn.functional.scaled_dot_product_attention(
            asked, keys, value, attn_mask=mask.expand(-1, keys.shape[1], asked.shape[2], -1), scale=scaling
        )
    return found.reshape(slots, 1, heads, dim).to(query.dtype), None


AttentionInterface.register("slots", _attention)


class Prompts:
    """Reads prompts one at a time. Each is padded on the right to a multiple of COLUMNS, which what stands before cannot see,
    so that few widths are met, and the passes of each can be recorded. A width is recorded at its third prompt."""

    def __init__(self, body: nn.Module, head: nn.Module, *, padded: bool | None = None) -> None:
        """`padded`: None where passes can be recorded, and no layer has a window, from which padding would push what counts."""
        self.body, self.head = body, head
        windows = any(type(layer) is not DynamicLayer for layer in empty_cache(body).layers)
        asks = any(isinstance(module, TextwiseInt8) for module in body.modules())  # which columns hold outliers
        self.recorded = can_be_recorded(body) and not asks
        self.padded = (self.recorded and not windows) if padded is None else padded
        self.widths: dict[int, _Width] = {}

    def read(self, ids: Sequence[int]) -> tuple[Tensor, TextCache]:
        """Logits (1, token) after a prompt, and what is kept of it, as `text_cache.after_prompt`."""
        if not self.padded:
            return after_prompt(self.body, self.head, ids)
        width = -(-len(ids) // COLUMNS) * COLUMNS
        if width not in self.widths:
            self.widths[width] = _Width(self.body, width)
        states, kept = self.widths[width].read(ids, self.recorded)
        held = [Held(torch.stack(layer)[..., : len(ids), :], None) for layer in kept]
        return self.head(states[:, len(ids) - 1]), TextCache(1, len(ids), held)


class _Width(DynamicCache):
    """Passes of prompts of one width, and what the model keeps in them: of each layer keys and values (1, head, token, dim)."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body, self.n = body, 0
        self.ids = torch.zeros(1, width, dtype=torch.long, device=next(body.parameters()).device)
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.states = torch.empty(0)
        self.graph: torch.cuda.CUDAGraph | None = None

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        self.kept[layer_idx] = key_states, value_states
        return key_states, value_states

    def read(self, ids: Sequence[int], recorded: bool) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        self.n += 1
        self.ids.copy_(torch.tensor([[*ids, *[0] * (self.ids.shape[1] - len(ids))]]))
        if recorded and self.n == 3:
            self.graph = recording_of(self._pass)
        if self.graph is not None:
            self.graph.replay()
        else:
            self._pass()
        return self.states, [self.kept[layer] for layer in sorted(self.kept)]

    def _pass(self) -> None:
        with attention(self.body, "causal"):
            self.states = self.body(input_ids=self.ids, past_key_values=self, use_cache=True).last_hidden_state


def _causal(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of (text, head, token, dim) to what stands before and to itself; without a mask, that nobody need make."""
    found = nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return found.transpose(1, 2).contiguous(), None


AttentionInterface.register("causal", _causal)
