"""Text is text wherever it stands: what a model's tokenizer takes for a control token is refused by file and row."""

import re
import shutil
from collections import Counter
from pathlib import Path
from string import ascii_letters

import pytest
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from pipeline.errors import InputError
from pipeline.plan import plan, tokens, trial
from tests.pipeline.plan.refusals import (
    ALONE,
    MODEL,
    WEIGHTS,
    asked,
    both,
    config,
    edited,
    folder,
    params,
    steers,
    stories,
    without_beginning_and_end,
    writes,
)

INSTRUCT = both(folder(lambda own: None, tuning="instruct"), asked)
PROMPTS, STEERING = "data/stimuli/prompts.csv", "data/behaviour/steering.csv"
QUESTIONS, CONSTRAINTS = "data/behaviour/questions.csv", "data/behaviour/constraints.csv"


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (both(ALONE, stories(text="word " * 60 + "</s> b")), "data/stimuli/stories.csv"),
        (both(ALONE, edited("data/stimuli/neutral.csv", "The ", "The </s> ")), "data/stimuli/neutral.csv"),
        (both(ALONE, writes, edited(PROMPTS, "Write", "</s> Write")), PROMPTS),
        (both(ALONE, steers, edited(STEERING, "She opened", "She</s> opened")), STEERING),
        (both(ALONE, steers, edited(STEERING, "I will tear", "I</s> will tear")), STEERING),
        (both(INSTRUCT, edited(QUESTIONS, "?", "?</s>")), QUESTIONS),
        (both(INSTRUCT, edited(CONSTRAINTS, ".", ".</s>")), CONSTRAINTS),
    ],
)
def test_a_control_token_is_named_with_its_file_wherever_it_stands(project, monkeypatch, change, file):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    change(project)
    with pytest.raises(InputError, match=rf"^{file}: text \S+ \(.+\) holds '</s>', which {MODEL} takes for a control token"):
        plan.main([])


def test_a_mention_holds_one_too(project, monkeypatch):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    both(INSTRUCT, params(lambda p: p["behaviour"]["mentions"].__setitem__(0, "Some say </s> {wrong}.")))(project)
    with pytest.raises(InputError, match="holds '</s>'"):
        plan.main([])


def planned(project, monkeypatch, *changes):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    both(*changes)(project)
    plan.main([])


LONG = "word " * 600
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 32}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((ALONE, stories(text=LONG)), r"stories.csv: text \S+ cannot be read by tiny-llama-3.2: it has \d+ tokens, and it has"),
        (
            (folder(config(rope_parameters=DYNAMIC)),),
            r"text \S+ cannot be read .* beyond 32 its positions \(rope_type dynamic\) depend on the longest text",
        ),
        (
            (ALONE, writes, params(lambda p: p["write"]["settings"]["matched"].update(max_new_tokens=500))),
            r"write.settings.matched.template: tiny-llama-3.2: the prompt '.+': it has \d+ tokens with 500 that are written",
        ),
        (
            (ALONE, steers, params(lambda p: p["steering"].update(max_new_tokens=510))),
            "steering.models: tiny-llama-3.2: the prompt '.+': it has .* shorten it",
        ),
        (
            (INSTRUCT, params(lambda p: p["behaviour"].update(task_tokens=510))),
            "behaviour.models: tiny-llama-3.2: the prompt '.+': it has .*; take it out of the list",
        ),
        (
            (INSTRUCT, params(lambda p: p["behaviour"].update(answer_tokens=90))),
            "behaviour.models: tiny-llama-3.2: the conversation '.+': it has .* with 540 that are written",
        ),
    ],
)
def test_what_is_longer_than_a_model_has_positions_for_is_named(project, monkeypatch, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        planned(project, monkeypatch, *changes)
    assert "\n" not in str(caught.value)


def test_files_that_models_share_are_opened_and_tried_once_and_each_model_is_named(project, monkeypatch):
    done = Counter()

    def counted(module, name):
        real = getattr(module, name)

        def call(folder, *given, **options):
            done[name, Path(folder).name] += 1
            return real(folder, *given, **options)

        monkeypatch.setattr(module, name, call)

    counted(tokens.AutoTokenizer, "from_pretrained")
    counted(trial, "why_not")
    project.entry("tiny-untrained", "llama-3.2", seeds=[0, 1])
    planned(project, monkeypatch)
    assert set(done.values()) == {1}
    assert {folder for _, folder in done} == {project.models[name].name for name in ("llama-3.2", "qwen2.5")}
    stories(text=LONG)(project)
    with pytest.raises(InputError, match="read by tiny-llama-3.2.*\n.*read by tiny-qwen2.5.*\n.*read by tiny-untrained"):
        plan.main([])


def knows_few(n):
    """A tokenizer that knows no letters but the first `n` of the alphabet, one each, and blanks."""

    def made(own):
        (own / "tokenizer.json").unlink()
        words = ["<s>", "</s>", "<unk>", " ", *ascii_letters[:n], *".,'"]
        tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(own)

    return made


FAR = config(max_position_embeddings=10_000)


def test_texts_that_a_tokenizer_does_not_know_are_refused_and_few_such_tokens_said(project, monkeypatch, capsys):
    with pytest.raises(InputError, match=r"cannot read data/stimuli/\w+.csv: \d\d% of its tokens stand for what its"):
        planned(project, monkeypatch, folder(lambda own: (knows_few(10)(own), FAR(own))))
    shutil.rmtree("own")
    planned(project, monkeypatch, folder(lambda own: (knows_few(26)(own), FAR(own))))
    said = [line for line in capsys.readouterr().out.splitlines() if "stand for what its tokenizer" in line]
    assert len(said) == 2  # a file at once
    assert all(re.match(rf"{MODEL}: \d\.\d% of the tokens of data/stimuli/\w+.csv stand", line) for line in said)


def test_ids_that_the_model_has_no_row_for_are_named(project, monkeypatch):
    def small(own):
        config(vocab_size=300)(own)
        weights = load_file(own / WEIGHTS)
        name = "model.embed_tokens.weight"
        save_file(weights | {name: weights[name][:300].clone()}, own / WEIGHTS, {"format": "pt"})

    with pytest.raises(InputError, match=r"the tokenizer gives the id \d+, and the model has 300 \(vocab_size\)"):
        planned(project, monkeypatch, folder(small))


def test_a_model_that_nothing_can_begin_a_text_of_is_not_steered(project, monkeypatch):
    """Both rules read texts after BOS; of the stories, that is up to `readings`."""
    own = folder(without_beginning_and_end, bos=False)
    alone = params(lambda p: p.update(varied=[]))
    planned(project, monkeypatch, own, alone)
    shutil.rmtree("own")
    with pytest.raises(InputError) as caught:
        planned(project, monkeypatch, own, alone, steers)
    assert str(caught.value) == (
        f"params.yaml: steering.models: {MODEL}: texts are read after BOS here, and its tokenizer has neither a BOS nor an end"
        " token; take it out of the list"
    )


def test_a_folder_without_a_tokenizer_is_named(project, monkeypatch):
    with pytest.raises(InputError, match=f"^data/models/{MODEL}.yaml: own has no tokenizer"):
        planned(project, monkeypatch, folder(lambda own: (own / "tokenizer.json").unlink()))
