"""LLM.int8 for texts that share a pass: each has outlier columns of its own.

bitsandbytes looks for outliers over everything that goes through a layer at once, so that a text's numbers depend on what
stands beside it. Here the columns are found text by text, and what is left is one integer product for all: integers add up
exactly, so that a text gets what bitsandbytes gives it alone. On a CPU that takes less than half of bitsandbytes' own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from pipeline.models.cpu_arithmetic import product

if TYPE_CHECKING:
    from bitsandbytes.nn.modules import Linear8bitLt


class TextwiseInt8(nn.Module):
    """An LLM.int8 linear map (Dettmers et al. 2022, section 3) over texts (text, token, feature) that do not see each other.

    What no text has an outlier in is, at fp16, bit for bit bitsandbytes'. Outlier columns are operands of the dtype that the
    model computes in; their products are added to that in fp32 and rounded once. At bf16 nothing passes through fp16.
    A GPU multiplies outliers by its own units, a CPU in fp32.
    """

    def __init__(self, linear: Linear8bitLt) -> None:
        super().__init__()
        weight: Any = linear.weight
        held: Any = linear.state if weight.CB is None else weight  # the first pass moves them
        self.weight, self.scale = nn.Buffer(held.CB), nn.Buffer(held.SCB)
        self.bias = None if linear.bias is None else nn.Buffer(linear.bias.detach())
        self.threshold: float = linear.state.threshold
        self.apart = True
        self.padding: Tensor | None = None  # (text, token, 1), while `padded`

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.dtype == torch.bfloat16 else x.half()
        if self.apart and x.shape[1] == 1 and x.device.type != "cpu":
            return self._step(x)
        texts = x if self.apart else x.flatten(0, 1)[None]
        sizes = texts.abs() if self.padding is None or not self.apart else texts.abs().masked_fill(self.padding, 0)
        outlying = sizes.amax(dim=1) >= self.threshold  # (text, feature)
        columns = outlying.any(dim=0).nonzero()[:, 0]
        if not len(columns):
            return self._regular(*_quantised(texts), x)
        own, states = outlying[:, None, columns], texts[..., columns]
        texts = texts.index_copy(-1, columns, states.masked_fill(states.abs() >= self.threshold, 0))
        quantised, scale = _quantised(texts)
        quantised[..., columns] = quantised[..., columns].masked_fill(own, 0)
        weight = torch.ops.bitsandbytes.int8_vectorwise_dequant(self.weight[:, columns].contiguous(), self.scale)
        if x.device.type != "cpu":
            return self._added(self._regular(quantised, scale, x), states.where(own, 0), weight.to(x.dtype))
        apart = product(states.where(own, 0).float(), weight.to(x.dtype).float(), None).view(*x.shape[:-1], -1)
        return (self._regular(quantised, scale, x).float() + apart).to(x.dtype)

    def _step(self, x: Tensor) -> Tensor:
        """One token a text, on a GPU. Which columns hold outliers would be a question that the host waits for, 7 times a block,
        and other texts' columns would change how sums are taken: here all columns are multiplied twice."""
        own = x.abs() >= self.threshold
        quantised, scale = _quantised(x.masked_fill(own, 0))
        weight = torch.mul(self.weight, self.scale[:, None] / 127, out=torch.empty_like(self.weight, dtype=x.dtype))
        return self._added(self._regular(quantised, scale, x), x.where(own, 0), weight)

    @staticmethod
    def _added(regular: Tensor, states: Tensor, weight: Tensor) -> Tensor:
        """regular (..., out) + states (..., feature) @ weight (out, feature), summed in fp32 and rounded once."""
        missing = -weight.shape[1] % 8  # whole groups of eight: a GPU multiplies others many times slower
        states, weight = (nn.functional.pad(t, (0, missing)) for t in (states.flatten(0, -2), weight))
        out = torch.addmm(regular.flatten(0, -2).to(states.dtype), states, weight.t())
        return out.view(regular.shape).to(regular.dtype)

    def _regular(self, quantised: Tensor, scale: Tensor, x: Tensor) -> Tensor:
        """The integer product, scaled, with the bias: (..., out) of the dtype of `x`."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        rows = quantised.flatten(0, 1)
        if x.dtype == torch.float16:
            out = torch.ops.bitsandbytes.int8_scaled_mm(rows, self.weight, scale, self.scale, bias=bias, dtype=x.dtype)
        else:  # bitsandbytes' kernel for a GPU rounds to fp16 first, which what needs bf16 would overflow
            whole = torch.ops.bitsandbytes.int8_linear_matmul(rows, self.weight).float()
            out = whole * (scale[:, None] * self.scale / 127**2)
            out = (out if bias is None else out + bias).to(x.dtype)
        return cast(Tensor, out).view(*x.shape[:-1], -1)


def _quantised(texts: Tensor) -> tuple[Tensor, Tensor]:
    """Every token's states (text, token, feature), fp16 or bf16, as int8, and what 127 stands for, float32 (text x token,).

    bitsandbytes' own kernel on a GPU, which takes fp16 alone; elsewhere the same numbers, on a CPU in a third of its time.
    """
    if texts.device.type != "cpu" and texts.dtype == torch.float16:
        quantised, scale, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(texts.flatten(0, 1), 0.0)
        return quantised.view(texts.shape), scale
    states = texts.float()
    scale = states.abs().amax(dim=-1)
    return (states * (127.0 / scale[..., None])).round_().to(torch.int8), scale.flatten()


def separate_texts(model: nn.Module) -> None:
    """Let every LLM.int8 layer of a model treat texts that share a pass as if each went alone. In place."""
    from bitsandbytes.nn.modules import Linear8bitLt  # here: it says things on import, unless they were silenced by then

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Linear8bitLt):
                setattr(module, name, TextwiseInt8(child))


@contextmanager
def padded(model: nn.Module, lengths: Sequence[int]) -> Iterator[None]:
    """Passes of texts of these lengths, padded on the right: what fills a text up is none of it, and outliers there make no
    column of the text one. Otherwise its numbers would depend on the longest text beside it."""
    layers = [m for m in model.modules() if isinstance(m, TextwiseInt8)] if min(lengths) < max(lengths) else []
    beyond = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    padding = beyond[..., None].to(layers[0].weight.device) if layers else None
    try:
        for layer in layers:
            layer.padding = padding
        yield
    finally:
        for layer in layers:
            layer.padding = None


@contextmanager
def batch_mates(model: nn.Module) -> Iterator[None]:
    """Look for outliers over the whole pass, padding included, as bitsandbytes does."""
    layers = [m for m in model.modules() if isinstance(m, TextwiseInt8)]
    try:
        for layer in layers:
            layer.apart = False
        yield
    finally:
        for layer in layers:
            layer.apart = True
