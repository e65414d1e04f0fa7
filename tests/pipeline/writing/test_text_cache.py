import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import InputError
from pipeline.models import cpu_arithmetic
from pipeline.writing import text_cache
from pipeline.writing.text_cache import ROOM, Held, TextCache
from tests.conftest import FAMILIES
from tests.pipeline.writing.test_generation import load, prompts_of


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="known of the products of MKL and oneDNN only")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_not_a_bit_of_the_logits_depends_on_the_batch(family, dtype, model_folders):
    model = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=dtype).eval()
    cpu_arithmetic.compute_on(torch.device("cpu"), model)  # as a model that is loaded; MKL counts the rows
    prompts = prompts_of(AutoTokenizer.from_pretrained(model_folders[family]), family, 6)

    def logits(which, together=1):
        """Of the first text, after each of two more tokens, with these texts beside it; it goes `together` with copies."""
        caches = [text_cache.after_prompt(model.model, model.lm_head, prompts[i])[1] for i in which]
        caches[0] = TextCache.of([caches[0]] * together)
        which = [which[0]] * (together - 1) + which
        steps = [text_cache.after_tokens(model.model, model.lm_head, [5 + i + step for i in which], caches) for step in (0, 7)]
        return torch.stack([step[:1] for step in steps])

    with torch.inference_mode():
        one = logits([0])
        assert all(torch.equal(one, logits(which)) for which in ([0, 3], [0, 1, 2, 3, 4], [0, 5, 4, 3, 2, 1] * 3))
        assert all(torch.equal(one, logits([0, 5, 2], together)) for together in (2, 9))


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="known of the products of MKL and oneDNN only")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_of_one_length_share_a_pass_where_none_can_tell(family, dtype, model_folders, monkeypatch):
    model = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=dtype).eval()
    cpu_arithmetic.compute_on(torch.device("cpu"), model)
    monkeypatch.setattr(text_cache, "PASS", 70)
    passes = []
    model.model.register_forward_pre_hook(lambda *given: passes.append(len(given[-1]["input_ids"])), with_kwargs=True)
    for length, shared in ((21, [3, 3, 1]), (text_cache.FEWEST, [7]), (text_cache.FEWEST - 1, [1] * 7), (71, [1] * 7)):
        prompts = [[5 + (i * j) % 500 for j in range(1, length + 1)] for i in range(7)]
        with torch.inference_mode():
            alone = [text_cache.after_prompt(model.model, model.lm_head, prompt) for prompt in prompts]
            passes.clear()
            found = text_cache.after_prompts(model.model, model.lm_head, prompts)
        assert passes == (shared if dtype == torch.float32 else [1] * 7)
        for (logits, cache), (own, kept) in zip(found, alone, strict=True):
            assert torch.equal(logits, own)
            assert (cache.texts, cache.length) == (1, length)
            assert all(torch.equal(a.states(), b.states()) for a, b in zip(cache.layers, kept.layers, strict=True))
            assert [layer.window for layer in cache.layers] == [layer.window for layer in kept.layers]


def test_attention_is_as_it_was_whatever_happens(model_folders):
    model, _ = load(model_folders["smollm2"])
    before = model.config._attn_implementation
    with pytest.raises(IndexError):
        cache = text_cache.after_prompt(model.model, model.lm_head, [5, 6])[1]
        text_cache.after_tokens(model.model, model.lm_head, [10**6], [cache])
    assert model.config._attn_implementation == before == "sdpa"


@pytest.mark.parametrize("window", [None, 1, 5, ROOM + 9])
@pytest.mark.parametrize("read", [1, 4, ROOM + 30])
def test_a_token_attends_to_all_that_came_before_or_to_the_window(window, read):
    true = torch.arange(2.0 * 4 * 3 * (read + 3 * ROOM) * 2).view(2, 4, 3, -1, 2)
    prompt = true[..., :read, :] if window is None else true[..., max(0, read - (window - 1)) : read, :]
    held = Held(prompt.clone(), window)
    for i in range(read, true.shape[-2]):
        if i == read + 10:  # two of the four texts end
            held.keep([3, 1])
            true = true[:, [3, 1]]
        first = 0 if window is None else max(0, i + 1 - window)
        assert torch.equal(held.add(true[..., i, :]), true[..., first : i + 1, :])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_with_what_is_held_is_a_pass_over_the_whole_text(family, dtype, model_folders):
    model = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=dtype).eval()
    exact = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=dtype).eval().float()
    ids = prompts_of(AutoTokenizer.from_pretrained(model_folders[family]), family, 4)[3]
    with torch.inference_mode():
        logits, cache = text_cache.after_prompt(model.model, model.lm_head, ids[:-20])
        found = [logits]
        found += [text_cache.after_tokens(model.model, model.lm_head, [token], [cache]) for token in ids[-20:]]
        true, whole = (m(torch.tensor([ids])).logits[0, -21:].float() for m in (exact, model))
    error = torch.cat(found).float() - true
    # As near to the same weights in fp32 as a pass of transformers over the whole text is.
    assert error.norm() <= 1.2 * (whole - true).norm() + 1e-5 * true.norm()


def test_a_copy_goes_its_own_way(model_folders):
    model, _ = load(model_folders["gemma-3"])
    with torch.inference_mode():
        _, read = text_cache.after_prompt(model.model, model.lm_head, [5, 6, 7])
        one, other = TextCache.of([read]), TextCache.of([read])
        first = text_cache.after_tokens(model.model, model.lm_head, [8], [one])
        text_cache.after_tokens(model.model, model.lm_head, [9], [one])
        assert torch.equal(text_cache.after_tokens(model.model, model.lm_head, [8], [other]), first)
    assert (read.length, one.length, other.length) == (3, 5, 4)


def test_layers_that_keep_something_else_are_refused(model_folders):
    model, _ = load(model_folders["smollm2"])
    model.config.layer_types = ["full_attention"] * 3 + ["linear_attention"]
    with pytest.raises(InputError, match=r"LlamaModel: the cache of block 3 \(LinearAttentionLayer\) is not known here"):
        text_cache.after_prompt(model.model, model.lm_head, [5, 6])
