"""`make model` writes an entry that loads: of every family from a folder, of a real GGUF file; what is not there is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from ruamel.yaml import YAML
from transformers import AutoModelForCausalLM

from pipeline.errors import InputError
from pipeline.models import hub, loading, packages
from pipeline.models.entries import MODELS, load_entry
from pipeline.plan import new_entry
from tests.conftest import FAMILIES, ROOT


@pytest.mark.parametrize("family", FAMILIES)
def test_an_entry_of_a_folder_says_what_the_model_is_and_loads(family, model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"{family}-1b-instruct"
    new_entry.main([name, f"FOLDER={model_folders[family]}", "HUB=", "GGUF="])
    entry = load_entry(name)
    whole = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=torch.float32)
    assert entry.parameters == sum(p.numel() for p in whole.parameters())
    assert (entry.family, entry.tuning, entry.bos) == (family, "instruct", FAMILIES[family][1])
    assert entry.shape.tied == whole.config.tie_word_embeddings
    assert entry.compute_dtype == ("bf16" if family == "gemma-3" else "fp16")
    loading.load(name, entry, "fp32", torch.device("cpu"))  # where shape and BOS habit are checked


@pytest.mark.real
def test_an_entry_of_a_gguf_file_is_the_repositorys_own(tmp_path, monkeypatch):
    own = load_entry("smollm2-135m-instruct", ROOT / MODELS)
    (path,) = packages.paths(own.gguf, MODELS / "m.yaml")
    monkeypatch.chdir(tmp_path)
    new_entry.main(["smollm2-135m-instruct", f"GGUF={path}"])
    entry = load_entry("smollm2-135m-instruct")
    for key in ("family", "lineage", "tuning", "bos", "parameters", "shape"):
        assert getattr(entry, key) == getattr(own, key), key
    assert entry.gguf.sha256 == own.gguf.sha256


def test_an_entry_of_the_hub_is_pinned(model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "snapshot", lambda known, where: model_folders["qwen2.5"])
    new_entry.main(["mine", f"HUB=org/model@{'a' * 40}"])
    assert load_entry("mine").hub.model_dump() == {"id": "org/model", "revision": "a" * 40, "gated": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine"], "say NAME, and one of"),
        (["", "FOLDER=x"], "say NAME, and one of"),
        (["mine", "FOLDER=x", "GGUF=y"], "say NAME, and one of"),
        (["a/b", "FOLDER=x"], "NAME=a/b: .* may hold letters"),
        (["mine", "FOLDER=nowhere"], "nowhere: no such folder"),
        (["mine", "FOLDER=broken.gguf"], "broken.gguf: a file, not a folder"),
        (["mine", "GGUF=broken"], "broken: a folder, not a file; it is given as FOLDER="),
        (["mine", "FOLDER=adapter"], "adapter: a LoRA adapter, not a model; merge it"),
        (["mine", "GGUF=nowhere.gguf"], "nowhere.gguf: no such file"),
        (["mine", "GGUF=broken.gguf"], "broken.gguf: not readable as GGUF"),
        (["mine", "FOLDER=broken"], r"model.safetensors: not readable as safetensors"),
        (["there", "FOLDER=broken"], "data/models/there.yaml: exists already, and is left as it is"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line_and_nothing_is_written(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.gguf").write_bytes(b"no header")
    for name in ("broken", "adapter"):
        (tmp_path / name).mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text("{}")
    (tmp_path / "broken/model.safetensors").write_bytes(b"\xff" * 40)
    MODELS.mkdir(parents=True)
    (MODELS / "there.yaml").write_text("mine: 1\n")
    with pytest.raises(InputError, match=message) as caught:
        new_entry.main(arguments)
    assert "\n" not in str(caught.value)
    assert [p.name for p in MODELS.iterdir()] == ["there.yaml"]
    assert YAML(typ="safe").load(MODELS / "there.yaml") == {"mine": 1}


@pytest.mark.parametrize(
    "name", ["2024", "null", "true", "1e5", "007", ".inf", "0x1f", "1_000", "-", "...", "2024-01-01", "no", "-it", "Llama"]
)
def test_a_name_that_yaml_reads_as_something_else_is_quoted(name, model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new_entry.main([name, f"FOLDER={model_folders['qwen2.5']}"])
    assert load_entry(name).family == name.lower()


def test_an_entry_that_cannot_be_read_is_not_written(model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new_entry, "_scalar", lambda text: "null")
    with pytest.raises(ValidationError, match="family"):
        new_entry.main(["mine", f"FOLDER={model_folders['qwen2.5']}"])
    assert not MODELS.exists()


def test_a_config_of_another_type_is_one_line(model_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path(shutil.copytree(model_folders["qwen2.5"], "own"))
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"hidden_size": "64"}))
    with pytest.raises(InputError, match="own: its config or tokenizer cannot be read: ") as caught:
        new_entry.main(["mine", "FOLDER=own"])
    assert "\n" not in str(caught.value)
    assert not MODELS.exists()
