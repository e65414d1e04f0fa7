"""A model that is loaded to write: the one that reads, with its head."""

import json

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from transformers import AutoModelForCausalLM

from pipeline.errors import InputError
from pipeline.models import cpu_arithmetic, loading
from pipeline.models.entries import load_entry
from pipeline.models.int8 import TextwiseInt8

CPU = torch.device("cpu")
IDS = torch.tensor([[0, 17, 301, 45, 222, 9, 118]])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "nf4"])
@pytest.mark.parametrize("model", ["tiny-llama-3.2", "tiny-qwen2.5"])
def test_a_model_that_writes_has_the_states_of_the_one_that_reads(model, precision, project):
    reads, writes = (loading.load(model, load_entry(model), precision, CPU, writes=w) for w in (False, True))
    assert reads.head is None
    assert reads.attributes == writes.attributes
    with torch.inference_mode():
        states = [m.body(input_ids=IDS, use_cache=False).last_hidden_state for m in (reads, writes)]
    assert torch.equal(*states)


@pytest.mark.parametrize("family", ["llama-3.2", "llama-3.1"])  # tied to the embeddings, and not
def test_the_heads_logits_are_those_of_the_whole_model(family, project):
    project.entry("tiny", family)
    model = loading.load("tiny", load_entry("tiny"), "fp32", CPU, writes=True)
    whole = AutoModelForCausalLM.from_pretrained(project.models[family], dtype=torch.float32).eval()
    with torch.inference_mode():
        found = model.head(model.body(input_ids=IDS, use_cache=False).last_hidden_state)
        assert torch.equal(found, whole(input_ids=IDS, use_cache=False).logits)


def test_on_a_cpu_the_head_multiplies_fp16_as_the_blocks_do(project):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "fp16", CPU, writes=True)
    assert isinstance(model.head, cpu_arithmetic.HalfLinear)
    states = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)).half()
    exact = states.double() @ model.body.get_input_embeddings().weight.double().T
    assert model.head(states).dtype == torch.float16
    assert torch.allclose(model.head(states).double(), exact, rtol=2**-10, atol=1e-4)


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_a_quantised_model_writes_with_a_head_that_is_not_quantised(precision, project):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), precision, CPU, writes=True)
    assert type(model.head) is cpu_arithmetic.HalfLinear
    stored = AutoModelForCausalLM.from_pretrained(project.models["llama-3.2"], dtype=torch.float16)
    assert torch.equal(model.head.weight.to_dense(), stored.get_output_embeddings().weight.float())
    assert any(isinstance(m, (TextwiseInt8, Linear4bit)) for m in model.body.modules())


def test_the_tokens_that_end_a_text_come_with_the_model(project):
    model = loading.load("tiny-llama-3.2", load_entry("tiny-llama-3.2"), "fp32", CPU, writes=True)
    said = json.loads((project.models["llama-3.2"] / "generation_config.json").read_text())
    assert model.generation_config.eos_token_id == said["eos_token_id"]


def test_an_untrained_twin_does_not_write(project):
    with pytest.raises(InputError, match="tiny-untrained.yaml: an untrained twin .* does not write; take"):
        loading.load("tiny-untrained", load_entry("tiny-untrained"), "fp32", CPU, seed=0, writes=True)
