"""The paper profile on its own names: twelve tiny models of its six architectures in a local hub cache, at the revisions of
`data/models/`, through every stage. Sizes alone differ from a true run. Both Gemmas overflow fp16, as the published one did."""

import shutil

import pytest
import torch
from huggingface_hub import constants
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from pipeline import hub, opening
from pipeline.entries import load_entries, load_entry
from pipeline.params import load_params
from tests.conftest import FAMILIES, ROOT, SIZE, Project, trained_tokenizer, write_yaml

PAPER = YAML(typ="safe").load((ROOT / "profiles/paper.yaml").read_text())
TWELVE = PAPER["read"]["models"]
PARTLY, WHOLLY = "gemma-3-1b-pt", "gemma-3-1b-it"
"""A Gemma some of whose texts overflow fp16, and one that overflows on every text and so can write none."""
LAYER = 2  # of 0-3: whose output is too large
STAGES = ["read", "write", "vectors", "geometry", "corpus", "rsa", "controls", "choices", "writings", "confounds", "report"]


def cached(entry, seed, folder):
    """A tiny model of an entry's family where the hub's cache keeps that entry's revision."""
    snapshot = folder / f"models--{entry.hub.id.replace('/', '--')}/snapshots/{entry.hub.revision}"
    config, begins_with_bos = FAMILIES[entry.family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config()).save_pretrained(snapshot)
    tokenizer = trained_tokenizer(begins_with_bos)
    if entry.tuning == "base":
        tokenizer.chat_template = None  # as base models come
    tokenizer.save_pretrained(snapshot)
    return snapshot


def grow(snapshot, scale):
    """Let one block add states of about `scale`: beyond fp16, within bf16."""
    weights = load_file(snapshot / "model.safetensors")
    name = f"model.layers.{LAYER}.post_feedforward_layernorm.weight"
    weights[name] = torch.full_like(weights[name], scale)
    save_file(weights, snapshot / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="module")
def twelve(tmp_path_factory, model_folders):
    """The paper profile in a project of its own, run through every stage."""
    folder = tmp_path_factory.mktemp("twelve")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        project = Project(folder, model_folders)
        project.params = small(YAML(typ="safe").load((ROOT / "profiles/paper.yaml").read_text()))
        project.save()
        shutil.rmtree(folder / "data/models")
        for seed, name in enumerate([*TWELVE, *project.params["read_untrained"]["models"]]):
            entry = load_entry(name, ROOT / "data/models")
            own = YAML(typ="safe").load((ROOT / f"data/models/{name}.yaml").read_text())
            shape = {"layers": 4, "hidden": SIZE["hidden_size"], "vocabulary": SIZE["vocab_size"]}
            write_yaml(folder / f"data/models/{name}.yaml", own | {"parameters": 1e5, "shape": shape})
            if not entry.untrained:  # a twin's source is in the cache already
                snapshot = cached(entry, seed, folder / "hub")
                if name in (PARTLY, WHOLLY):
                    grow(snapshot, 1.65e4 if name == PARTLY else 1e6)
        hub.check_access(hub.missing(e.hub for e in load_entries(load_params()).values()))
        project.run(*STAGES)
    return project


def small(params):
    """The profile's lists as they are; fewer and shorter texts, fewer draws."""
    for setting in params["write"]["settings"].values():
        setting |= {"max_new_tokens": 6, "samples": 1}
    for listed in ("writings", "writings_read"):
        params[listed] = [w for w in params[listed] if w["setting"] in ("loose", "matched", "reliable")]
    params["write"]["fewest_tokens"] = 2
    params["read"]["device"] = "cpu"
    params["geometry"] |= {"halvings": 6, "positions": ["mean50"]}
    params["readings"]["stories"]["positions"] = params["readings"]["neutral"]["positions"] = [
        "last",
        "middle",
        "mean50",
        "mean0",
    ]
    params["rsa"] |= {"depths": [1.0], "bootstrap": 10, "permutations": 19}
    params["controls"] |= {"shuffles": 10, "bootstrap": 20}
    params["confounds"] |= {"permutations": 199}
    params["corpus"] |= {"draws": 10}
    return params


@pytest.fixture
def in_twelve(twelve, monkeypatch):
    monkeypatch.chdir(twelve.folder)
    return twelve


def test_it_runs(in_twelve):
    print(opening.table("overflow"))
