"""What is read is what lies there, under its true label; or it is refused from config.json and headers, in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

from benchmarks.gpu.tiny import SIZE, trained_tokenizer
from pipeline.errors import InputError
from pipeline.models import gguf, inspection, loading, packages
from pipeline.models.entries import Gguf, ModelEntry
from pipeline.params.reading import Position
from pipeline.plan import trial
from pipeline.reading import residual
from tests.conftest import stories

CPU = torch.device("cpu")
IDS = [[5, 17, 300, 42, 8, 99]]
WHERE = Path("data/models/m.yaml")


def entry(folder, bos=True, **more):
    return ModelEntry(family="f", lineage="l", tuning="base", bos=bos, parameters=1e5, folder={"path": folder, **more})


@pytest.fixture
def folder(model_folders, tmp_path) -> Path:
    """A tiny Llama's own copy, to change."""
    return Path(shutil.copytree(model_folders["llama-3.1"], tmp_path / "model"))


def configured(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def weighed(folder, how):
    weights = load_file(folder / "model.safetensors")
    save_file(how(weights), folder / "model.safetensors", {"format": "pt"})


def both_refuse(folder, said, precisions=("fp32",), **more):
    """The plan and the stage say the same one line."""
    lines = []
    for refuse in (
        lambda: trial.check({"m": entry(folder, **more)}, {"m": precisions}),
        lambda: loading.load("m", entry(folder, **more), precisions[-1], CPU),
    ):
        with pytest.raises(InputError, match=said) as caught:
            refuse()
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    assert lines[0].startswith(str(WHERE))


def test_a_model_as_it_should_be_passes(folder):
    trial.check({"m": entry(folder)}, {"m": ["fp32", "int8"]})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            "quantised already",
        ),
        ({"use_bidirectional_attention": True}, "looks to the right"),
        ({"use_bidirectional_attention": "all"}, "looks to the right"),
        ({"text_config": {"use_bidirectional_attention": True}}, "looks to the right"),
        ({"is_causal": False}, "looks to the right"),
        ({"is_encoder_decoder": True}, "only causal"),
        ({"num_hidden_layers": 2}, "its weights have 4 layers, but its config says num_hidden_layers: 2"),
    ],
)
def test_what_would_be_read_otherwise_than_it_is_labelled_is_refused_from_its_config(folder, changes, said):
    configured(folder, **changes)
    both_refuse(folder, said)


def test_an_adapter_beside_the_weights_or_alone_is_said(folder):
    (folder / "adapter_config.json").write_text("{}")
    both_refuse(folder, "adapter_config.json: a LoRA adapter lies beside the weights.*merge it first")
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="a LoRA adapter, not a model; merge it into its base model first"):
        loading.load("m", entry(folder), "fp32", CPU)


def test_weights_that_the_config_has_no_place_for_are_refused(folder):
    bias = torch.ones(SIZE["num_attention_heads"] * SIZE["head_dim"])
    weighed(folder, lambda w: w | {"model.layers.0.self_attn.q_proj.bias": bias})
    with pytest.raises(InputError, match=r"no place for \(1, first .*layers.0.self_attn.q_proj.bias\)"):
        loading.load("m", entry(folder), "fp32", CPU)


def test_a_mixture_of_experts_is_no_int8(tmp_path, model_folders):
    small = {**SIZE, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "decoder_sparse_step": 1}
    folder = tmp_path / "moe"
    AutoModelForCausalLM.from_config(CONFIG_MAPPING["qwen3_moe"](**small)).save_pretrained(folder)
    trained_tokenizer(True, [s["text"] for s in stories()]).save_pretrained(folder)
    both_refuse(folder, "a mixture of 4 experts, of which int8 would leave the experts as they are", ("fp32", "int8"))
    trial.check({"m": entry(folder)}, {"m": ["fp32", "bf16"]})
    model = loading.load("m", entry(folder), "fp32", CPU)
    assert len(residual.blocks(model.body)) == SIZE["num_hidden_layers"]


def test_the_precision_of_weights_is_that_of_the_file(folder):
    weighed(folder, lambda w: {k: v.to(torch.bfloat16) for k, v in w.items()})
    configured(folder, dtype="float32")
    assert loading.load("m", entry(folder), "fp32", CPU).attributes["weights"] == "bfloat16"
    weighed(folder, lambda w: {k: v.float() if "norm" in k else v for k, v in w.items()})
    assert loading.load("m", entry(folder), "fp32", CPU).attributes["weights"] == "bfloat16, float32"


def test_a_broken_header_or_config_is_one_line(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json: not readable as JSON"):
        inspection.check(folder, WHERE, ["fp32"])
    (folder / "model.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(InputError, match="its header is broken"):
        inspection.headers_of(folder)


EYES = {"hidden_size": 16, "intermediate_size": 16}
MROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
NESTED = {
    "gemma3": (
        AutoModelForCausalLM,
        {**SIZE, "sliding_window": 16, "query_pre_attn_scalar": 16},
        {**EYES, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28},
    ),
    "qwen2_5_vl": (
        AutoModelForImageTextToText,
        {**SIZE, "rope_parameters": MROPE},
        {**EYES, "depth": 1, "num_heads": 2, "out_hidden_size": 64},
    ),
}


@pytest.mark.parametrize("kind", NESTED)
def test_of_a_model_with_other_senses_the_language_model_is_read(kind, tmp_path):
    of, text, eyes = NESTED[kind]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = of.from_config(CONFIG_MAPPING[kind](text_config=text, vision_config=eyes))
    whole.eval().save_pretrained(tmp_path)
    trained_tokenizer(True, [s["text"] for s in stories()]).save_pretrained(tmp_path)
    trial.check({"m": entry(tmp_path)}, {"m": ["fp32"]})
    model = loading.load("m", entry(tmp_path), "fp32", CPU)
    found = residual.read_batch(model.body, IDS, [Position(rule="last")], skip=0)
    with torch.inference_mode():
        states = whole(input_ids=torch.tensor(IDS), output_hidden_states=True).hidden_states
    truth = np.stack([s[0, -1].numpy() for s in states[1:-1]])  # the last is after the final norm
    assert found.activation.shape == (1, 1, SIZE["num_hidden_layers"], SIZE["hidden_size"])
    assert np.allclose(found.activation[0, 0, :-1], truth, rtol=1e-4, atol=1e-5)


ARCHITECTURES = {
    **dict.fromkeys(("opt", "phi3", "gemma", "qwen3", "olmo2", "stablelm", "starcoder2", "granite", "mixtral"), None),
    **dict.fromkeys(("gpt2", "gpt_neox", "falcon", "jamba", "qwen3_next"), "attention blocks found; .* is not known"),
    **dict.fromkeys(("mamba", "rwkv", "bloom", "gpt_oss", "gemma2"), "this architecture cannot be read"),
    "gemma3n_text": "states of 4 dimensions",
    "bert": "bert is an encoder",
}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_an_architecture_that_cannot_be_read_is_known_from_its_config(kind, tmp_path):
    CONFIG_MAPPING[kind]().save_pretrained(tmp_path)
    why = trial.why_not(tmp_path)
    if ARCHITECTURES[kind] is None:
        assert why is None
    else:
        with pytest.raises(InputError, match=ARCHITECTURES[kind]) as caught:
            trial.check({"m": entry(tmp_path)}, {"m": ["fp32"]})
        assert "\n" not in str(caught.value)


# --- digests -------------------------------------------------------------------------------------------------------------


def test_a_digest_is_of_weights_tokenizer_and_config_and_an_entry_may_note_it(folder):
    noted = inspection.digest(folder)
    loading.load("m", entry(folder, sha256=noted), "fp32", CPU)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b" ")
        assert inspection.digest(folder) != noted
        both_refuse(folder, f"folder.sha256: the files of {folder} have [0-9a-f]{{64}}: they are others", sha256=noted)
        (folder / name).write_bytes(content)
    assert inspection.digest(folder) == noted
    assert loading.load("m", entry(folder), "fp32", CPU).attributes["files_sha256"] == noted


def test_a_file_of_the_hubs_cache_is_not_taken_by_its_name(folder, tmp_path):
    """A bit that the disk turned once gave other states under the digest of the right weights."""
    weights = folder / "model.safetensors"
    blob = tmp_path / "blobs" / inspection.digest_of_file(weights)
    blob.parent.mkdir()
    weights.rename(blob)
    weights.symlink_to(blob)
    assert inspection.digest_of_file(weights) == blob.name
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"model.safetensors: damaged: .* remove {blob}, and it is fetched again"):
        loading.load("m", entry(folder), "fp32", CPU)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "files.json"])
def test_a_dequantised_copy_that_is_not_what_was_made_is_made_again(name, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    known = Gguf(file="x.gguf", sha256="0" * 64)
    copy = packages.copy_of(known)
    shutil.copytree(folder, copy)
    inspection.seal(copy)
    assert gguf.dequantised(known, WHERE) == copy
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(InputError, match="gguf.file: x.gguf is not a file"):  # it was asked for
        gguf.dequantised(known, WHERE)
    assert "it is made again" in capsys.readouterr().err
