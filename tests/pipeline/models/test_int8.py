import numpy as np
import pytest
import torch
from bitsandbytes.nn import Int8Params, Linear8bitLt
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from pipeline.models.cpu_arithmetic import multiply_here
from pipeline.models.int8 import TextwiseInt8, batch_mates, padded, separate_texts
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.steering import scoring
from pipeline.writing.generation import end_tokens, generate, prompt_ids
from pipeline.writing.sampling import Decoding
from tests.conftest import FAMILIES, stories

FEATURES, OUTPUTS = 64, 48


def int8_linear(rng, bias=True) -> Linear8bitLt:
    linear = Linear8bitLt(FEATURES, OUTPUTS, bias=bias, has_fp16_weights=False, threshold=6.0)
    linear.weight = Int8Params(torch.tensor(rng.normal(0, 0.05, (OUTPUTS, FEATURES))).half(), requires_grad=False).to("cpu")
    if bias:
        linear.bias = torch.nn.Parameter(torch.tensor(rng.normal(0, 1, OUTPUTS)).half())
    return linear.eval()


def texts(rng, n_tokens) -> torch.Tensor:
    """States (6 texts, token, feature) fp16 with outliers: none, one, one in another column, one in both, many, a huge one."""
    x = rng.normal(0, 1, (6, n_tokens, FEATURES)).clip(-4, 4)
    x[1, 0, 7] = 9.0
    x[2, -1, 30] = -8.0
    x[3, 0, 7], x[3, -1, 30] = 7.0, 12.0
    x[4, 0, ::5] = 6.5
    x[5, 0, 7] = -900.0
    return torch.tensor(x).half()


def same_up_to_one_rounding(found, expected):
    """Equal, but for where a sum in another order is rounded to the next fp16 number."""
    distance = (found.double() - expected.double()).abs()
    return bool((distance <= 2**-10 * expected.double().abs() + 1e-6).all()) and float((distance > 0).double().mean()) < 0.02


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_tokens", [1, 2, 5])
def test_each_text_gets_what_bitsandbytes_gives_it_alone(n_tokens, bias, rng):
    linear, x = int8_linear(rng, bias), texts(rng, n_tokens)
    module = TextwiseInt8(linear)
    alone = torch.cat([linear(x[i : i + 1]) for i in range(6)])
    assert torch.equal(module(x)[0], alone[0])  # no outliers: bit for bit, beside texts that have some
    assert same_up_to_one_rounding(module(x), alone)
    assert torch.equal(TextwiseInt8(linear)(x), module(x))  # made after a pass, too
    # Together, bitsandbytes takes a column that is an outlier of one text out of the integer product of all.
    assert not same_up_to_one_rounding(linear(x), alone)


@torch.inference_mode()
def test_at_bf16_each_text_gets_what_bitsandbytes_gives_it_alone(rng):
    linear, x = int8_linear(rng), texts(rng, 5).bfloat16()
    linear.bias.data = linear.bias.data.bfloat16()
    alone = torch.cat([linear(x[i : i + 1]) for i in range(6)])
    found = TextwiseInt8(linear)(x)
    assert found.dtype == torch.bfloat16
    # bitsandbytes rounds to bf16 before it adds the outlier columns, this once, after it; and its scale is 2e-5 too large
    largest = alone.double().abs().amax(-1, keepdim=True)
    assert bool(((found.double() - alone.double()).abs() <= 2**-7 * largest).all())


@torch.inference_mode()
def test_at_bf16_what_is_beyond_fp16_stays_finite_and_right(rng):
    linear, x = int8_linear(rng), texts(rng, 5).bfloat16()
    linear.bias.data = linear.bias.data.bfloat16()
    scaled = x * 2.0**14  # up to 1.5e7; outliers all, as of a stream that has grown
    assert not torch.isfinite(TextwiseInt8(linear)(scaled.half())).all()
    found = TextwiseInt8(linear)(scaled)
    weight = linear.weight.CB.double() * linear.weight.SCB.double()[:, None] / 127
    true = scaled.double() @ weight.T + linear.bias.double()
    assert torch.isfinite(found).all()
    assert float(((found.double() - true).abs() / true.abs().amax(-1, keepdim=True)).max()) < 2**-7
    module = TextwiseInt8(linear)
    module.threshold = float("inf")  # the integer product alone
    assert torch.isfinite(module(scaled)).all()
    assert float(((module(scaled).double() - true).abs() / true.abs().amax(-1, keepdim=True)).max()) < 0.05


@torch.inference_mode()
@pytest.mark.parametrize("n_tokens", [1, 2, 5, 40])
def test_a_text_does_not_change_by_a_bit_with_what_stands_beside_it(n_tokens, rng):
    module, x = TextwiseInt8(int8_linear(rng)), texts(rng, n_tokens)
    together = module(x)
    for few in ([0, 1], [4, 5], [1, 2, 3], [5, 0, 4]):
        assert torch.equal(module(x[few]), together[few])


@torch.inference_mode()
def test_batch_mates_share_their_outliers_as_in_bitsandbytes(rng):
    linear, x = int8_linear(rng), texts(rng, 5)
    module = torch.nn.Sequential(TextwiseInt8(linear))
    apart = module(x)
    with batch_mates(module):
        assert same_up_to_one_rounding(module(x), linear(x))
    assert torch.equal(module(x), apart)


@torch.inference_mode()
def test_outliers_in_what_fills_a_text_up_are_no_columns_of_it(rng):
    module, x = torch.nn.Sequential(TextwiseInt8(int8_linear(rng))), texts(rng, 5)
    longer = torch.cat([x, x.flip(0)], dim=1)  # the text without an outlier is filled up with a huge one
    own = module(x)
    assert not torch.equal(module(longer)[0, :5], own[0])
    with padded(module, [5] * 5 + [10]):
        assert torch.equal(module(longer)[:5, :5], own[:5])
        with batch_mates(module):
            shared = module(longer)
    with batch_mates(module):
        assert torch.equal(shared, module(longer))  # bitsandbytes sees padding, too
    assert module[0].padding is None


def test_not_a_bit_of_a_text_depends_on_how_long_the_texts_beside_it_are(rng, model_folders):
    model, _ = load(model_folders["llama-3.1"])
    separate_texts(model.model)
    multiply_here(model)
    for layer in (m for m in model.modules() if isinstance(m, TextwiseInt8)):
        layer.threshold = 2.5  # random weights have no larger outliers: a tenth of the columns, others in every text
    ids = [rng.integers(3, 600, n).tolist() for n in (9, 12, 40)]
    positions = [Position(rule="last"), Position(rule="mean")]
    alone = [residual.read_batch(model.model, [text], positions, 1).activation[0] for text in ids]
    together = residual.read_batch(model.model, ids, positions, 1).activation
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-3, atol=1e-5)  # int8 itself is off by a hundred times that
    own = [scoring.mean_surprisal(model.model, model.lm_head, [text[:4]], [text[4:]])[0] for text in ids]
    assert scoring.mean_surprisal(model.model, model.lm_head, [t[:4] for t in ids], [t[4:] for t in ids]) == pytest.approx(own)
    norms = sum(scoring.mean_norms(model.model, [text], 1)[0] for text in ids)
    np.testing.assert_allclose(scoring.mean_norms(model.model, ids, 1)[0], norms, rtol=1e-4)


@torch.inference_mode()
def test_the_product_is_that_of_the_paper(rng):
    linear, x = int8_linear(rng), texts(rng, 3)
    module = TextwiseInt8(linear)
    weight = module.weight.numpy() * module.scale.numpy().astype(float)[:, None] / 127
    for text, found in zip(x.numpy().astype(float), module(x).numpy(), strict=True):
        outliers = abs(text) >= 6
        columns = outliers.any(0)
        scale = abs(np.where(outliers, 0, text)).max(1, keepdims=True)
        rounded = np.round(text * 127 / scale) * scale / 127
        mixed = np.where(columns, text, rounded)
        expected = mixed @ weight.T + linear.bias.numpy()
        np.testing.assert_allclose(found, expected, rtol=3e-3, atol=3e-3 * abs(expected).max())


@torch.inference_mode()
def test_what_the_input_held_is_left_as_it_was(rng):
    x = texts(rng, 2)
    before = x.clone()
    TextwiseInt8(int8_linear(rng))(x)
    assert torch.equal(x, before)


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float16,
        device_map={"": "cpu"},
        quantization_config=BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=6.0),
    )
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def agree(model, prompts, decoding, ends):
    """Texts written one at a time by bitsandbytes, and four at a time by the same model with its texts separated."""
    seeds = range(len(prompts))
    alone = [generate(model.model, model.lm_head, [p], [s], decoding, ends, 1)[0] for p, s in zip(prompts, seeds, strict=True)]
    separate_texts(model.model)
    assert not any(isinstance(module, Linear8bitLt) for module in model.model.modules())
    assert generate(model.model, model.lm_head, prompts, seeds, decoding, ends, 4) == alone
    return alone


@pytest.mark.parametrize("family", ["qwen2.5", "gemma-3", "llama-3.1"])
def test_texts_written_together_are_those_that_bitsandbytes_writes_one_at_a_time(family, model_folders):
    model, tokenizer = load(model_folders[family])
    prompts = [prompt_ids(s["text"][: 20 + 15 * i], tokenizer, False, FAMILIES[family][1]) for i, s in enumerate(stories()[:6])]
    agree(model, prompts, Decoding(0.9, 0.95, 12), frozenset(range(1, 600, 40)))


@pytest.mark.real
def test_the_real_model_writes_together_what_bitsandbytes_writes_one_at_a_time(real_folder):
    model, tokenizer = load(real_folder)
    asked = ("Name a colour.", "Write a story about a gardener who feels proud.", "Why is the sea salty?")
    prompts = [prompt_ids(prompt, tokenizer, True, False) for prompt in asked]
    texts_ = agree(model, prompts, Decoding(None, max_new_tokens=8), end_tokens(tokenizer, model.generation_config))
    assert len({tuple(text.tokens) for text in texts_}) == 3


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_a_step_of_a_gpu_gives_what_a_step_gives(bias, rng):
    # Its arithmetic, on a CPU; there are tokens with outliers and without.
    module, x = TextwiseInt8(int8_linear(rng, bias)), texts(rng, 1)
    found = module._step(x)
    assert same_up_to_one_rounding(found, module(x))
    assert torch.equal(module._step(x[[5, 2]]), found[[5, 2]])


@torch.inference_mode()
@pytest.mark.parametrize("n_columns", [1, 8, 13])
def test_outliers_are_added_in_fp32_and_rounded_once(n_columns, rng):
    states = torch.tensor(rng.normal(0, 30, (3, 5, n_columns))).half()
    weight = torch.tensor(rng.normal(0, 0.05, (OUTPUTS, n_columns))).half()
    regular = torch.tensor(rng.normal(0, 20, (3, 5, OUTPUTS))).half()
    exact = regular.double() + states.double() @ weight.double().T
    found = TextwiseInt8._added(regular, states, weight)
    assert found.shape == regular.shape
    assert same_up_to_one_rounding(found, exact.half())
