"""Products on a CPU: as exact as torch's own, and none of a row's business who stands beside it."""

import numpy as np
import pytest
import torch
from transformers import AutoModel

from benchmarks.gpu.tiny import FAMILIES
from pipeline.models import cpu_arithmetic, loading
from pipeline.models.entries import load_entry

CPU = torch.device("cpu")
IDS = torch.arange(5, 45)[None]


def linear(inner, outer, dtype=torch.float32, bias=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Linear(inner, outer, bias=bias, dtype=dtype).requires_grad_(False)


def exactly(x, map_):
    bias = 0 if map_.bias is None else map_.bias.double()
    return (x.double() @ map_.weight.double().T + bias).numpy()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inner", "outer"), [(576, 1536), (1536, 576), (300, 41), (3, 1)])
def test_a_product_of_fp32_is_exact_up_to_the_order_of_summation(inner, outer, bias, rng):
    map_ = linear(inner, outer, bias=bias)
    x = torch.from_numpy(rng.normal(size=(3, 29, inner))).float()
    got = cpu_arithmetic.SingleLinear(map_)(x)
    assert got.dtype == torch.float32
    assert got.shape == (3, 29, outer)
    # every sum of n terms is off by at most n half units in the last place of the sum of magnitudes
    bound = inner * 2.0**-24 * (x.double().abs() @ map_.weight.double().abs().T).numpy() + 1e-7
    assert (np.abs(got.numpy() - exactly(x, map_)) <= bound).all()
    assert np.array_equal(cpu_arithmetic.SingleLinear(map_)(x.transpose(0, 1)).transpose(0, 1), got)  # not contiguous


def test_without_onednn_the_product_is_torchs(rng, monkeypatch):
    map_ = linear(30, 20)
    x = torch.from_numpy(rng.normal(size=(7, 30))).float()
    monkeypatch.setattr(cpu_arithmetic, "_ONEDNN", False)
    assert torch.equal(cpu_arithmetic.SingleLinear(map_)(x), map_(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, rng):
    kind = cpu_arithmetic.SingleLinear if dtype == torch.float32 else cpu_arithmetic.HalfLinear
    map_ = kind(linear(576, 192, dtype))
    x = torch.from_numpy(rng.normal(size=(600, 576))).to(dtype)
    whole = map_(x)
    for rows in (2, 3, 4, 5, 17, 64, 100, 257):
        assert torch.equal(map_(x[3 : 3 + rows]), whole[3 : 3 + rows])


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float16, 11), (torch.bfloat16, 8)])
def test_16_bits_on_a_cpu_are_the_product_of_their_operands_rounded_once(dtype, digits, rng):
    map_ = linear(300, 40, dtype)
    x = torch.from_numpy(rng.normal(size=(7, 300))).to(dtype)
    exact = exactly(x, map_)
    got = cpu_arithmetic.HalfLinear(map_)(x)
    assert got.dtype == dtype
    spacing = 2.0 ** (np.floor(np.log2(np.abs(exact))) + 1 - digits)  # of neighbours with so many binary digits
    assert (np.abs(got.double().numpy() - exact) <= 0.51 * spacing + 1e-5).all()  # half a unit in the last place: one rounding
    huge = cpu_arithmetic.HalfLinear(map_)(x * 0 + 6e4)
    assert torch.isinf(huge).any() == (dtype == torch.float16)  # beyond fp16 it overflows as fp16 does, within bf16 it does not


def test_attention_of_fp16_is_that_of_float64_rounded_once(rng):
    query, key, value = (torch.from_numpy(rng.normal(size=(2, heads, 9, 16))).half() for heads in (4, 2, 2))
    module = torch.nn.Module()
    module.num_key_value_groups, module.is_causal = 2, True
    got, _ = cpu_arithmetic._attention(module, query, key, value, None, scaling=0.25)
    assert got.dtype == torch.float16
    k, v = (np.repeat(t.double().numpy(), 2, axis=1) for t in (key, value))
    scores = query.double().numpy() @ k.transpose(0, 1, 3, 2) * 0.25
    scores[..., np.triu(np.ones((9, 9), bool), 1)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    exact = ((weights / weights.sum(-1, keepdims=True)) @ v).transpose(0, 2, 1, 3)
    spacing = np.spacing(np.abs(exact).astype(np.float16)).astype(np.float64)
    assert (np.abs(got.double().numpy() - exact) <= 0.51 * spacing + 1e-6).all()


@pytest.mark.parametrize("family", ["llama-3.2", "gemma-3", "qwen2.5"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_models_states_are_those_of_torchs_own_products(family, precision, model_folders, project, monkeypatch):
    monkeypatch.setattr(cpu_arithmetic, "_BY_FP32", {torch.float16, torch.bfloat16})
    project.entry(f"tiny-{family}", family)
    model = loading.load(f"tiny-{family}", load_entry(f"tiny-{family}"), precision, CPU)
    kinds = [type(m).__name__ for m in model.body.modules()]
    assert "Linear" not in kinds
    assert kinds.count("SingleLinear" if precision == "fp32" else "HalfLinear") >= 7 * 4
    own = AutoModel.from_pretrained(model_folders[family], dtype=loading.DTYPES[precision]).eval()
    with torch.inference_mode():
        got, wanted = (m(input_ids=IDS, use_cache=False).last_hidden_state.float() for m in (model.body, own))
    assert torch.allclose(got, wanted, atol={"fp32": 1e-5, "fp16": 2e-2, "bf16": 1e-1}[precision])


def test_bf16_that_the_cpu_multiplies_and_what_is_quantised_stay_as_they_are(project, monkeypatch):
    monkeypatch.setattr(cpu_arithmetic, "_BY_FP32", {torch.float16})
    bf16 = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "bf16", CPU)
    int8 = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "int8", CPU)
    assert "Linear" in {type(m).__name__ for m in bf16.body.modules()}
    assert bf16.body.config._attn_implementation == "sdpa"
    assert "TextwiseInt8" in {type(m).__name__ for m in int8.body.modules()}
    assert int8.body.config._attn_implementation == cpu_arithmetic.ATTENTION  # of fp16 states


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_norms_of_a_gpu_are_those_of_transformers(family, dtype, model_folders):
    # On a CPU; `compute_on` is told of a GPU and leaves the weights where they are.
    plain, ours = (AutoModel.from_pretrained(model_folders[family], dtype=dtype).eval() for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    cpu_arithmetic.compute_on(torch.device("cuda"), ours)
    assert torch.backends.cuda.matmul.allow_tf32 is before is False
    changed = sum(isinstance(module, cpu_arithmetic.RowNorm) for module in ours.modules())
    assert changed == (0 if family == "gemma-3" else 2 * 4 + 1)  # Gemma's norm rounds elsewhere
    ids = torch.arange(5, 45)[None]
    with torch.inference_mode():
        a, b = (model(ids).last_hidden_state.float() for model in (plain, ours))
    assert (a - b).norm() <= 4 * torch.finfo(dtype).eps * a.norm()
