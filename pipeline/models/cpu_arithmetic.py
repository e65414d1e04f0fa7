"""How a CPU, and a GPU, compute here: as exactly as torch does it, in less time.

A CPU multiplies
- fp32: by oneDNN. torch's own choice for fp32, MKL, leaves half of the units of a CPU idle that is not Intel's.
- fp16, and bf16 where oneDNN has no kernel for it: few CPUs multiply these. Operands are of 16 bits, sums are fp32 and rounded
  once, as GPUs do it.

There a row of a product never depends on the others, as long as there are two or more (measured; MKL: four).
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "sdpa_summed_in_fp32"

_IS_THERE: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]

# The one operator by which oneDNN takes dense fp32: torch's compiler calls it for every linear map.
_ONEDNN = _IS_THERE and platform.machine().lower() in ("x86_64", "amd64")

_BF16 = _IS_THERE and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
_BY_FP32 = {torch.float16} if _BF16 else {torch.float16, torch.bfloat16}
"""Types that a CPU does not multiply itself: operands become fp32 first."""


def laid_out(weight: Tensor) -> Tensor:
    """A weight (out, feature), fp32, in the order in which `product` multiplies it: otherwise it is put into that each time."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, None) if _ONEDNN else weight


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight.T + bias of fp32: (..., feature), (out, feature), (out,) -> (..., out).

    On a CPU `weight` as it is, or `laid_out`; the product is the same to the last bit, from four rows on.
    """
    if not _ONEDNN or x.device.type != "cpu":
        return nn.functional.linear(x, weight, bias)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


def exactly_on_a_gpu() -> None:
    """Sums of fp32 products in fp32 and no tf32, which has the mantissa of fp16; sums of fp16 and bf16 products in fp32 to
    the end, also where a library splits them."""
    matmul = torch.backends.cuda.matmul
    matmul.allow_tf32 = False
    matmul.allow_fp16_reduced_precision_reduction = matmul.allow_bf16_reduced_precision_reduction = False


class RowNorm(nn.Module):
    """A root mean square norm as Llama's, Mistral's and Qwen's: in fp32, rounded, then times the weight. In two of a GPU's
    kernels in place of seven, a row at a time whatever the number of rows."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Buffer(norm.weight.detach()), float(norm.variance_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * nn.functional.rms_norm(x, x.shape[-1:], None, self.epsilon)


ROW_NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm")


class SingleLinear(nn.Module):
    """A linear map of fp32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Buffer(laid_out(linear.weight.detach()))
        self.bias = None if linear.bias is None else nn.Buffer(linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        return product(x, self.weight, self.bias)


class HalfLinear(nn.Module):
    """A linear map of operands of 16 bits, summed in fp32 and rounded to their type once. torch's own kernel takes five to nine
    times as long for the same number up to the order of summation."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.weight = nn.Buffer(laid_out(linear.weight.detach().float()))  # exact: fp32 holds all of these numbers
        self.bias = None if bias is None else nn.Buffer(bias)

    def forward(self, x: Tensor) -> Tensor:
        return product(x.float(), self.weight, self.bias).to(x.dtype)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of fp16 in fp32, rounded once: a third of the time."""
    states, _ = sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **options)
    return states.to(query.dtype), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def compute_on(device: torch.device, model: PreTrainedModel) -> None:
    """Let a model compute on a device as this module does. In place."""
    if device.type == "cpu":
        multiply_here(model)
        return
    exactly_on_a_gpu()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__ in ROW_NORMS:
                setattr(module, name, RowNorm(child))


def multiply_here(model: PreTrainedModel) -> None:
    """Let a model on the CPU multiply as this module does. In place; what is quantised, and bf16 where the CPU multiplies it,
    stays as it is."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear and child.weight.dtype == torch.float32:
                setattr(module, name, SingleLinear(child))
            elif type(child) is nn.Linear and child.weight.dtype in _BY_FP32:
                setattr(module, name, HalfLinear(child))
    if model.dtype == torch.float16:
        model.set_attn_implementation(ATTENTION)
