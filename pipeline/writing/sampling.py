"""How the next token is chosen: greedily, or drawn from the nucleus with a random number of each text's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen: the most probable one (`temperature` None), or one drawn at a temperature from the smallest
    set of tokens whose probability reaches `top_p`; and the number of tokens after which a text is cut."""

    temperature: float | None
    top_p: float = 1.0
    max_new_tokens: int = 256


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """Ids (kept,) of the smallest set of tokens whose probability reaches `top_p` (Holtzman et al. 2020, section 3.1), the most
    probable first; of equals the lower id first.

    `p` is (token,) float64. The first token is always kept.
    """
    n = 64  # sorting a whole vocabulary takes longer than a small model's step, and a nucleus is mostly small
    while (top := p.topk(min(n, len(p))).values).cumsum(0)[-1] < top_p and n < len(p):
        n *= 16
    candidates = (p >= top[-1]).nonzero()[:, 0]
    mass, order = p[candidates].sort(descending=True, stable=True)
    kept = 1 + int((mass.cumsum(0) < top_p).sum())
    return candidates[order[:kept]]


def draw(p: Tensor, top_p: float, u: float) -> int:
    """Inverse distribution function: the first token of the nucleus of `p` (token,) at which the cumulative probability, as a
    share of the nucleus, exceeds `u` (0 <= u < 1)."""
    # In the order of ids: by probability, two tokens that rounding makes change places would change what u means.
    ids = nucleus(p, top_p).sort().values if top_p < 1 else torch.arange(len(p))
    cumulative = p[ids].cumsum(0)
    return int(ids[torch.searchsorted(cumulative, u * cumulative[-1], right=True)])


def draw_together(p: Tensor, top_p: float, u: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """`draw` for each row of `p` (text, token) float64 with `u` (text,), without a question that the host would wait for.

    Returns tokens (text,) and whether the nucleus was found among the `most` most probable tokens; where not, the token is no
    draw.
    """
    if top_p >= 1:
        cumulative, found = p.cumsum(-1), torch.ones(len(p), dtype=torch.bool, device=p.device)
    else:
        most = min(most, p.shape[-1])
        top = p.topk(most).values
        mass = top.cumsum(-1)
        found = (mass[:, -1] >= top_p) | (most == p.shape[-1])
        kept = (1 + (mass < top_p).sum(-1, keepdim=True)).clamp(max=most)
        least = top.gather(-1, kept - 1)
        above, equal = p > least, p == least
        own = above | (equal & (equal.cumsum(-1) <= kept - above.sum(-1, keepdim=True)))  # of equals the lower ids
        cumulative = p.where(own, 0).cumsum(-1)
    tokens = torch.searchsorted(cumulative, u[:, None] * cumulative[:, -1:], right=True)[:, 0]
    return tokens.clamp(max=p.shape[-1] - 1), found


FIRST_TOKENS = 1024
"""Tokens among which a GPU looks for a nucleus, before it looks among all."""


def choose_there(logits: Tensor, decoding: Decoding, u: Sequence[float]) -> list[int | None]:
    """`choose` where the logits are, one answer to the host for all texts."""
    finite = torch.isfinite(logits.amax(dim=-1))
    if decoding.temperature is None:
        tokens, found = logits.argmax(dim=-1), finite
    else:
        p = torch.softmax(logits.double() / decoding.temperature, dim=-1)
        there = torch.tensor(u, dtype=torch.float64).to(p.device)
        tokens, found = draw_together(p, decoding.top_p, there, FIRST_TOKENS)
        if not bool((found | ~finite).all()):
            tokens, _ = draw_together(p, decoding.top_p, there, p.shape[-1])
    return [None if token < 0 else token for token in tokens.where(finite, -1).tolist()]


def choose(logits: Tensor, decoding: Decoding, generators: Sequence[torch.Generator]) -> list[int | None]:
    """The next token of each text from logits (text, token), None where they are not finite.

    Where tokens are drawn, each text's generator (CPU) gives one number. Probabilities are float64, where the logits are.
    """
    if logits.device.type != "cpu":
        drawn = decoding.temperature is not None
        u = [float(torch.rand((), dtype=torch.float64, generator=g)) for g in generators] if drawn else []
        return choose_there(logits, decoding, u)
    finite = torch.isfinite(logits.amax(dim=-1)).tolist()
    if decoding.temperature is None:
        tokens: list[int | None] = logits.argmax(dim=-1).tolist()
    else:
        p = torch.softmax(logits.cpu().double() / decoding.temperature, dim=-1)
        u = [float(torch.rand((), dtype=torch.float64, generator=generator)) for generator in generators]
        tokens = [draw(p[i], decoding.top_p, u[i]) if good else None for i, good in enumerate(finite)]
    return [token if good else None for token, good in zip(tokens, finite, strict=True)]
