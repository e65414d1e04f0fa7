"""Chat templates that would be asked otherwise than is said: by the clock, without the prompt, or not at all."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.models.entries import ModelEntry
from pipeline.plan import plan, templates, tokens
from tests.pipeline.plan.refusals import MODEL, TEMPLATE, asked, both, folder, writes

SAYS = "{% for m in messages %}{{ m.content }}{% endfor %}"
NOW = "{{ strftime_now('%d %b %Y') }}"


def template(text):
    return lambda own: (own / TEMPLATE).write_text(text)


def named(**templates):
    """Templates of names in tokenizer_config.json, as a list."""

    def made(own):
        (own / TEMPLATE).unlink()
        path = own / "tokenizer_config.json"
        known = json.loads(path.read_text())
        listed = [{"name": name, "template": text} for name, text in templates.items()]
        path.write_text(json.dumps(known | {"chat_template": listed}))

    return made


REFUSED = {
    "clock": (template(NOW + SAYS), "writes today's date"),
    "clock of a named one": (named(default=NOW + SAYS, tool_use=SAYS), "writes today's date"),
    "clock beside the date": (template("{{ date_string }}" + NOW + SAYS), "writes today's date"),
    "seconds": (template("{# date_string #}{{ strftime_now('%S') }}" + SAYS), "writes today's date"),
    "no user": (template("Say something."), "leaves out what the user says: 'one' and 'two' are one"),
    "last letter": (template("{{ messages[0].content[-1] }}"), "leaves out what the user says"),
    "no default": (named(tool_use=SAYS, rag=SAYS), "fails on a user's turn"),
    "TypeError": (template("{{ 1 + 'a' }}"), r"fails on a user's turn \(unsupported operand"),
    "ZeroDivisionError": (template("{{ 1 // 0 }}"), "fails on a user's turn"),
    "OverflowError": (template("{{ (10.0 ** 308 * 10) | int }}{{ 2.0 ** 5000 }}"), "fails on a user's turn"),
    "ValueError": (template("{{ [1].index(2) }}"), "fails on a user's turn"),
    "syntax": (template("{% if %}"), "fails on a user's turn"),
}


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("{{ messages[-1].content }}", 1),
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", 2),
        ("{% for m in messages[-3:] %}{{ m.content }}{% endfor %}", 1),
        (SAYS, None),
    ],
)
def test_a_template_that_forgets_a_turn_is_named(model_folders, tmp_path, text, turn):
    own = Path(shutil.copytree(model_folders["llama-3.2"], tmp_path / "own"))
    template(text)(own)
    turns, tokenizer = ["Which?", "Rome.", "No, Milan.", "Rome.", "Milan!"], tokens.Files(own).tokenizer
    if turn is None:
        templates.keeps_every_turn(turns, tokenizer)
        return
    with pytest.raises(InputError, match=f"leaves out turn {turn} of a conversation"):
        templates.keeps_every_turn(turns, tokenizer)


def told(model_folders, tmp_path, change):
    """Two prompts, as the plan tries them."""
    own = Path(shutil.copytree(model_folders["llama-3.2"], tmp_path / "own"))
    change(own)
    entry = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": own})
    prompts = [tokens.Prompt("key", own, name, "", f"Be {name}.", True, 1) for name in ("one", "two")]
    tokens._prompts_can_be_told(tokens.Asked("m", entry, tokens.Files(own)), prompts)


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_line_with_what_to_do(case, model_folders, tmp_path):
    change, said = REFUSED[case]
    with pytest.raises(InputError, match=rf"^this model's chat template {said}") as caught:
        told(model_folders, tmp_path, change)
    assert str(caught.value).endswith("; set template: false")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [template("{{ date_string }}" + SAYS), named(default=SAYS, tool_use=NOW)])
def test_one_that_says_the_date_it_is_given_or_has_a_default_passes(change, model_folders, tmp_path):
    told(model_folders, tmp_path, change)


def test_the_plan_names_the_key_of_params(project, monkeypatch):
    both(folder(template("{{ 1 // 0 }}")), writes)(project)
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    with pytest.raises(InputError, match=rf"^params.yaml: write.settings.\w+.template: {MODEL}: this model's chat template"):
        plan.main([])


def test_of_one_that_is_asked_the_models_own_turns_are_tried_and_the_list_is_named(project, monkeypatch):
    no_turns = template("{% for m in messages %}{{ m.content if m.role == 'user' else 1 // 0 }}{% endfor %}")
    both(folder(no_turns, tuning="instruct"), asked)(project)
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    with pytest.raises(InputError, match=rf"^params.yaml: behaviour.models: {MODEL}: .* fails .*; take it out of the list$"):
        plan.main([])


TURNS = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}<|done|>{% endfor %}"


def ends_turns(end=None):
    """A template whose turns end with a token of their own, and a generation config that names `end`."""

    def made(own):
        tokenizer = tokens.Files(own).tokenizer
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|done|>"]})
        tokenizer.chat_template = TURNS
        tokenizer.save_pretrained(own)
        known = json.loads((own / "config.json").read_text())
        (own / "config.json").write_text(json.dumps(known | {"vocab_size": len(tokenizer)}))
        ends = [2] if end is None else [2, tokenizer.convert_tokens_to_ids(end)]
        (own / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))

    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (ends_turns(), True),
        (ends_turns("<|done|>"), False),
        (template(SAYS), False),
        (template("{{ messages[0].content }}"), False),
    ],
)
def test_a_turn_that_the_model_would_not_stop_at_is_said(model_folders, tmp_path, capsys, change, said):
    own = Path(shutil.copytree(model_folders["llama-3.2"], tmp_path / "own"))
    change(own)
    entry = ModelEntry(family="f", lineage="l", tuning="instruct", bos=True, parameters=1e5, folder={"path": own})
    tokens._say_what_runs_on(tokens.Asked("m", entry, tokens.Files(own)), ["Which?"])
    assert capsys.readouterr().out.startswith("m: its chat template ends a turn with <|done|>, which is no end token") == said
