"""Hooks that change the residual stream, and are gone afterwards whatever happens.

`pipeline.reading.residual.hooked` only looks. Here a block's output is replaced by another one: steering adds a vector at every
position of a pass, those of the prompt included, as published (arXiv 2604.11050, steering regime).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.reading.residual import blocks
from pipeline.writing.generation import Written

Push = Callable[[Tensor], Tensor]
"""From states (text, token, hidden) to states of the same shape and dtype."""


@contextmanager
def pushed(modules: Sequence[nn.Module], push: Push) -> Iterator[None]:
    """Let `push` replace what each module puts out, and take the hooks away whatever happens."""

    def on_output(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return (push(output[0]), *output[1:]) if isinstance(output, tuple) else push(output)

    handles = []
    try:
        for module in modules:
            handles.append(module.register_forward_hook(on_output))
        yield
    finally:
        for handle in handles:
            handle.remove()


class PerText:
    """Adds to every text of a pass a vector of its own. `vectors` (text, hidden) float32; `here` says, before each pass, which
    of the texts its rows are. Sums are float32 and rounded once; rows do not mix, so that a text cannot tell its neighbours."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors, self.rows = vectors, list[int]()

    def here(self, rows: list[int]) -> None:
        self.rows = rows

    def __call__(self, states: Tensor) -> Tensor:
        # a step of few texts repeats the last one (pipeline.writing.text_cache)
        rows = self.rows + self.rows[-1:] * (len(states) - len(self.rows))
        return (states.float() + self.vectors[rows][:, None]).to(states.dtype)


def by_mean_norm(unit: Tensor, strength: float) -> Push:
    """The published push: `unit` (hidden) float32 times `strength` times the mean norm of the states of the pass at hand, over
    all of its positions, BOS among them. For one text a pass."""

    def push(states: Tensor) -> Tensor:
        wide = states.float()
        moved: Tensor = wide + unit * strength * wide.norm(dim=-1).mean()
        return moved.to(states.dtype)

    return push


def published(
    body: nn.Module, head: nn.Module, prompt: Sequence[int], unit: Tensor, strength: float, n: int, ends: frozenset[int]
) -> Written:
    """A greedy text of at most `n` tokens under the published rule: `by_mean_norm` after every block.

    Each token comes from a whole pass, without a cache: with every token the mean norm changes, and so does what was added to
    all tokens before.
    """
    device = next(body.parameters()).device
    ids, tokens = list(prompt), list[int]()
    with torch.inference_mode(), pushed(list(blocks(body)), by_mean_norm(unit, strength)):
        while len(tokens) < n:
            states = body(input_ids=torch.tensor([ids + tokens], device=device), use_cache=False).last_hidden_state
            logits = head(states[0, -1])
            if not bool(torch.isfinite(logits.amax())):
                return Written(tokens, "not_finite")
            if (token := int(logits.argmax())) in ends:
                return Written(tokens, "eos")
            tokens.append(token)
    return Written(tokens, "length")
