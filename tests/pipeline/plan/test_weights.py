"""Weights that are not those of their config, are there twice or are no plain numbers are refused by their headers."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, EuroBertConfig, LlamaConfig, OPTConfig

from pipeline.errors import InputError
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.plan import new_entry, trial, weights
from pipeline.reading import residual

SINGLE, INDEX, PART = "model.safetensors", "model.safetensors.index.json", "model-0000{}-of-00002.safetensors"
UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(model_folders, tmp_path, monkeypatch) -> Path:
    """An untied tiny Llama's own copy, to change."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(model_folders["llama-3.1"], "own"))


def refused(folder, said, writers=(), **more):
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder}, **more)
    with pytest.raises(InputError, match=said) as caught:
        trial.check({"m": own}, {"m": ["fp32"]}, writers)
    line = str(caught.value)
    assert line.startswith(f"{MODELS}/m.yaml: ")
    assert "\n" not in line


def weighed(change):
    def made(folder):
        save_file(change(load_file(folder / SINGLE)), folder / SINGLE, {"format": "pt"})

    return made


def less(name):
    return weighed(lambda w: {k: v for k, v in w.items() if k != name})


def with_one(name, tensor):
    return weighed(lambda w: w | {name: tensor})


def configured(**changes):
    def made(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return made


def sharded(folder):
    """As two shards and their index, and no other weights."""
    all_, map_ = load_file(folder / SINGLE), {}
    for n, part in enumerate((list(all_)[:10], list(all_)[10:]), 1):
        save_file({k: all_[k] for k in part}, folder / PART.format(n), {"format": "pt"})
        map_ |= dict.fromkeys(part, PART.format(n))
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": map_}))
    (folder / SINGLE).unlink()


def twice_of(name):
    """The second shard holds another tensor of this name beside its own; the index names the first."""

    def made(folder):
        second = load_file(folder / PART.format(2))
        save_file(second | {name: torch.ones(64, 64)}, folder / PART.format(2), {"format": "pt"})

    return made


def then(*changes):
    def made(folder):
        for change in changes:
            change(folder)

    return made


def gone(name):
    return lambda folder: (folder / name).unlink()


def content(name, what):
    return lambda folder: (folder / name).write_bytes(what)


def header(tensors):
    text = json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text


def twice(name):
    return lambda folder: shutil.copy(folder / SINGLE, folder / name)


def dangling(name):
    return then(gone(name), lambda folder: (folder / name).symlink_to("nowhere"))


BROKEN = {
    "single and shards": (
        then(twice("kept"), sharded, lambda f: shutil.move(f / "kept", f / SINGLE)),
        r"two sets of weights: model.safetensors, and model-00001.*model-00002.* beside it; remove one",
    ),
    "single and index": (
        lambda f: (f / INDEX).write_text(json.dumps({"weight_map": {"a": PART.format(1)}})),
        "two sets of weights",
    ),
    "consolidated": (twice("consolidated.safetensors"), "two sets of weights: model.safetensors, and consolidated"),
    "no weights": (gone(SINGLE), r"own has no \*.safetensors, and weights of another form are not read"),
    "one tensor in two shards": (
        then(sharded, twice_of("model.layers.0.self_attn.q_proj.weight")),
        "model-00002-of-00002.safetensors: model.layers.0.self_attn.q_proj.weight stands in another file, too",
    ),
    "no index": (then(sharded, gone(INDEX)), "has model-00001.*, but neither model.safetensors nor model.safetensors.index"),
    "one shard": (then(sharded, gone(PART.format(2))), "own has no model-00002-of-00002.safetensors; put its weights there"),
    "broken index": (then(sharded, content(INDEX, b"[]")), "not readable as an index of weights"),
    "link": (dangling(SINGLE), "own/model.safetensors: a link to nothing; put the file there"),
    "link of a tokenizer": (dangling("tokenizer.json"), "own/tokenizer.json: a link to nothing"),
    "folder": (then(gone(SINGLE), lambda f: (f / SINGLE).mkdir()), "own/model.safetensors: not a file"),
    "pointer": (content(SINGLE, b"version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer.*run git lfs pull"),
    "tensor": (less(UP), f"own lacks weights of the model: .*{UP.removeprefix('model.')}; they would be random numbers"),
    "hidden": (configured(hidden_size=32, head_dim=8), r"embed_tokens.weight of the shape \[600, 64\], but .* \[600, 32\]"),
    "heads": (configured(num_key_value_heads=4), r"k_proj.weight of the shape \[32, 64\], but its config asks for \[64, 64\]"),
    "words": (configured(vocab_size=500), r"embed_tokens.weight of the shape \[600, 64\]"),
    "extra": (with_one(UP.replace("weight", "bias"), torch.ones(128)), "holds weights that its config has no place for"),
    "int8": (with_one(UP, torch.ones(128, 64, dtype=torch.int8)), rf"quantised, and nothing says how \({UP}: I8\)"),
    "int64": (with_one(UP, torch.ones(128, 64, dtype=torch.int64)), rf"nothing says how \({UP}: I64\)"),
    "fp8": (with_one(UP, torch.ones(128, 64).to(torch.float8_e4m3fn)), r"nothing says how .*: F8_E4M3\)"),
    "mlx": (configured(quantization={"bits": 4}), r"its weights are quantised \(MLX\)"),
    "gptq": (content("quantize_config.json", b"{}"), r"its weights are quantised \(GPTQ or AWQ, in their old form\)"),
    "qweight": (with_one(UP.replace("weight", "qweight"), torch.ones(3, dtype=torch.int32)), "GPTQ or AWQ"),
    "header": (content(SINGLE, header({"a": {"shape": [1]}})), "own/model.safetensors: .* its header is broken"),
    "generation": (content("generation_config.json", b"{eos"), "own/generation_config.json: not readable as JSON"),
    "generation list": (content("generation_config.json", b"[]"), "own/generation_config.json: not a JSON object"),
    "text_config": (configured(text_config="llama"), "config.json: text_config is not an object"),
    "quantization_config": (configured(quantization_config="gptq"), "quantization_config is not an object"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_would_be_read_as_something_else_is_refused_in_one_line(case, folder):
    change, said = BROKEN[case]
    change(folder)
    refused(folder, said)


def test_a_head_is_asked_for_by_those_that_write_alone(folder):
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})
    trial.check({"m": own}, {"m": ["fp32"]}, {"m"})
    less("lm_head.weight")(folder)
    trial.check({"m": own}, {"m": ["fp32"]})
    refused(folder, "lacks weights of the model: lm_head.weight", {"m"})


def test_a_heads_bias_that_its_config_has_no_place_for_is_refused_for_those_that_write(folder):
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})
    with_one("lm_head.bias", torch.ones(600))(folder)
    trial.check({"m": own}, {"m": ["fp32"]})
    refused(folder, "holds weights that its config has no place for: lm_head.bias", {"m"})


@pytest.mark.parametrize("family", ["qwen2.5", "gemma-3", "mistral"])
def test_a_model_as_it_should_be_passes_in_one_file_or_in_shards(family, model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path(shutil.copytree(model_folders[family], "own"))
    entry = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": own})
    trial.check({"m": entry}, {"m": ["fp32"]}, {"m"})
    sharded(own)
    trial.check({"m": entry}, {"m": ["fp32"]}, {"m"})


def test_a_body_that_was_saved_without_its_head_and_an_old_mask_pass(folder):
    AutoModelForCausalLM.from_pretrained(folder).model.save_pretrained(folder)
    with_one("layers.0.attn.bias", torch.ones(4, 4, dtype=torch.uint8))(folder)
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})
    trial.check({"m": own}, {"m": ["fp32"]})


def test_a_model_that_says_in_its_code_alone_that_it_is_not_causal_is_refused_by_that():
    """An encoder that no list of transformers has yet."""
    with pytest.raises(InputError, match="its attention looks to the right, too"):
        residual.blocks(AutoModel.from_config(EuroBertConfig(**SMALL), attn_implementation="sdpa"))


@pytest.mark.parametrize("own", [{"AutoModelForCausalLM": "mine.Mine"}, "mine.Mine"])
def test_code_beside_a_known_architecture_is_said_not_to_run(folder, own, capsys):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": own}))
    entry = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})
    trial.check({"m": entry}, {"m": ["fp32"]})
    [said] = [line for line in capsys.readouterr().out.splitlines() if "auto_map" in line]
    assert said.startswith("m: its config names code of its own (auto_map: ")
    assert said.endswith("which is never run: it is read as the llama of transformers")


def test_an_untrained_twin_needs_no_weights(folder):
    (folder / SINGLE).unlink()
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder}, seeds=[0])
    trial.check({"m": own}, {"m": ["fp32"]})


def test_parameters_are_counted_once(folder):
    n = new_entry.of_folder(folder).parameters
    shutil.copy(folder / SINGLE, folder / "consolidated.safetensors")
    assert new_entry.of_folder(folder).parameters == n  # as a hub's snapshot may have it
    assert weights.loaded(folder) == [folder / SINGLE]


@pytest.mark.parametrize("case", ["single and shards", "one shard", "tensor", "hidden", "int8", "pointer", "link"])
def test_make_model_refuses_it_too(case, folder):
    change, said = BROKEN[case]
    change(folder)
    with pytest.raises(InputError, match=said):
        new_entry.main(["mine", f"FOLDER={folder}"])
    assert not MODELS.exists()


SMALL = {"vocab_size": 600, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1, "mask_token_id": 2}


@pytest.mark.parametrize(
    ("config", "precision", "said"),
    [
        (EuroBertConfig(**SMALL), "fp32", "eurobert is an encoder, whose tokens see those after them"),
        (
            OPTConfig(**SMALL, ffn_dim=128, word_embed_proj_dim=32),
            "fp32",
            "its embeddings and blocks have 32 and 64 dimensions",
        ),
        (OPTConfig(**SMALL, ffn_dim=128, word_embed_proj_dim=64), "int8", "so that int8 cannot go text by text; take bf16"),
        (OPTConfig(**SMALL, ffn_dim=128, word_embed_proj_dim=64), "fp16", None),
        (LlamaConfig(**SMALL), "int8", None),
    ],
)
def test_what_a_pass_without_numbers_tells_of_an_architecture(config, precision, said, tmp_path):
    config.save_pretrained(tmp_path)
    why = trial.why_not(tmp_path, precision == "int8")
    assert (why is None) == (said is None)
    assert said is None or said in why
