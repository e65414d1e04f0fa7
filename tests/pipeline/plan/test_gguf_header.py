"""A GGUF file that is not the whole of a model is refused by its header: what lacks would be read as random numbers."""

import numpy as np
import pytest
from gguf import GGUFWriter, LlamaFileType

from pipeline.errors import InputError
from pipeline.models import gguf, packages
from pipeline.models.entries import MODELS, Gguf, ModelEntry, load_entry
from pipeline.plan import gguf_header, new_entry, trial
from tests.conftest import ROOT

HIDDEN, WORDS = 32, ["<s>", "</s>", "a", "b", "ab"]
BLOCK = {
    **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (HIDDEN, HIDDEN)),
    **dict.fromkeys(("ffn_gate", "ffn_up"), (64, HIDDEN)),
    "ffn_down": (HIDDEN, 64),
    **dict.fromkeys(("attn_norm", "ffn_norm"), (HIDDEN,)),
}
TENSORS = {"token_embd.weight": (len(WORDS), HIDDEN), "output_norm.weight": (HIDDEN,)}
TENSORS |= {f"blk.{n}.{name}.weight": shape for n in range(2) for name, shape in BLOCK.items()}


def written(path, tensors=None, split=None, kind=LlamaFileType.ALL_F32, merges=("a b",), scaling=()):
    """A tiny Llama as a GGUF file."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    if kind is not None:
        writer.add_file_type(kind)
    for key, value in scaling:
        (writer.add_string if isinstance(value, str) else writer.add_float32)(f"llama.rope.scaling.{key}", value)
    if split is not None:
        writer.add_uint16("split.count", split)
    for name, shape in (TENSORS if tensors is None else tensors).items():
        writer.add_tensor(name, np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def without(*names):
    return {name: shape for name, shape in TENSORS.items() if not any(n in name for n in names)}


BROKEN = {
    "ffn": ({"tensors": without("blk.0.ffn_")}, r"lacks blk.0.ffn_gate.weight, .* and 1 more, which would be random numbers"),
    "every_block": ({"tensors": without("attn_v")}, r"lacks blk.0.attn_v.weight, blk.1.attn_v.weight, which"),
    "block": ({"tensors": without("blk.1.")}, r"lacks blk.1.attn_q.weight, .* and 6 more"),
    "norm": ({"tensors": without("output_norm")}, r"lacks output_norm.weight"),
    "shape": ({"tensors": TENSORS | {"blk.1.ffn_up.weight": (48, HIDDEN)}}, "lacks blk.1.ffn_up.weight"),
    "split": ({"split": 3}, "one of 3 parts; merge it with llama-gguf-split --merge"),
    "rope_freqs": ({"tensors": TENSORS | {"rope_freqs.weight": (8,)}}, "holds rope_freqs.weight, which would not be read"),
    "bias": ({"tensors": TENSORS | {"blk.0.attn_q.bias": (HIDDEN,)}}, "holds blk.0.attn_q.bias, which would not be read"),
    "yarn": ({"scaling": [("type", "yarn")]}, "holds llama.rope.scaling.type yarn, which would not be read"),
    "factor": (
        {"scaling": [("type", "none"), ("factor", 4.0)]},
        "holds llama.rope.scaling.factor 4.0, which would not be read",
    ),
    "kind": ({"kind": None}, "no general.file_type that is known"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_plan_and_make_model_refuse_a_part_of_a_model(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how, said = BROKEN[case]
    path = written(tmp_path / "x.gguf", **how)
    with pytest.raises(InputError, match=f"^x.gguf: {said}"):
        new_entry.main(["mine", "GGUF=x.gguf"])
    assert not (MODELS / "mine.yaml").exists()
    known = Gguf(file="x.gguf", sha256=packages.digest_of_file(path))
    own = ModelEntry(family="f", lineage="l", tuning="base", bos=False, parameters=1e5, gguf=known)
    with pytest.raises(InputError, match=f"^data/models/m.yaml: x.gguf: {said}"):
        trial.check({"m": own}, {"m": ["fp32"]})


def test_a_whole_model_passes_and_so_does_one_with_a_head(tmp_path):
    gguf_header.is_whole(written(tmp_path / "x.gguf", split=1))
    gguf_header.is_whole(written(tmp_path / "y.gguf", TENSORS | {"output.weight": (len(WORDS), HIDDEN)}))


def test_a_vocabulary_that_is_not_parsed_is_counted(tmp_path, monkeypatch):
    many = [f"w{n}" for n in range(2000)]
    monkeypatch.setattr("tests.pipeline.plan.test_gguf_header.WORDS", many)
    gguf_header.is_whole(written(tmp_path / "x.gguf", TENSORS | {"token_embd.weight": (len(many), HIDDEN)}))


def test_a_copy_that_was_made_before_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "x.gguf", without("blk.0.ffn_"))
    known = Gguf(file="x.gguf", sha256=packages.digest_of_file(path))
    packages.copy_of(known).mkdir(parents=True)
    with pytest.raises(InputError, match="lacks blk.0.ffn_gate"):
        gguf_header.check(known, MODELS / "m.yaml")
    path.unlink()
    gguf_header.check(known, MODELS / "m.yaml")  # the copy is all there is
    gguf_header.check(Gguf(file="x", package="no-such-package", version="1.0", sha256="0" * 64), MODELS / "m.yaml")


@pytest.mark.parametrize("lost", ["blk.0.ffn_up", "output_norm"])
def test_a_stage_refuses_it_when_it_makes_its_copy(lost, tmp_path, monkeypatch):
    """Whoever asked for no plan does not read random numbers either."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "x.gguf", without(lost))
    known = Gguf(file="x.gguf", sha256=packages.digest_of_file(path))
    with pytest.raises(InputError, match=r"^data/models/m.yaml: x.gguf lacks weights of the model \(missing_keys: 1, first "):
        gguf.dequantised(known, MODELS / "m.yaml")
    assert not packages.copy_of(known).exists()


def test_merges_of_what_is_no_word_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "x.gguf", merges=("a z",))
    with pytest.raises(InputError, match="its config or tokenizer cannot be read") as caught:
        new_entry.main(["mine", "GGUF=x.gguf"])
    assert "\n" not in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_the_repositorys_own_files_are_whole(name, tmp_path, monkeypatch):
    own = load_entry(name, ROOT / MODELS).gguf
    monkeypatch.chdir(tmp_path)
    gguf_header.check(own, MODELS / f"{name}.yaml")
