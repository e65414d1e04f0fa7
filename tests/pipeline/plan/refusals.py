"""What a project would meet at some stage, and the plan refuses: mistakes by the function of a stage that raises."""

import csv
import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from transformers import GPT2Config

from tests.conftest import write_yaml

MODEL = "tiny-llama-3.2"


def params(change):
    def made(project):
        change(project.params)
        project.save()

    return made


def a_file(name, content):
    return lambda project: (project.folder / name).write_text(content, encoding="utf-8")


def stories(**changes):
    """The first story with other cells; a name that is no column is a new one."""

    def made(project):
        with (project.folder / "data/stimuli/stories.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        rows[0] |= changes
        project.write_csv("stories.csv", [{k: row.get(k, "") for k in rows[0]} for row in rows])

    return made


def json_lines(content):
    """Stories in a file of JSON lines."""
    return both(a_file("mine.jsonl", content), params(lambda p: p["readings"]["stories"].update(path="mine.jsonl")))


def edited(name, old, new):
    """A file in which the first `old` is `new`."""

    def made(project):
        path = project.folder / name
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")

    return made


def both(*changes):
    def made(project):
        for change in changes:
            change(project)

    return made


def task(check, argument):
    head = "id,instruction,easy_task,conflicting_task,check,argument\n"
    return a_file("data/behaviour/constraints.csv", f'{head}a,Do.,Easy.,Hard.,{check},"{argument}"\n')


def question(right):
    pushes = ",".join(f"push_{n}" for n in range(1, 6))
    return a_file("data/behaviour/questions.csv", f"id,question,right,wrong,{pushes}\na,Why?,{right},No,b,c,d,e,f\n")


def writes(project):
    project.writes(MODEL)
    project.params["confounds"] |= {"experiments": {}, "published": {}, "bias": None, "attributions": []}
    project.save()


def bank(vectors, **changes):
    """A bank of a file with these arrays."""

    def made(project):
        file = project.folder / "bank"
        save_file(vectors, file) if isinstance(vectors, dict) else file.write_bytes(vectors)
        entry = {"model": "m", "path": "bank", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "n_layers": 4}
        write_yaml(project.folder / "data/banks/own.yaml", entry | changes)
        project.params["imported"] = ["own"]
        project.save()

    return made


def folder(change, noted=None, **entry):
    """A model whose folder is changed, by itself."""

    def made(project):
        own = Path(shutil.copytree(project.models["llama-3.2"], project.folder / "own"))
        change(own)
        project.entry(MODEL, "llama-3.2", **{"folder": {"path": "own", "sha256": noted}, "shape": None} | entry)
        project.params["read"] |= {"models": [MODEL]}
        project.params["read_untrained"] |= {"models": []}
        project.save()

    return made


def config(**changes):
    def made(own):
        known = json.loads((own / "config.json").read_text())
        (own / "config.json").write_text(json.dumps(known | changes))

    return made


def gguf(**changes):
    def made(project):
        (project.folder / "x.gguf").write_bytes(b"GGUF")
        entry = {"file": "x.gguf", "sha256": hashlib.sha256(b"GGUF").hexdigest()} | changes
        project.entry(MODEL, "llama-3.2", folder=None, gguf={k: v for k, v in entry.items() if v is not None})

    return made


def cut(own):
    content = (own / WEIGHTS).read_bytes()
    (own / WEIGHTS).write_bytes(content[:-100])


def of_bytes(own):
    """A tokenizer without BOS and without offsets."""
    for name in ("tokenizer.json", TEMPLATE):
        (own / name).unlink()
    (own / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    (own / "vocab.txt").touch()


def begins_twice(own):
    template = (own / TEMPLATE).read_text(encoding="utf-8")
    (own / TEMPLATE).write_text("{{ bos_token }}{{ bos_token }}" + template, encoding="utf-8")


def without_beginning_and_end(own):
    known = json.loads((own / "tokenizer_config.json").read_text())
    (own / "tokenizer_config.json").write_text(json.dumps(known | {"bos_token": None, "eos_token": None}))
    tokenizer = json.loads((own / "tokenizer.json").read_text())
    (own / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))


def without_stops(own):
    """A tokenizer that takes a text's full stops away before it reads it."""
    tokenizer = json.loads((own / "tokenizer.json").read_text())
    taken = {"type": "Replace", "pattern": {"String": "."}, "content": ""}
    (own / "tokenizer.json").write_text(json.dumps(tokenizer | {"normalizer": taken}))


WEIGHTS, TEMPLATE, STORIES, TOPICS, LABEL_WORDS = (
    "model.safetensors",
    "chat_template.jinja",
    "data/stimuli/stories.csv",
    "data/stimuli/topics.csv",
    "data/stimuli/label_words.csv",
)
CLAIMS, POWER = "data/reference/claims.csv", "data/reference/power.csv"
VECTORS = {"layer_0__sad": np.ones(4, np.float32)}
A_FILE = {"sha256": hashlib.sha256(b"GGUF").hexdigest()}


def steers(project):
    project.steers(MODEL)


def one_topic(project):
    with (project.folder / STORIES).open(newline="", encoding="utf-8") as file:
        project.write_csv("stories.csv", [row for row in csv.DictReader(file) if row["topic"] == "supper"])


def asked(project):
    project.params["behaviour"] |= {"models": [MODEL], "precisions": ["fp32"]}
    project.save()


def word(n):
    """The neutral texts are read at a word, too."""
    return params(
        lambda p: (p["positions"].update(w={"rule": "word", "word": n}), p["readings"]["neutral"]["positions"].append("w"))
    )


def in_write(change):
    return both(writes, params(lambda p: change(p["write"])))


ALONE = folder(lambda own: None)
"""One model by itself: its own files are looked at, and no others."""

MET = {
    "pipeline/params/base.py:_loaded": (params(lambda p: p.update(rading=1)), "unknown key 'rading'"),
    "pipeline/params/vectors.py:Vectors.are_there": (
        params(lambda p: p["vectors"].update(emotions=["calm", "sad", "hapy"])),
        "did you mean 'happy'",
    ),
    "pipeline/models/entries.py:load_entry": (params(lambda p: p["read"]["models"].append("no")), "no such model entry"),
    "pipeline/models/entries.py:load_entries": (lambda p: p.entry(MODEL, "llama-3.2", seeds=[0]), "has seeds"),
    # texts
    "pipeline/texts/stimuli.py:_read": (a_file(STORIES, ""), "not readable as CSV"),
    "pipeline/texts/stimuli.py:load": (a_file(STORIES, "id,emotion,topic,text\n"), "no rows"),
    "pipeline/texts/stimuli.py:objects": (json_lines("[1]\n"), "mine.jsonl: row 1: no JSON object"),
    "pipeline/texts/stimuli.py:_of_objects": (json_lines("\n"), "mine.jsonl: no rows"),
    "pipeline/texts/stimuli.py:_cell": (
        json_lines('{"text": "a\\ud800", "emotion": "sad", "topic": "t"}'),
        r"row 1: 'text' holds U\+D800",
    ),
    "pipeline/texts/stimuli.py:_require_columns": (edited(STORIES, "emotion", "emotoin"), "nearest: 'emotoin'"),
    "pipeline/texts/stimuli.py:_no_empty_cells": (stories(text=""), "'text' is empty in row 1"),
    "pipeline/texts/stimuli.py:_can_be_read": (stories(emotion="ca\u200blm"), r"U\+200B"),
    "pipeline/texts/stimuli.py:_differ_to_the_eye": (stories(emotion="Happy"), "look the same"),
    "pipeline/texts/stimuli.py:_no_repeats": (a_file(STORIES, "emotion,topic,text\na,t,x\nb,t,x\n"), "the same text stands in"),
    "pipeline/texts/stimuli.py:_have_stories": (
        params(lambda p: p["readings"]["stories"].update(emotions=["cal"])),
        "mean 'calm'",
    ),
    "pipeline/texts/stimuli.py:have_words": (word(999), "needs 999 words"),
    "pipeline/store/tables.py:read_csv": (params(lambda p: p["corpus"].update(emotions="none.csv")), "none.csv: no such file"),
    "pipeline/texts/labels.py:_read": (edited("data/stimuli/emotions.csv", ",2.25,", ",low,"), "'low', which is no number"),
    "pipeline/texts/labels.py:emotions": (
        edited("data/stimuli/emotions.csv", ",2.25,", ",22.5,"),
        "valence of 'afraid' is 22.5",
    ),
    "pipeline/texts/labels.py:label_words": (edited(LABEL_WORDS, "afraid,fear,", "afraid,much fear,"), "is 'much fear', and"),
    "pipeline/texts/labels.py:_once": (a_file(TOPICS, "topic,person,setting\na,I,x\na,I,x\n"), "stands twice"),
    "pipeline/texts/labels.py:_among": (a_file(TOPICS, "topic,person,setting\na,we,x\n"), "person of 'a'"),
    # what claims are judged by
    "pipeline/schemas/reference.py:claims": (edited(CLAIMS, ">= 0.74", "at least 0.74"), "'at least 0.74' is no side"),
    "pipeline/schemas/reference.py:chances": (edited(POWER, ",0.117,", ",few,"), "holds is 'few'"),
    "pipeline/schemas/reference.py:_read": (edited(POWER, "holds", "hold"), "no column holds"),
    # what is asked
    "pipeline/behaviour/questionnaire.py:only_instruct": (asked, "only instruct models"),
    "pipeline/behaviour/questionnaire.py:questions": (question("no"), "right and wrong are both"),
    "pipeline/behaviour/questionnaire.py:_rows": (edited("data/behaviour/questions.csv", ",Milan,", ",,"), "wrong is empty"),
    "pipeline/behaviour/questionnaire.py:tasks": (task("bulets", ""), "'a': unknown check"),
    "pipeline/behaviour/constraints.py:score": (task("bulets", ""), "did you mean 'bullets'"),
    "pipeline/behaviour/constraints.py:without": (task("without", "ab"), "no single letter"),
    "pipeline/behaviour/constraints.py:json_keys": (task("json_keys", "a, a"), "no list of different keys"),
    "pipeline/behaviour/constraints.py:repeats_word": (task("repeats_word", "river"), "no word with a number"),
    "pipeline/behaviour/constraints.py:acrostic": (task("acrostic", "S"), "no word of two letters"),
    "pipeline/behaviour/constraints.py:_number": (task("max_words", "few"), "no whole number"),
    "pipeline/behaviour/constraints.py:_phrase": (task("ends_with", "..."), "has no word"),
    "pipeline/behaviour/constraints.py:_nothing": (task("lower_case", "x"), "has no use here"),
    # what is written, steered, imported
    "pipeline/texts/prompts.py:load": (in_write(lambda w: w["settings"]["matched"].update(only=["x"])), "no prompt 'x'"),
    "pipeline/texts/prompts.py:_is_well_formed": (
        both(writes, a_file("data/stimuli/prompts.csv", "set,id,emotion,text\nscene,a,,On {x}.\nstory,a,,On {x}.\n")),
        "braces hold",
    ),
    "pipeline/texts/prompts.py:_stands_once": (
        both(writes, a_file("data/stimuli/prompts.csv", "".join(["set,id,emotion,text\n", *["story,a,,On {emotion}.\n"] * 2]))),
        "the same id stands in",
    ),
    "pipeline/steering/directions.py:load_prompts": (
        both(steers, a_file("data/behaviour/steering.csv", "id,set,prompt\na,paper,\n")),
        "row 1: an empty cell",
    ),
    "pipeline/steering/directions.py:first_half": (both(steers, one_topic), "steering needs one half for the vector"),
    "pipeline/banks/load.py:file_of": (bank(VECTORS, sha256="0" * 64), "another version, or damaged"),
    "pipeline/banks/load.py:vectors_of": (bank({"sad": VECTORS["layer_0__sad"]}), "not of the form"),
    "pipeline/banks/load.py:_arrays": (bank(b"not a bank"), "neither .npz nor safetensors"),
    "pipeline/reading/vectors.py:positions_of": (
        both(ALONE, params(lambda p: p["vectors"].update(positions=["mean50", "mean99"]))),
        "'mean99' is not read",
    ),
    # models
    "pipeline/models/packages.py:file_at": (gguf(sha256="0" * 64), "another file than this entry means"),
    "pipeline/models/packages.py:check": (
        gguf(package="no-such-package", version="1.0"),
        "packages with weights are not installed",
    ),
    "pipeline/models/packages.py:path_of": (gguf(package="zarr", version=version("zarr")), "has no file x.gguf"),
    "pipeline/models/packages.py:_versions_are_right": (
        gguf(package="zarr", version="0.0.1"),
        "gguf.version: 0.0.1, but zarr is",
    ),
    "pipeline/models/inspection.py:check": (folder(config(is_causal=False)), "looks to the right"),
    "pipeline/models/inspection.py:config_of": (folder(lambda own: (own / "config.json").unlink()), "no config.json"),
    "pipeline/models/inspection.py:header_of": (
        folder(lambda own: (own / WEIGHTS).write_bytes(b"\xff" * 20)),
        "header is broken",
    ),
    "pipeline/models/inspection.py:is_noted": (folder(lambda own: None, noted="0" * 64), "folder.sha256"),
    "pipeline/models/loading.py:_config_is_readable": (
        folder(config(transformers_version="99.0.0")),
        "written by transformers 99.0.0",
    ),
    "pipeline/models/loading.py:_shape_is_as_declared": (
        folder(lambda own: None, shape={"layers": 3, "hidden": 64, "vocabulary": 600}),
        "shape.layers: 3, but its config says 4",
    ),
    "pipeline/models/loading.py:_bos_is_as_declared": (
        folder(lambda own: None, bos=False),
        "bos: false, but its tokenizer adds",
    ),
    "pipeline/models/loading.py:pick_device": (
        both(ALONE, params(lambda p: p["read"].update(device="cuda"))),
        "sees no CUDA device",
    ),
    "pipeline/reading/residual.py:blocks": (folder(lambda own: GPT2Config().save_pretrained(own)), "blocks found"),
    "pipeline/reading/residual.py:tokenise": (
        both(folder(without_beginning_and_end, bos=False), params(lambda p: p["varied"][0].update(bos="always"))),
        "neither a BOS nor an end token",
    ),
    "pipeline/reading/words.py:_ends": (both(folder(without_stops), word(1)), "no token holds the end of the word"),
    "pipeline/reading/words.py:word_ends": (both(folder(of_bytes, bos=False), word(1)), "has no offsets"),
    "pipeline/reading/checks.py:texts_are_text": (
        both(ALONE, stories(text="word " * 60 + "</s> b")),
        "takes for a control token",
    ),
    "pipeline/reading/checks.py:texts_long_enough": (
        both(ALONE, params(lambda p: p["positions"]["mean50"].update(start=5000))),
        "needs 5001 tokens",
    ),
    "pipeline/writing/generation.py:conversation_ids": (
        both(folder(lambda own: (own / TEMPLATE).unlink(), tuning="instruct"), asked),
        f"behaviour.models: {MODEL}: .* has no chat template",
    ),
    "pipeline/writing/generation.py:_bos_once": (
        both(folder(begins_twice, tuning="instruct"), asked),
        f"behaviour.models: {MODEL}: BOS stands twice",
    ),
    "pipeline/writing/generation.py:_head_gives_the_logits": (
        both(folder(config(logit_scale=2.0)), writes),
        "changes the head's logits",
    ),
}
"""What a stage would meet, and the plan meets in the same function."""

SAID = {
    "analysis/claims/reference.py:parse": (edited(CLAIMS, ">= 0.74", "about"), "side: 'about' is no side"),
    "pipeline/texts/stimuli.py:objects.once": (json_lines('{"text": "a", "text": "b"}'), "row 1: 'text' stands twice"),
    "pipeline/texts/stimuli.py:objects.is_none": (json_lines('{"text": NaN}'), "row 1: NaN is no value of JSON"),
    "pipeline/models/loading.py:locate": (
        lambda p: p.entry(MODEL, "llama-3.2", folder={"path": "none"}),
        "folder.path: none is not a folder",
    ),
    "pipeline/models/loading.py:load": (
        folder(lambda own: (own / "tokenizer.json").write_text("{")),
        "cannot load the model from own",
    ),
    "pipeline/models/loading.py:_trained": (folder(cut), "cut off, or damaged"),
    "pipeline/models/inspection.py:nothing_lacks": (folder(config(num_key_value_heads=4)), "but its config asks for"),
    "pipeline/reading/vectors.py:of_group": (
        params(lambda p: p["readings"]["stories"].update(emotions=["calm", "neutral"])),
        "3 or more are needed beside",
    ),
    "pipeline/steering/directions.py:known": (
        both(steers, params(lambda p: p["steering"]["ours"].update(emotions=["joyful"]))),
        "ours.emotions: 'joyful' has no stories",
    ),
    "pipeline/behaviour/ask.py:main": (
        both(folder(lambda own: (own / TEMPLATE).write_text("{{ raise_exception('no') }}"), tuning="instruct"), asked),
        "behaviour.models: tiny-llama-3.2: .*fails on a user's turn",
    ),
    "pipeline/writing/write.py:main": (
        both(folder(lambda own: (own / TEMPLATE).write_text("{{ raise_exception('no') }}")), writes),
        "write.settings.matched.template: tiny-llama-3.2: .*fails on a user's turn",
    ),
    "pipeline/texts/fetch.py:main": (params(lambda p: p.update(fetch={"a.b": {}})), "fetch"),
    "analysis/confounds/cell_rdms.py:cell_of": (
        params(lambda p: p["confounds"]["experiments"]["comprehension"].update(source="matchd")),
        "did you mean 'matched'",
    ),
    "analysis/published/paper.py:last_position": (
        params(lambda p: p["readings"]["stories"].update(positions=["mean50"])),
        "readings.stories.positions: the published protocol reads the last token|is not among",
    ),
}
"""What a stage would meet, and the plan says by itself, since it has no stores and loads no weights."""
