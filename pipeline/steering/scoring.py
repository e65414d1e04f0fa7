"""What the unsteered model makes of a text: how probable it finds it after its prompt, and which way it leans when the text
stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.models import int8
from pipeline.params.reading import Position
from pipeline.reading.residual import blocks, hooked, read_batch

Floats = NDArray[np.float64]
WHOLE = Position(rule="mean")


def right_padded(ids: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """Token ids (text, token), padded with 0: what stands to the right of a text changes none of its states."""
    batch = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    for i, text in enumerate(ids):
        batch[i, : len(text)] = torch.tensor(text)
    return batch.to(device)


def mean_surprisal(
    body: nn.Module, head: nn.Module, prompts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]
) -> list[float]:
    """Mean of -log p in nats over the tokens of each text, each after its prompt and the tokens before it; NaN for a text
    without tokens, or where the logits are not finite. Its exponential is the perplexity.

    One pass for all; the end token of a text does not count. Log-probabilities are float32, their mean float64.
    """
    device = next(body.parameters()).device
    whole = [[*prompt, *text] for prompt, text in zip(prompts, texts, strict=True)]
    with torch.inference_mode():
        with int8.padded(body, [len(text) for text in whole]):
            states = body(input_ids=right_padded(whole, device), use_cache=False).last_hidden_state
        found = []
        for row, prompt, text in zip(states, prompts, texts, strict=True):
            if not text:
                found.append(float("nan"))
                continue
            logits = head(row[len(prompt) - 1 : len(prompt) - 1 + len(text)]).float()
            own = torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(text, device=device)[:, None])
            found.append(-float(own.double().mean()))
    return found


def mean_norms(body: nn.Module, ids: Sequence[Sequence[int]], skip: int) -> tuple[Floats, NDArray[np.int64]]:
    """Of one batch: sums (layer) of the L2 norms of the residual stream over all tokens but the first `skip` of each text, and
    how many tokens these are (layer,), so that sums of batches add up. A layer with a norm that is not finite is NaN."""
    device = next(body.parameters()).device
    stream = blocks(body)
    sums = np.zeros(len(stream))

    def see(layer: int, states: torch.Tensor) -> None:
        norms = states.float().norm(dim=-1).double()
        own = [norms[i, skip : len(text)].sum() for i, text in enumerate(ids)]
        total = float(torch.stack(own).sum())
        sums[layer] = total if np.isfinite(total) else np.nan

    with torch.inference_mode(), hooked(list(stream), see), int8.padded(body, [len(text) for text in ids]):
        body(input_ids=right_padded(ids, device), use_cache=False)
    return sums, np.full(len(stream), sum(len(text) - skip for text in ids))


def mean_states(body: nn.Module, ids: Sequence[Sequence[int]], layer: int, skip: int) -> Floats:
    """Mean residual stream (text, hidden) at a layer over all tokens but the first `skip` of each text; NaN where a state is
    not finite, and for a text without other tokens. One pass for all."""
    held = [i for i, text in enumerate(ids) if len(text) > skip]
    hidden: int = body.config.hidden_size  # type: ignore[union-attr, assignment]
    found = np.full((len(ids), hidden), np.nan)
    if held:
        found[held] = read_batch(body, [ids[i] for i in held], [WHOLE], skip).activation[:, 0, layer]
    return found


@dataclass(frozen=True)
class Scale:
    """Where neutral texts lie on a number of directions: units (direction, hidden), their mean and standard deviation there
    (ddof 1). A score is a z: so many standard deviations from a neutral text."""

    units: Floats
    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, units: Floats, neutral: Floats) -> Scale:
        """`neutral` (text, hidden), read in the same way as what is to be scored."""
        projected = neutral @ units.T
        return cls(units, projected.mean(axis=0), projected.std(axis=0, ddof=1))

    def scores(self, states: Floats) -> Floats:
        """z (text, direction) of states (text, hidden); NaN where a state is."""
        return (states @ self.units.T - self.mean) / self.sd
