"""The residual stream: which layer is which, and how a text's states are pooled. The convention stands here alone.

Layer `l` is the output of block `l`, counted from 0, before any final norm. (The last entry of transformers'
`output_hidden_states` is *after* the final norm: it is not our last layer.) States are pooled inside the pass, in
float32, so that no layer's states are kept for all tokens and the LM head never runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from pipeline.errors import InputError
from pipeline.models import int8
from pipeline.params.reading import Position

LAYER_IN_WORDS = "layer l = residual stream after block l, counted from 0, before any final norm"


def blocks(body: nn.Module) -> nn.ModuleList:
    """The transformer blocks of a model, in order. Raises InputError where they are not found, and where they are not causal,
    which some architectures say in their code and not in their config."""
    n: int = body.config.num_hidden_layers  # type: ignore[union-attr, assignment]
    found = [m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == n and hasattr(m[0], "self_attn")]
    if len(found) != 1:
        raise InputError(
            f"{type(body).__name__}: {len(found)} lists of {n} attention blocks found; this architecture is not known"
        )
    if any(getattr(block.self_attn, "is_causal", True) is False for block in found[0]):
        raise InputError(
            f"{type(body).__name__}: its attention looks to the right, too: a text's states would depend on padding; only"
            " causal models are read"
        )
    return found[0]


def tokenise(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, native_bos: bool, bos: str
) -> tuple[list[list[int]], bool]:
    """Token ids of each text, and whether they begin with BOS.

    `bos` is `native` (as the family's tokenizer does, `native_bos`), `other` (the opposite), `always`, `as_published` (the
    same: TransformerLens prepends it for every family) or `never`. BOS is prepended here and nowhere else, so it cannot stand
    twice. A tokenizer without BOS gives its end-of-text token, as TransformerLens does; raises InputError where it has neither.
    """
    begins = {"native": native_bos, "other": not native_bos}.get(bos, bos != "never")
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False).input_ids
    if not begins:
        return ids, False
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if first is None:
        raise InputError(f"bos: {bos}, but this model's tokenizer has neither a BOS nor an end token; set bos: native")
    return [[first, *text] for text in ids], True


def pooling_weights(
    lengths: Sequence[int], positions: Sequence[Position], skip: Sequence[int], words: Sequence[Sequence[int]] | None = None
) -> Tensor:
    """Weights (text, position, token), float32, each row summing to 1; padding and the first `skip` tokens weigh nothing.

    `lengths` count all tokens of each text, those of `skip` included; `words` as `read_batch`.
    """
    weights = torch.zeros(len(lengths), len(positions), max(lengths))
    for i, (length, first) in enumerate(zip(lengths, skip, strict=True)):
        for p, position in enumerate(positions):
            start, end = position.span(length - first, words[i] if words is not None else ())
            weights[i, p, first + start : first + end] = 1.0 / (end - start)
    return weights


def pool(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Pool states (text, token, hidden) with weights (text, position, token).

    Returns float32 (text, position, hidden) and bool (text, position): whether every state that counted was finite. What was
    not finite is NaN in the first. A state that does not count (padding, BOS) cannot spoil one that does.
    """
    if states.device.type != "cpu":
        return _pool_without_asking(states, weights)
    states = states.float()
    spoiled = torch.zeros(weights.shape[:2], dtype=torch.bool, device=states.device)
    if not bool(torch.isfinite(states.sum())):  # cheap, and never finite where a state is not
        finite = torch.isfinite(states).all(dim=-1)
        spoiled = ((weights != 0) & ~finite[:, None, :]).any(dim=-1)
        states = torch.where(finite[..., None], states, 0.0)
    pooled = torch.bmm(weights, states)
    pooled[spoiled] = torch.nan
    # A mean of finite states may itself overflow.
    good = torch.isfinite(pooled).all(dim=-1)
    pooled[~good] = torch.nan
    return pooled, good


def _pool_without_asking(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """`pool` without a question that the host would wait for: a GPU then never runs out of work between two layers."""
    low, high = torch.aminmax(states, dim=-1)  # NaN where a state holds one
    finite = torch.isfinite(low) & torch.isfinite(high)
    spoiled = ((weights != 0) & ~finite[:, None, :]).any(dim=-1)
    pooled = torch.bmm(weights, torch.where(finite[..., None], states, 0).float())
    # A mean of finite states may itself overflow.
    low, high = torch.aminmax(pooled, dim=-1)
    good = torch.isfinite(low) & torch.isfinite(high) & ~spoiled
    return torch.where(good[..., None], pooled, torch.nan), good


@contextmanager
def hooked(modules: Sequence[nn.Module], see: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Call `see(layer, states)` with what each block puts out, and take the hooks away whatever happens."""

    def hook(layer: int) -> Callable[[nn.Module, Any, Any], None]:
        def on_output(_module: nn.Module, _inputs: Any, output: Any) -> None:
            see(layer, output[0] if isinstance(output, tuple) else output)

        return on_output

    handles = []
    try:
        for layer, module in enumerate(modules):
            handles.append(module.register_forward_hook(hook(layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()


class Pooled(NamedTuple):
    """What one batch gives: float32 (text, position, layer, hidden), bool (text, position, layer) and, of the input
    embeddings, float32 (text, position, hidden). See `pool`."""

    activation: np.ndarray
    finite: np.ndarray
    embedding: np.ndarray


def room_for(body: nn.Module, n_texts: int, n_positions: int) -> Pooled:
    """Arrays of the shapes and types of what that many texts give. They hold nothing, and take no memory."""
    n_layers, hidden = len(blocks(body)), int(body.config.hidden_size)  # type: ignore[union-attr, arg-type]
    texts, zero = (n_texts, n_positions), np.float32(0)
    activation, embedding = (np.broadcast_to(zero, shape) for shape in ((*texts, n_layers, hidden), (*texts, hidden)))
    return Pooled(activation, np.broadcast_to(np.False_, (*texts, n_layers)), embedding)


@dataclass(frozen=True)
class Pending:
    """A batch that is being read: what it gives, on the host, once `done` (None: it is there)."""

    parts: tuple[Tensor, Tensor, Tensor]
    done: torch.cuda.Event | None

    @classmethod
    def of(cls, read: Sequence[Pooled]) -> Pending:
        """What is there already, one after the other."""
        return cls(cast(Any, tuple(torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*read, strict=True))), None)

    def result(self) -> Pooled:
        """Wait for it. Raises what the device raised meanwhile."""
        if self.done is not None:
            self.done.synchronize()
        return Pooled(*(part.numpy() for part in self.parts))


def read_batch(
    body: nn.Module,
    ids: Sequence[Sequence[int]],
    positions: Sequence[Position],
    skip: int | Sequence[int],
    words: Sequence[Sequence[int]] | None = None,
) -> Pooled:
    """Read one batch of token ids: one forward pass, right padding, no attention mask.

    `skip` is how many tokens at the beginning of each text never count (BOS, a prompt), one number for all or one each;
    `words`, for positions that count them, the tokens that end each text's words (`pipeline.reading.words`), after these.
    A causal model's states never depend on what stands to their right, so right padding needs no mask.
    """
    return start_batch(body, ids, positions, skip, words).result()


def start_batch(
    body: nn.Module,
    ids: Sequence[Sequence[int]],
    positions: Sequence[Position],
    skip: int | Sequence[int],
    words: Sequence[Sequence[int]] | None = None,
) -> Pending:
    """`read_batch` up to where a GPU has been told what to do: it computes, and copies what is pooled into page-locked memory,
    while the host prepares the next batch and keeps the last one. On a CPU the batch is read when this returns."""
    device = next(body.parameters()).device
    lengths = [len(text) for text in ids]
    batch = torch.zeros(len(ids), max(lengths), dtype=torch.long)
    for i, text in enumerate(ids):
        batch[i, : len(text)] = torch.tensor(text)
    each_skips = [skip] * len(ids) if isinstance(skip, int) else skip
    weights = _sent(pooling_weights(lengths, positions, each_skips, words), device)
    stream = [body.get_input_embeddings(), *blocks(body)]  # type: ignore[operator]
    pooled: list[Tensor] = [torch.empty(0)] * len(stream)
    finite: list[Tensor] = [torch.empty(0)] * len(stream)

    def see(place: int, states: Tensor) -> None:
        pooled[place], finite[place] = pool(states, weights)

    with torch.inference_mode(), hooked(stream, see), int8.padded(body, lengths):
        body(input_ids=_sent(batch, device), use_cache=False)
        return _fetched(torch.stack(pooled[1:], dim=2), torch.stack(finite[1:], dim=2), pooled[0])


def _sent(made: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device; a GPU takes it when it comes to it."""
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)


_COPYING: dict[torch.device, torch.cuda.Stream] = {}


def _fetched(*parts: Tensor) -> Pending:
    """What a device has been told to compute, on the host. Of a GPU by a queue of its own, beside the next batch's work."""
    device = parts[0].device
    if device.type != "cuda":
        return Pending(cast(Any, tuple(part.cpu() for part in parts)), None)
    copying = _COPYING.setdefault(device, torch.cuda.Stream(device))
    copying.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(copying):
        there = [torch.empty(part.shape, dtype=part.dtype, pin_memory=True) for part in parts]
        for host, part in zip(there, parts, strict=True):
            host.copy_(part, non_blocking=True)
            part.record_stream(copying)  # its memory is not given to another tensor before it is copied
        done = torch.cuda.Event()
        done.record()
    return Pending(cast(Any, tuple(there)), done)
