"""LLM.int8 for texts that are written together: each text has outlier columns of its own.

bitsandbytes looks for outliers over everything that goes through a layer at once, so that a text's numbers depend on what is
written beside it. Here the columns are found text by text, and what is left is one integer product for all: integers add up
exactly, so that a text gets, bit for bit, what bitsandbytes gives it alone.
"""

from __future__ import annotations

from typing import Any

import torch
from bitsandbytes.nn.modules import Linear8bitLt
from torch import Tensor, nn


class TextwiseInt8(nn.Module):
    """An LLM.int8 linear map (Dettmers et al. 2022, section 3) over texts (text, token, feature) that do not see each other."""

    def __init__(self, linear: Linear8bitLt) -> None:
        super().__init__()
        weight: Any = linear.weight
        held: Any = linear.state if weight.CB is None else weight  # the first pass moves them
        self.weight, self.scale = nn.Buffer(held.CB), nn.Buffer(held.SCB)
        self.bias = None if linear.bias is None else nn.Buffer(linear.bias.detach())
        self.threshold: float = linear.state.threshold

    def forward(self, x: Tensor) -> Tensor:
        outliers = x.abs() >= self.threshold
        columns = outliers.any(dim=1)
        some = columns.any(dim=1).nonzero()[:, 0].tolist()
        regular = x.half().masked_fill(outliers, 0) if some else x.half()
        quantised, scale, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(regular.flatten(0, 1), 0.0)
        if some:
            quantised = quantised.view(x.shape).masked_fill(columns[:, None], 0).flatten(0, 1)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        out: Tensor = torch.ops.bitsandbytes.int8_scaled_mm(quantised, self.weight, scale, self.scale, bias=bias, dtype=x.dtype)
        out = out.view(*x.shape[:2], -1)
        for i in some:
            own = columns[i].nonzero()[:, 0]
            weight = torch.ops.bitsandbytes.int8_vectorwise_dequant(self.weight[:, own].contiguous(), self.scale)
            out[i] = out[i].addmm(x[i][:, own], weight.to(x.dtype).t())
        return out


def separate_texts(body: nn.Module) -> None:
    """Let every LLM.int8 layer of a model treat texts that share a pass as if each went alone. In place; reading through
    `body` with one text a pass gives the numbers that it gave before."""
    for module in list(body.modules()):
        for name, child in module.named_children():
            if isinstance(child, Linear8bitLt):
                setattr(module, name, TextwiseInt8(child))
