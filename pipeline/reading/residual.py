"""The residual stream: which layer is which, and how a text's states are pooled. The convention stands here alone.

Layer `l` is the output of block `l`, counted from 0, before any final norm. (The last entry of transformers'
`output_hidden_states` is *after* the final norm: it is not our last layer.) States are pooled inside the pass, in
float32, so that no layer's states are kept for all tokens and the LM head never runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from pipeline.errors import InputError
from pipeline.params.reading import Position

LAYER_IN_WORDS = "layer l = residual stream after block l, counted from 0, before any final norm"


def blocks(body: nn.Module) -> nn.ModuleList:
    """The transformer blocks of a model, in order."""
    n: int = body.config.num_hidden_layers  # type: ignore[union-attr, assignment]
    found = [m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == n and hasattr(m[0], "self_attn")]
    if len(found) != 1:
        raise InputError(
            f"{type(body).__name__}: {len(found)} lists of {n} attention blocks found; this architecture is not known"
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


def pooling_weights(lengths: Sequence[int], positions: Sequence[Position], skip: Sequence[int]) -> Tensor:
    """Weights (text, position, token), float32, each row summing to 1; padding and the first `skip` tokens weigh nothing.

    `lengths` count all tokens of each text, those of `skip` included.
    """
    weights = torch.zeros(len(lengths), len(positions), max(lengths))
    for i, (length, first) in enumerate(zip(lengths, skip, strict=True)):
        for p, position in enumerate(positions):
            start, end = position.span(length - first)
            weights[i, p, first + start : first + end] = 1.0 / (end - start)
    return weights


def pool(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Pool states (text, token, hidden) with weights (text, position, token).

    Returns float32 (text, position, hidden) and bool (text, position): whether every state that counted was finite. What was
    not finite is NaN in the first. A state that does not count (padding, BOS) cannot spoil one that does.
    """
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


def nothing_read(body: nn.Module, n_positions: int) -> Pooled:
    """What a batch of no texts gives: a precision at which a model could write nothing leaves nothing to read."""
    n_layers, hidden = len(blocks(body)), int(body.config.hidden_size)  # type: ignore[union-attr, arg-type]
    shape = (0, n_positions, n_layers)
    return Pooled(
        np.zeros((*shape, hidden), np.float32), np.ones(shape, np.bool_), np.zeros((0, n_positions, hidden), np.float32)
    )


def read_batch(
    body: nn.Module, ids: Sequence[Sequence[int]], positions: Sequence[Position], skip: int | Sequence[int]
) -> Pooled:
    """Read one batch of token ids: one forward pass, right padding, no attention mask.

    `skip` is how many tokens at the beginning of each text never count (BOS, a prompt), one number for all or one each.
    A causal model's states never depend on what stands to their right, so right padding needs no mask.
    """
    device = next(body.parameters()).device
    lengths = [len(text) for text in ids]
    batch = torch.zeros(len(ids), max(lengths), dtype=torch.long)
    for i, text in enumerate(ids):
        batch[i, : len(text)] = torch.tensor(text)
    weights = pooling_weights(lengths, positions, [skip] * len(ids) if isinstance(skip, int) else skip).to(device)
    stream = [body.get_input_embeddings(), *blocks(body)]  # type: ignore[operator]
    pooled: list[Tensor] = [torch.empty(0)] * len(stream)
    finite: list[Tensor] = [torch.empty(0)] * len(stream)

    def see(place: int, states: Tensor) -> None:
        pooled[place], finite[place] = pool(states, weights)

    with torch.inference_mode(), hooked(stream, see):
        body(input_ids=batch.to(device), use_cache=False)
    activation, whole = torch.stack(pooled[1:], dim=2).cpu().numpy(), torch.stack(finite[1:], dim=2).cpu().numpy()
    return Pooled(activation, whole, pooled[0].cpu().numpy())
