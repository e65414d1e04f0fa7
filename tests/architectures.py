"""Causal architectures of transformers as tiny models with random weights: which can be read, and which can write.

    python -m tests.architectures

Writes `docs/architectures.md`. Each is read beside transformers' own hidden states and writes beside its own greedy `generate`;
or it is refused from its config in one line.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CONFIG_MAPPING, AutoModel, AutoModelForCausalLM

from benchmarks.gpu.tiny import SIZE, trained_tokenizer
from pipeline.errors import InputError
from pipeline.models import loading
from pipeline.models.entries import ModelEntry
from pipeline.params.reading import Position
from pipeline.plan import trial
from pipeline.reading import residual
from pipeline.writing.generation import generate
from pipeline.writing.sampling import Decoding
from tests.conftest import ROOT, stories

PAGE = ROOT / "docs/architectures.md"
HEAD = """# Which architectures can be read, and which can write

This page is written by `make docs` from `tests/architectures.py`. Each architecture of transformers is built tiny, with random
weights. *Reads*: the states after every block are those that transformers gives (rtol 1e-4), the last one that which its final
norm makes of ours, and a text beside a longer one has the states that it has alone. *Writes*: eight greedy tokens after two
prompts are those of transformers' own `generate`. What is refused is refused by `make plan`, from the model's config, before
anything is fetched; the last column is what it says.

| architecture | reads | writes | why not |
| --- | --- | --- | --- |
"""
TEXTS = [[5, 17, 300, 42, 8, 99, 11], [7, 3, 120]]
NEW = 8
WINDOW = {"sliding_window": 16}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LATENT = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16, "n_group": 1}
LATENT |= {"topk_group": 1, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1}
LATENT |= {"moe_intermediate_size": 32, "head_dim": 8, "num_key_value_heads": 4}
OLD = {"n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 512, "n_inner": 128}
NO_PADDING = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1}
MAMBA = {"state_size": 8, "num_heads": 4, "n_groups": 1, "expand": 2, "chunk_size": 16, "mamba_d_state": 8, "mamba_n_heads": 4}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": WINDOW,
    "ministral": WINDOW,
    "mixtral": EXPERTS,
    "qwen2": {},
    "qwen2_moe": EXPERTS | {"shared_expert_intermediate_size": 32},
    "qwen3": {},
    "qwen3_moe": EXPERTS,
    "qwen3_next": EXPERTS | {"shared_expert_intermediate_size": 32, "linear_num_value_heads": 4, "linear_num_key_heads": 2},
    "gemma": {},
    "gemma2": WINDOW | {"query_pre_attn_scalar": 16},
    "gemma3_text": WINDOW | {"query_pre_attn_scalar": 16},
    "gemma3n_text": WINDOW | {"vocab_size_per_layer_input": 600, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 0},
    "gpt2": OLD,
    "gpt_bigcode": OLD,
    "gptj": OLD | {"rotary_dim": 8},
    "gpt_neo": {"num_layers": 4, "num_heads": 4, "attention_types": [[["global", "local"], 2]], "window_size": 16},
    "gpt_neox": {},
    "gpt_neox_japanese": {},
    "openai-gpt": OLD,
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "xglm": {"d_model": 64, "num_layers": 4, "attention_heads": 4, "ffn_dim": 128},
    "biogpt": {},
    "bloom": {"n_layer": 4, "n_head": 4},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 4, "max_seq_len": 512},
    "codegen": OLD | {"rotary_dim": 8},
    "ctrl": {"n_embd": 64, "n_layer": 4, "n_head": 4, "dff": 128, "n_positions": 512},
    "falcon": {"head_dim": None},
    "phi": {},
    "phi3": {},
    "phimoe": EXPERTS,
    "persimmon": {},
    "stablelm": {},
    "starcoder2": WINDOW,
    "cohere": {},
    "cohere2": WINDOW,
    "granite": {},
    "granitemoe": EXPERTS,
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": WINDOW,
    "olmoe": EXPERTS,
    "smollm3": {},
    "glm": {},
    "glm4": {},
    "helium": {},
    "arcee": {},
    "ernie4_5": {},
    "exaone4": WINDOW,
    "apertus": {},
    "deepseek_v2": LATENT,
    "deepseek_v3": LATENT,
    "llama4_text": EXPERTS | {"intermediate_size_mlp": 128, "attention_chunk_size": 64},
    "gpt_oss": EXPERTS | WINDOW,
    "mamba": MAMBA,
    "mamba2": MAMBA | {"head_dim": 32},
    "falcon_mamba": MAMBA,
    "falcon_h1": MAMBA | {"mamba_d_ssm": 64, "mamba_d_head": 16},
    "rwkv": {"attention_hidden_size": 64},
    "recurrent_gemma": {"lru_width": 64},
    "jamba": MAMBA | EXPERTS,
    "bamba": MAMBA | {"mamba_d_head": 32, "attn_layer_indices": [1, 3]},
    "lfm2": {"block_multiple_of": 16},
    "minimax": EXPERTS,
    "modernbert-decoder": {},
    "bert": {"is_decoder": False},
    "roberta": {"is_decoder": False},
    "xlm-roberta": {"is_decoder": False},
    "electra": {"is_decoder": False},
    "bert-generation": {"is_decoder": False},
    "albert": {},
    "distilbert": {"dim": 64, "n_layers": 4, "n_heads": 4, "hidden_dim": 128},
    "deberta-v2": {},
    "modernbert": {},
    "eurobert": {},
}
ENCODERS = (*("bert", "roberta", "xlm-roberta", "electra", "bert-generation"), *("albert", "distilbert", "deberta-v2"))
ENCODERS += ("modernbert", "eurobert")
"""Those whose tokens see those after them."""
SHORT = ("llama", "gemma2", "gpt2", "gpt_neox", "opt", "cohere", "deepseek_v3", "mamba", "qwen3_moe", "bert", "modernbert")
"""Those that the short form tries: of each outcome some."""


@dataclass(frozen=True)
class Verdict:
    """What came of one architecture. `why`: the line that refuses it, or that says why it does not write."""

    kind: str
    reads: bool
    writes: bool
    why: str = ""

    @property
    def row(self) -> str:
        marks = ["yes" if done else "no" for done in (self.reads, self.writes)]
        return f"| `{self.kind}` | {' | '.join(marks)} | {self.why.replace('|', ' ')} |"


def built(kind: str, folder: Path) -> Any:
    """A tiny model of an architecture, saved as a hub snapshot is; None where this version of transformers lacks it."""
    if kind not in CONFIG_MAPPING:
        return None
    sizes = {**SIZE, **NO_PADDING, **ARCHITECTURES[kind]}
    config = CONFIG_MAPPING[kind](**{name: size for name, size in sizes.items() if size is not None})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = (AutoModel if kind in ENCODERS else AutoModelForCausalLM).from_config(config).eval()
    whole.save_pretrained(folder)
    trained_tokenizer(True, [s["text"] for s in stories()]).save_pretrained(folder)
    return whole


def tried(kind: str, folder: Path) -> Verdict | None:
    """Build an architecture in a folder and try it. Raises AssertionError where it is read otherwise than transformers reads
    it, where the plan lets through what a stage refuses, or where a refusal is no single line."""
    whole = built(kind, folder)
    if whole is None:
        return None
    entry = ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})
    if why := refused(entry, folder):
        return Verdict(kind, False, False, why)
    model = loading.load("m", entry, "fp32", torch.device("cpu"))
    is_read_as_transformers_does(whole, model.body)
    if why := refused(entry, folder, "m"):
        return Verdict(kind, True, False, why)
    writes_as_transformers_does(whole, loading.load("m", entry, "fp32", torch.device("cpu"), writes=True))
    return Verdict(kind, True, True)


def is_read_as_transformers_does(whole: Any, body: Any) -> None:
    found = residual.read_batch(body, TEXTS, [Position(rule="last")], skip=0).activation[:, 0]
    for row, ids in enumerate(TEXTS):
        with torch.inference_mode():
            out = whole(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        truth = [states[0, -1] for states in out.hidden_states[1:]]
        assert len(truth) == len(found[row])
        for layer, states in enumerate(truth[:-1]):
            np.testing.assert_allclose(found[row][layer], states.numpy(), rtol=1e-4, atol=1e-5, err_msg=f"layer {layer}")
        last = torch.tensor(found[row][-1])
        norms = [m for m in whole.base_model.modules() if "norm" in type(m).__name__.lower()]
        norms = [m for m in norms if all(p.shape == last.shape for p in m.parameters())]
        with torch.inference_mode():
            made = [last, *(m(last[None, None])[0, 0] for m in norms)]
        assert any(np.allclose(states, truth[-1], rtol=1e-4, atol=1e-5) for states in made), "the final norm of the last layer"


def writes_as_transformers_does(whole: Any, model: loading.Model) -> None:
    assert model.head is not None
    found = generate(model.body, model.head, TEXTS, [0, 1], Decoding(None, max_new_tokens=NEW), frozenset(), 2)
    for ids, text in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            made = whole.generate(
                torch.tensor([ids]), do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW, eos_token_id=None
            )
        assert text.tokens == made[0, len(ids) :].tolist()


def refused(entry: ModelEntry, folder: Path, *writers: str) -> str:
    """What the plan says of a model, without what is only of this trial; "" where it lets it pass."""
    try:
        trial.check({"m": entry}, {"m": ["fp32"]}, writers)
    except InputError as error:
        said = str(error)
    else:
        return ""
    assert len(said.splitlines()) == 1, said
    return said.removeprefix("data/models/m.yaml: ").replace(f"{folder.name}: ", "").replace(str(folder), "its folder")


def rows(page: str) -> dict[str, str]:
    """The rows of a page by architecture."""
    return {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}


def main() -> None:
    loading.quiet()
    found = []
    with tempfile.TemporaryDirectory() as place:
        for kind in ARCHITECTURES:
            folder = Path(place) / kind
            verdict = tried(kind, folder)
            shutil.rmtree(folder, ignore_errors=True)
            if verdict is not None:
                found.append(verdict)
                print(verdict.row, file=sys.stderr)
    PAGE.write_text(HEAD + "\n".join(v.row for v in sorted(found, key=lambda v: (not v.reads, not v.writes, v.kind))) + "\n")


if __name__ == "__main__":
    main()
