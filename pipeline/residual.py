"""The residual stream: which layer is which, and how a text's states are pooled. The convention stands here alone.

Layer `l` is the output of block `l`, counted from 0, before any final norm. (The last entry of transformers'
`output_hidden_states` is *after* the final norm: it is not our last layer.) States are pooled inside the pass, in
float32, so that no layer's states are kept for all tokens and the LM head never runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from pipeline.params import InputError, Position

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

    `bos` is `native` (as the family's tokenizer does, `native_bos`), `always` or `never`. BOS is prepended here and nowhere
    else, so it cannot stand twice. Raises InputError for `always` where the tokenizer has no BOS.
    """
    begins = native_bos if bos == "native" else bos == "always"
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False).input_ids
    if not begins:
        return ids, False
    if tokenizer.bos_token_id is None:
        raise InputError("bos: always, but this model's tokenizer has no BOS token; set bos: native")
    return [[tokenizer.bos_token_id, *text] for text in ids], True


def pooling_weights(lengths: Sequence[int], positions: Sequence[Position], bos: bool) -> Tensor:
    """Weights (text, position, token), float32, each row summing to 1; BOS and padding weigh nothing.

    `lengths` count all tokens of each text, BOS included where there is one.
    """
    first = int(bos)
    weights = torch.zeros(len(lengths), len(positions), max(lengths))
    for i, length in enumerate(lengths):
        for p, position in enumerate(positions):
            start = length - 1 if position.rule == "last" else first + position.start
            weights[i, p, start:length] = 1.0 / (length - start)
    return weights


def pool(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Pool states (text, token, hidden) with weights (text, position, token).

    Returns float32 (text, position, hidden) and bool (text, position): whether every state that counted was finite. What was
    not finite is NaN in the first. A state that does not count (padding, BOS) cannot spoil one that does.
    """
    states = states.float()
    finite = torch.isfinite(states).all(dim=-1)
    spoiled = torch.zeros(weights.shape[:2], dtype=torch.bool, device=states.device)
    if not bool(finite.all()):
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


def read_batch(
    body: nn.Module, ids: Sequence[Sequence[int]], positions: Sequence[Position], bos: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch of token ids: one forward pass, right padding, no attention mask.

    A causal model's states never depend on what stands to their right, so right padding needs no mask.

    Returns float32 (text, position, layer, hidden) and bool (text, position, layer), see `pool`.
    """
    device = next(body.parameters()).device
    lengths = [len(text) for text in ids]
    batch = torch.zeros(len(ids), max(lengths), dtype=torch.long)
    for i, text in enumerate(ids):
        batch[i, : len(text)] = torch.tensor(text)
    weights = pooling_weights(lengths, positions, bos).to(device)
    layers = blocks(body)
    pooled: list[Tensor] = [torch.empty(0)] * len(layers)
    finite: list[Tensor] = [torch.empty(0)] * len(layers)

    def see(layer: int, states: Tensor) -> None:
        pooled[layer], finite[layer] = pool(states, weights)

    with torch.inference_mode(), hooked(list(layers), see):
        body(input_ids=batch.to(device), use_cache=False)
    return torch.stack(pooled, dim=2).cpu().numpy(), torch.stack(finite, dim=2).cpu().numpy()
