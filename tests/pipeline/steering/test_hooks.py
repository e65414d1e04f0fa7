"""Steering hooks against transformers' own hidden states, and against a whole pass written out by hand."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from pipeline.reading.residual import blocks
from pipeline.steering import hooks
from pipeline.writing.generation import generate
from pipeline.writing.sampling import Decoding
from tests.conftest import FAMILIES

PROMPTS = [[0, 17, 230, 41], [5, 99, 301, 7, 450, 12, 88], [13, 14]]
GREEDY = Decoding(None, max_new_tokens=12)


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def states_of(model, ids):
    """Residual stream after each block but the last (layer, token, hidden): what the next block is given."""
    seen = []
    handles = [b.register_forward_pre_hook(lambda _m, args: seen.append(args[0])) for b in model.model.layers[1:]]
    with torch.inference_mode():
        model(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(seen)[:, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pushed_block_gives_its_states_plus_the_vector_and_blocks_before_it_do_not_know(family, model_folders, rng):
    model = load(model_folders[family])
    vector = torch.tensor(rng.standard_normal(64), dtype=torch.float32)
    before = states_of(model, PROMPTS[1])
    push = hooks.PerText(vector[None])
    push.here([0])
    hidden = AutoModelForCausalLM.from_pretrained(model_folders[family]).eval()
    with torch.inference_mode():  # of transformers itself; the last entry is after the final norm
        hidden = torch.stack(hidden(torch.tensor([PROMPTS[1]]), output_hidden_states=True).hidden_states[1:-1])[:, 0]
    torch.testing.assert_close(before, hidden, rtol=0, atol=1e-5)
    with hooks.pushed([blocks(model.model)[1]], push):
        after = states_of(model, PROMPTS[1])
    assert torch.equal(after[0], before[0])
    torch.testing.assert_close(after[1], before[1] + vector, rtol=0, atol=1e-6)
    # the next block by hand: from the moved states on, nothing else is different
    kept = {}
    handle = model.model.layers[2].register_forward_pre_hook(lambda m, a, k: kept.update(k), with_kwargs=True)
    states_of(model, PROMPTS[1])
    handle.remove()
    with torch.inference_mode():
        by_hand = model.model.layers[2]((before[1] + vector)[None], **kept)
    by_hand = by_hand[0] if isinstance(by_hand, tuple) else by_hand
    torch.testing.assert_close(after[2], by_hand.view_as(after[2]), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(after[2], before[2], atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_sum_is_rounded_once(dtype, rng):
    states = torch.tensor(rng.standard_normal((2, 3, 8)) * 100).to(dtype)
    vectors = torch.tensor(rng.standard_normal((2, 8)), dtype=torch.float32)
    push = hooks.PerText(vectors)
    push.here([1, 0])
    exact = states.double() + vectors[[1, 0]][:, None].double()
    found = push(states)
    assert found.dtype == dtype
    assert torch.equal(found, exact.float().to(dtype))


def test_nothing_leaks_after_a_steered_run_nor_after_one_that_broke_off(model_folders):
    model = load(model_folders["gemma-3"])
    before = states_of(model, PROMPTS[0])
    unsteered = generate(model.model, model.lm_head, PROMPTS, [0] * 3, GREEDY, frozenset(), 2)
    push = hooks.PerText(torch.full((3, 64), 5.0))

    def breaks_off(states):
        raise RuntimeError("broken off")

    with hooks.pushed([blocks(model.model)[2]], push):
        steered = generate(model.model, model.lm_head, PROMPTS, [0] * 3, GREEDY, frozenset(), 2, before=push.here)
    with pytest.raises(RuntimeError, match="broken off"), hooks.pushed(list(blocks(model.model)), breaks_off):
        states_of(model, PROMPTS[0])
    hooks.published(model.model, model.lm_head, PROMPTS[0], torch.ones(64) / 8, 0.5, 4, frozenset())
    assert steered != unsteered
    assert torch.equal(states_of(model, PROMPTS[0]), before)
    assert generate(model.model, model.lm_head, PROMPTS, [0] * 3, GREEDY, frozenset(), 2) == unsteered
    assert not any(module._forward_hooks for module in model.modules())


def without_a_cache(model, prompt, n, push, modules):
    """Greedy tokens, each from a whole pass of transformers' own model."""
    ids = list(prompt)
    for _ in range(n):
        with torch.inference_mode(), hooks.pushed(modules, push):
            ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("family", ["qwen2.5", "gemma-3"])
def test_texts_steered_in_one_batch_are_those_steered_alone_each_by_its_own_vector(family, model_folders, rng):
    model = load(model_folders[family])
    vectors = torch.tensor(rng.standard_normal((7, 64)) * [[0], [0.5], [1], [2], [4], [1], [3]], dtype=torch.float32)
    prompts = [PROMPTS[i] for i in (0, 0, 0, 0, 1, 2, 2)]  # the same prompt, which reads otherwise under each vector
    block = blocks(model.model)[1]

    def together(order, batch_texts):
        push = hooks.PerText(vectors[order])
        with hooks.pushed([block], push):
            found = generate(
                model.model,
                model.lm_head,
                [prompts[i] for i in order],
                [0] * len(order),
                GREEDY,
                frozenset(),
                batch_texts,
                before=push.here,
            )
        return {i: text.tokens for i, text in zip(order, found, strict=True)}

    found = together(list(range(7)), 7)
    for i in range(7):
        assert found[i] == without_a_cache(model, prompts[i], 12, lambda s, i=i: s + vectors[i], [block])
    assert together([6, 2, 0, 5, 1, 3, 4], 3) == found
    assert together([3, 1], 2) == {i: found[i] for i in (3, 1)}
    assert len({tuple(found[i]) for i in range(4)}) > 1


def test_a_text_steered_at_strength_0_is_the_unsteered_text(model_folders, rng):
    model = load(model_folders["llama-3.2"])
    plain = generate(model.model, model.lm_head, PROMPTS, [0] * 3, GREEDY, frozenset({7}), 4)
    push = hooks.PerText(torch.zeros(3, 64))
    with hooks.pushed(list(blocks(model.model)), push):
        assert generate(model.model, model.lm_head, PROMPTS, [0] * 3, GREEDY, frozenset({7}), 4, before=push.here) == plain
    unit = torch.tensor(rng.standard_normal(64), dtype=torch.float32)
    found = [hooks.published(model.model, model.lm_head, p, unit / unit.norm(), 0.0, 12, frozenset({7})) for p in PROMPTS]
    assert found == plain


def test_the_published_push_adds_strength_times_the_mean_norm_of_the_pass_after_every_block(model_folders, rng):
    model = load(model_folders["smollm2"])
    unit = torch.tensor(rng.standard_normal(64), dtype=torch.float32)
    unit /= unit.norm()
    seen = []

    def spy(layer):
        def look(_module, _inputs, output):
            seen.append((layer, (output[0] if isinstance(output, tuple) else output).clone()))

        return look

    # what each block puts out before it is pushed: hooks run in the order in which they were set
    handles = [b.register_forward_hook(spy(i)) for i, b in enumerate(blocks(model.model))]
    with hooks.pushed(list(blocks(model.model)), hooks.by_mean_norm(unit, 0.3)):
        moved = states_of(model, PROMPTS[1])
    for handle in handles:
        handle.remove()
    for layer in range(3):
        raw = dict(seen)[layer][0]
        norm = sum(float(state.double().pow(2).sum().sqrt()) for state in raw) / len(raw)
        torch.testing.assert_close(moved[layer], raw + 0.3 * norm * unit, rtol=1e-5, atol=1e-5)


def test_the_published_rule_writes_what_whole_passes_write_and_stops_at_an_end_token_or_an_overflow(model_folders, rng):
    model = load(model_folders["smollm2"])
    unit = torch.tensor(rng.standard_normal(64), dtype=torch.float32)
    unit /= unit.norm()
    body, head, every = model.model, model.lm_head, list(blocks(model.model))
    expected = without_a_cache(model, PROMPTS[0], 6, hooks.by_mean_norm(unit, 0.2), every)
    found = hooks.published(body, head, PROMPTS[0], unit, 0.2, 6, frozenset())
    assert (found.tokens, found.finish) == (expected, "length")
    end = expected[-1]
    ended = hooks.published(body, head, PROMPTS[0], unit, 0.2, 6, frozenset({end}))
    assert (ended.tokens, ended.finish) == (expected[: expected.index(end)], "eos")
    lost = hooks.published(body, head, PROMPTS[0], unit * torch.inf, 0.2, 6, frozenset())
    assert (lost.tokens, lost.finish) == ([], "not_finite")
