"""The engine that writes on a GPU, on a CPU: everything but the recording of a step."""

import random

import pytest
import torch

from pipeline.reading.residual import blocks
from pipeline.steering import hooks
from pipeline.writing import generation, slots
from pipeline.writing.generation import Written, generate
from pipeline.writing.sampling import choose, choose_there
from pipeline.writing.slots import Prompts, Slots
from pipeline.writing.text_cache import after_prompt
from tests.conftest import FAMILIES
from tests.pipeline.writing.test_generation import ENDS, GREEDY, SAMPLED, load, our_texts, prompts_of


@pytest.fixture
def in_slots(monkeypatch):
    """Let `generate` write as on a GPU, tokens drawn there too."""

    def drawn_there(logits, decoding, generators):
        drawn = decoding.temperature is not None
        u = [float(torch.rand((), dtype=torch.float64, generator=g)) for g in generators] if drawn else []
        return choose_there(logits, decoding, u)

    monkeypatch.setattr(generation, "_texts", generation._texts_in_slots)
    monkeypatch.setattr(generation, "choose", drawn_there)


@pytest.fixture
def padded(monkeypatch):
    """Read prompts padded, as where their passes are recorded, but where a window forbids it."""
    true = Prompts.__init__

    def init(self, body, head):
        true(self, body, head)
        true(self, body, head, padded=all(type(c) is slots.DynamicLayer for c in slots.empty_cache(body).layers))

    monkeypatch.setattr(Prompts, "__init__", init)


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("family", FAMILIES)
def test_texts_in_slots_are_those_of_the_other_engine(family, decoding, model_folders, request):
    model, tokenizer = load(model_folders[family])
    prompts = prompts_of(tokenizer, family, 7)
    expected = our_texts(model, prompts, range(7), decoding, ENDS, 3)
    request.getfixturevalue("in_slots")
    assert our_texts(model, prompts, range(7), decoding, ENDS, 3) == expected
    request.getfixturevalue("padded")
    assert our_texts(model, prompts, range(7), decoding, ENDS, 5) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_not_a_bit_of_a_slot_depends_on_the_others(family, dtype, model_folders):
    model, tokenizer = load(model_folders[family])
    model, prompts = model.to(dtype), prompts_of(tokenizer, family, 6)

    def logits(slot, others):
        """After each of two more tokens of text 0 in `slot`, with these texts in other slots."""
        held = Slots(model.model, model.lm_head, 5, 200)
        places = [slot, *(s for s in range(5) if s != slot)]
        for place, i in zip(places, [0, *others], strict=False):
            held.put(place, after_prompt(model.model, model.lm_head, prompts[i])[1])
        return torch.stack([held.step([7 + n] * 5)[slot] for n in range(2)])

    with torch.inference_mode():
        one = logits(0, [])
        assert all(torch.equal(one, logits(*case)) for case in ((0, [1]), (3, [5, 4, 2]), (4, [2, 2, 3, 1])))


def test_where_all_texts_are_kept_already_none_is_written(in_slots, model_folders):
    model, _ = load(model_folders["smollm2"])  # as of a run that was stopped after its last text
    assert our_texts(model, [], [], SAMPLED, ENDS, 4) == []


def test_the_order_and_number_of_texts_change_nothing(in_slots, model_folders):
    model, tokenizer = load(model_folders["gemma-3"])
    prompts = prompts_of(tokenizer, "gemma-3", 8) * 2
    whole = our_texts(model, prompts, range(16), SAMPLED, ENDS, 4)
    order = list(range(16))
    for n in (16, 7, 3):
        random.Random(n).shuffle(order)
        found = our_texts(model, [prompts[i] for i in order[:n]], order[:n], SAMPLED, ENDS, 4)
        assert found == [whole[i] for i in order[:n]]


def test_a_text_in_a_slot_where_another_overflowed_is_not_spoiled(in_slots, model_folders):
    model, tokenizer = load(model_folders["smollm2"])
    prompts = prompts_of(tokenizer, "smollm2", 3)
    whole = our_texts(model, prompts, range(3), SAMPLED, frozenset(), 1)
    others = {token for text in (whole[0], whole[2]) for token in text.tokens}.union(*prompts)
    at, trigger = next((i, t) for i, t in enumerate(whole[1].tokens[:-1]) if t not in others.union(whole[1].tokens[:i]))
    body = model.model
    body.embed_tokens.weight = torch.nn.Parameter(body.embed_tokens.weight.detach().clone())  # the head keeps its own
    body.embed_tokens.weight.data[trigger] = torch.inf
    found = our_texts(model, prompts, range(3), SAMPLED, frozenset(), 1)  # one slot: the third text follows the second in it
    assert found == [whole[0], Written(whole[1].tokens[: at + 1], "not_finite"), whole[2]]


def test_every_text_is_pushed_in_its_own_way(in_slots, model_folders, rng):
    model, tokenizer = load(model_folders["qwen2.5"])
    prompts = prompts_of(tokenizer, "qwen2.5", 5)
    vectors = torch.tensor(rng.normal(0, 3, (5, 64)), dtype=torch.float32)

    def written(which, batch):
        push = hooks.PerText(vectors[which])
        with hooks.pushed([blocks(model.model)[1]], push):
            own = [prompts[i] for i in which]
            return generate(model.model, model.lm_head, own, [0] * len(own), GREEDY, ENDS, batch, before=push.here)

    alone = [written([i], 1)[0] for i in range(5)]
    assert written(list(range(5)), 3) == alone
    assert alone != our_texts(model, prompts, [0] * 5, GREEDY, ENDS, 3)


@pytest.mark.parametrize("temperature", [None, 0.9])
def test_logits_that_are_not_finite_give_no_token_there_either(temperature):
    logits = torch.tensor([[0.0, 5.0, 1.0], [0.0, torch.nan, 1.0], [torch.inf, 0.0, 1.0], [-torch.inf, 9.0, 1.0]])
    decoding = generation.Decoding(temperature, 0.5)
    generators = [torch.Generator().manual_seed(i) for i in range(4)]
    assert choose_there(logits, decoding, [0.3] * 4) == choose(logits, decoding, generators) == [1, None, None, 1]
