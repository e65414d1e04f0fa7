import random
from collections import Counter

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from pipeline.errors import InputError
from pipeline.writing import text_cache
from pipeline.writing.generation import Written, end_tokens, generate, prompt_ids
from pipeline.writing.sampling import Decoding
from tests.conftest import FAMILIES, stories
from tests.pipeline.writing.test_sampling import drawn_by_hand, softmax

GREEDY, SAMPLED = Decoding(None, max_new_tokens=24), Decoding(0.9, top_p=0.95, max_new_tokens=24)
# With this many end tokens among 600, texts end at very different lengths.
ENDS = frozenset(range(1, 600, 40))


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)


def prompts_of(tokenizer, family, n):
    """Prompts of very different lengths, most of them longer than the sliding window of the tiny Gemma-3 (16)."""
    return [prompt_ids(s["text"][: 15 + 23 * i], tokenizer, False, FAMILIES[family][1]) for i, s in enumerate(stories()[:n])]


def alone(model, prompt, decoding, ends, seed=0):
    """A text written without a cache, a batch or our sampler: every token from a full pass, probabilities in numpy."""
    generator = torch.Generator().manual_seed(seed)
    ids, n = list(prompt), len(prompt)
    while len(ids) < n + decoding.max_new_tokens:
        with torch.inference_mode():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1].double().numpy()
        if decoding.temperature is None:
            token = int(logits.argmax())
        else:
            u = torch.rand((), dtype=torch.float64, generator=generator).item()
            token = drawn_by_hand(softmax(logits / decoding.temperature), decoding.top_p, u)
        if token in ends:
            return Written(ids[n:], "eos")
        ids.append(token)
    return Written(ids[n:], "length")


def our_texts(model, prompts, seeds, decoding, ends, batch_texts, **more):
    return generate(model.model, model.lm_head, prompts, seeds, decoding, ends, batch_texts, **more)


def greedy_of_transformers(model, prompt, n, ends):
    options = GenerationConfig(do_sample=False, max_new_tokens=n, eos_token_id=sorted(ends), pad_token_id=0, use_cache=True)
    with torch.inference_mode():
        ids = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), generation_config=options)
    tokens = ids[0, len(prompt) :].tolist()
    return Written(tokens[:-1], "eos") if tokens[-1] in ends else Written(tokens, "length")


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_texts_are_those_of_transformers(family, model_folders):
    model, tokenizer = load(model_folders[family])
    prompts = prompts_of(tokenizer, family, 4)
    long = Decoding(None, max_new_tokens=70)  # beyond the room of the cache and far beyond the sliding window
    found = our_texts(model, prompts, [0] * 4, long, frozenset({1}), 3)
    assert found == [greedy_of_transformers(model, prompt, 70, {1}) for prompt in prompts]


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("family", FAMILIES)
def test_texts_are_those_written_alone_without_a_cache(family, decoding, model_folders):
    model, tokenizer = load(model_folders[family])
    prompts = prompts_of(tokenizer, family, 5)
    found = our_texts(model, prompts, range(5), decoding, ENDS, 2)
    assert found == [alone(model, prompt, decoding, ENDS, seed) for seed, prompt in enumerate(prompts)]


def agree_in_every_batch(model, prompts, decoding, ends):
    """The texts of batches of 1, which are those of batches of 3 and 16, in another order and with half of the texts only."""
    whole = our_texts(model, prompts, range(len(prompts)), decoding, ends, 1)
    order = list(range(len(prompts)))
    for batch_texts, n in ((3, len(prompts)), (16, len(prompts)), (3, len(prompts) // 2), (16, len(prompts) // 2)):
        random.Random(batch_texts + n).shuffle(order)
        found = our_texts(model, [prompts[i] for i in order[:n]], order[:n], decoding, ends, batch_texts)
        assert found == [whole[i] for i in order[:n]]
    return whole


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_is_the_same_in_every_batch(family, decoding, model_folders):
    model, tokenizer = load(model_folders[family])
    texts = agree_in_every_batch(model, prompts_of(tokenizer, family, 8) * 2, decoding, ENDS)
    # Of random weights, greedy texts mostly go round in a circle; drawn ones leave the batch at different times.
    assert decoding == GREEDY or len({len(text.tokens) for text in texts}) > 3


@pytest.mark.real
def test_the_real_model_writes_what_transformers_writes_with_it_and_the_same_in_every_batch(real_folder):
    model, tokenizer = load(real_folder)
    ends = end_tokens(tokenizer, model.generation_config)
    asked = ("Name a colour.", "Write a story about a gardener who feels proud.", "Why is the sea salty? One sentence.")
    prompts = [prompt_ids(prompt, tokenizer, True, False) for prompt in asked]
    assert len({len(prompt) for prompt in prompts}) == 3
    found = agree_in_every_batch(model, prompts, Decoding(None, max_new_tokens=12), ends)
    assert found == [greedy_of_transformers(model, prompt, 12, ends) for prompt in prompts]
    agree_in_every_batch(model, prompts, Decoding(0.7, 0.9, max_new_tokens=12), ends)


def test_a_seed_is_a_text_and_no_global_random_state_is_touched(model_folders):
    model, tokenizer = load(model_folders["smollm2"])
    prompt = prompts_of(tokenizer, "smollm2", 1)[0]
    before = torch.get_rng_state()
    found = our_texts(model, [prompt] * 4, [7, 8, 7, 9], SAMPLED, frozenset(), 4)
    assert torch.equal(torch.get_rng_state(), before)
    assert found[0] == found[2]
    assert len({tuple(text.tokens) for text in found}) == 3


@pytest.fixture
def work(monkeypatch):
    """What the engine asks of a model: the number of texts at each step, and the length of each prompt that is read."""
    steps, read = [], []

    def after_tokens(body, head, tokens, caches):
        steps.append(len(tokens))
        return text_cache.after_tokens(body, head, tokens, caches)

    def after_prompts(body, head, prompts):
        read.extend(map(len, prompts))
        return text_cache.after_prompts(body, head, prompts)

    monkeypatch.setattr("pipeline.writing.generation.after_tokens", after_tokens)
    monkeypatch.setattr("pipeline.writing.generation.after_prompts", after_prompts)
    return steps, read


def test_finished_texts_leave_at_once_and_others_take_their_place(model_folders, work):
    model, tokenizer = load(model_folders["gemma-3"])
    prompts = prompts_of(tokenizer, "gemma-3", 9) * 2
    found = our_texts(model, prompts, range(18), SAMPLED, ENDS, 5)
    steps, read = work
    # The last token of a text that is cut goes nowhere; the last of one that ends itself gave the end token.
    assert sum(steps) == sum(len(text.tokens) - (text.finish == "length") for text in found)
    assert all(n == 5 for n in steps[: sum(steps) // 5 // 2])
    assert sorted(read) == sorted(len(prompt) for prompt in prompts[:9])


def test_greedy_texts_of_one_prompt_are_written_once_and_given_to_each(model_folders, work):
    model, tokenizer = load(model_folders["smollm2"])
    one, other = prompts_of(tokenizer, "smollm2", 3)[1:]
    found = our_texts(model, [one, other, one, one], range(4), GREEDY, frozenset(), 8)
    assert found == [alone(model, prompt, GREEDY, frozenset()) for prompt in (one, other, one, one)]
    steps, read = work
    assert steps == [2] * 23
    assert sorted(read) == sorted([len(one), len(other)])
    assert found[0].tokens is not found[2].tokens


def test_each_text_is_told_once_when_it_is_finished(model_folders):
    model, tokenizer = load(model_folders["smollm2"])
    prompts = prompts_of(tokenizer, "smollm2", 4) * 2
    told = {}
    count = Counter()

    def on_text(i, written):
        told[i] = written
        count[i] += 1

    found = our_texts(model, prompts, [0, 1, 2, 3, 0, 5, 6, 7], SAMPLED, ENDS, 3, on_text=on_text)
    assert [told[i] for i in range(8)] == found
    assert set(count.values()) == {1}


def test_a_text_ends_at_its_end_token_at_its_length_or_where_logits_overflow(model_folders):
    model, tokenizer = load(model_folders["smollm2"])
    prompt = prompts_of(tokenizer, "smollm2", 2)[1]
    tokens = alone(model, prompt, GREEDY, frozenset()).tokens
    end = next(token for i, token in enumerate(tokens) if i > 2 and token not in tokens[:i])
    at = tokens.index(end)

    def written(n, *ends):
        return our_texts(model, [prompt], [0], Decoding(None, max_new_tokens=n), frozenset(ends), 1)[0]

    assert written(24, end) == Written(tokens[:at], "eos")
    assert written(at + 1, end) == Written(tokens[:at], "eos")
    assert written(at, end) == Written(tokens[:at], "length")
    assert written(1) == Written(tokens[:1], "length")
    assert written(24, tokens[0]) == Written([], "eos")


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_text_whose_logits_overflow_ends_there_and_its_neighbours_go_on(decoding, bad, model_folders):
    model, tokenizer = load(model_folders["smollm2"])
    prompts = prompts_of(tokenizer, "smollm2", 3)
    whole = our_texts(model, prompts, range(3), decoding, frozenset(), 3)
    others = {token for text in (whole[0], whole[2]) for token in text.tokens}.union(*prompts)
    at, trigger = next((i, t) for i, t in enumerate(whole[1].tokens[:-1]) if t not in others.union(whole[1].tokens[:i]))
    body = model.model
    body.embed_tokens.weight = torch.nn.Parameter(body.embed_tokens.weight.detach().clone())  # the head keeps its own
    body.embed_tokens.weight.data[trigger] = bad
    found = our_texts(model, prompts, range(3), decoding, frozenset(), 3)
    assert found == [whole[0], Written(whole[1].tokens[: at + 1], "not_finite"), whole[2]]


def test_an_architecture_that_changes_its_logits_is_refused(model_folders):
    model, _ = load(model_folders["smollm2"])
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(InputError, match="its final_logit_softcapping changes the head's logits"):
        our_texts(model, [[5, 6]], [0], GREEDY, frozenset(), 1)
