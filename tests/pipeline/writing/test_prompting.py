"""What `pipeline.writing.generation` gives a model to go on from, and what ends a text."""

import pytest
from transformers import AutoTokenizer, GenerationConfig

from pipeline.errors import InputError
from pipeline.writing.generation import DATE, end_tokens, prompt_ids
from tests.conftest import FAMILIES


def test_a_templated_prompt_is_one_user_turn_with_bos_once(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["llama-3.2"])
    tokenizer.chat_template += "{% if add_generation_prompt %}[assistant]{% endif %}"
    ids = prompt_ids("Write.", tokenizer, True, True)
    text = tokenizer("[user]Write.[assistant]", add_special_tokens=False).input_ids
    assert ids == [tokenizer.bos_token_id, *text]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_prompt_is_what_the_tokenizer_makes_of_it(family, model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders[family])
    assert prompt_ids("Write.", tokenizer, False, FAMILIES[family][1]) == tokenizer("Write.").input_ids


def test_bos_that_would_stand_twice_is_refused(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["llama-3.2"])
    with pytest.raises(InputError, match=r"BOS stands twice .* 'Write.': the chat template writes it twice"):
        tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
        prompt_ids("Write.", tokenizer, True, True)
    with pytest.raises(InputError, match="the prompt's text begins with it; take one away there"):
        prompt_ids("<s>Write.", tokenizer, False, True)
    assert prompt_ids("<s>Write.", tokenizer, False, False) == prompt_ids("Write.", tokenizer, False, True)


def test_bos_of_a_tokenizer_whose_end_token_stands_for_it_is_refused_twice(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["qwen2.5"])
    tokenizer.bos_token = None
    with pytest.raises(InputError, match="BOS stands twice"):
        prompt_ids("</s>Write.", tokenizer, False, True)


def test_a_missing_or_failing_template_says_what_to_set(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["smollm2"])
    tokenizer.chat_template = "{{ raise_exception('only system turns') }}"
    with pytest.raises(InputError, match="fails on a user's turn.*only system turns.*set template: false"):
        prompt_ids("Write.", tokenizer, True, False)
    tokenizer.chat_template = None
    with pytest.raises(InputError, match="no chat template; set template: false"):
        prompt_ids("Write.", tokenizer, True, False)


def test_a_prompt_without_tokens_is_refused(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["smollm2"])
    with pytest.raises(InputError, match="no tokens"):
        prompt_ids("", tokenizer, False, False)
    assert prompt_ids("", tokenizer, False, True) == [tokenizer.bos_token_id]


def test_no_prompt_depends_on_the_day(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["smollm2"])
    # as the templates of Llama 3.2 do it
    tokenizer.chat_template = (
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "{{ date_string }}:{{ messages[0].content }}"
    )
    assert tokenizer.decode(prompt_ids("Write.", tokenizer, True, False)) == f"{DATE}:Write."
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}:{{ messages[0].content }}"
    with pytest.raises(InputError, match="writes today's date"):
        prompt_ids("Write.", tokenizer, True, False)


def test_end_tokens_are_those_of_the_tokenizer_and_of_the_generation_config(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["smollm2"])
    assert end_tokens(tokenizer, None) == {1}
    assert end_tokens(tokenizer, GenerationConfig(eos_token_id=[5, 1, 7])) == {1, 5, 7}
    assert end_tokens(tokenizer, GenerationConfig(eos_token_id=9)) == {1, 9}
    tokenizer.eos_token = None
    assert end_tokens(tokenizer, GenerationConfig()) == frozenset()


def test_a_template_that_thinks_is_told_not_to_and_one_that_cannot_be_is_refused(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["smollm2"])
    turn = tokenizer.chat_template
    tokenizer.chat_template = (
        turn + "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% else %}<think>{% endif %}"
    )
    assert tokenizer.decode(prompt_ids("Write.", tokenizer, True, True)).endswith("<think></think>")
    tokenizer.chat_template = turn + "{% if add_generation_prompt %}[assistant]<think>{% endif %}"
    with pytest.raises(InputError, match="opens a thought, which would be taken for its text; set template: false"):
        prompt_ids("Write.", tokenizer, True, True)
