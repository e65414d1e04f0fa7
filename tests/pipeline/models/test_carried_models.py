"""The real models that Python packages carry: read as a float64 reference reads them, written as transformers writes, and cut
into tokens as their own vocabularies say. A model whose packages are not installed is skipped: `make profile P=lineages`."""

from __future__ import annotations

import heapq
from itertools import pairwise

import gguf as library
import numpy as np
import pytest
import regex
import torch
from transformers import AutoModelForCausalLM

from pipeline.models import gguf, loading, packages
from pipeline.models.entries import MODELS, load_entry
from pipeline.params.reading import Position
from pipeline.reading import residual
from pipeline.writing.generation import Decoding, end_tokens, generate, prompt_ids
from tests.conftest import ROOT, stories
from tests.reference import residual_stream

CPU = torch.device("cpu")
CARRIED = ["gemma-3-270m", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]
TOLERANCE = 2e-6
POSITIONS = [Position(rule="last"), Position(rule="mean"), Position(rule="mean", start=50)]
pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=CARRIED)
def carried(request):
    """An entry by name, and its model as the stages load it to write; the repository's dequantised copy, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        entry = load_entry(request.param)
        if lacking := packages.not_installed([entry.gguf]):
            pytest.skip(f"not installed: {', '.join(lacking)}")
        yield request.param, entry, loading.load(request.param, entry, "fp32", CPU, writes=True)


def plain(name, entry):
    """The model as transformers alone has it."""
    folder = loading.locate(entry, MODELS / f"{name}.yaml")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()


def tokens_read(whole, text):
    """States (layer, token, hidden) of every block but the last, as transformers gives them in fp32."""
    with torch.inference_mode():
        states = whole.model(input_ids=torch.tensor([text]), output_hidden_states=True).hidden_states
    return np.stack([s[0].numpy() for s in states[1:-1]]), states[-1][0].numpy()


def errors(found, true):
    """Of every state its distance from the truth, relative to its length."""
    return np.linalg.norm(found - true, axis=-1) / np.linalg.norm(true, axis=-1)


def test_it_reads_as_a_float64_reference_and_writes_as_transformers_does(carried):
    """fp32 itself is further from float64 than 2e-6 in single tokens of Qwen2.5-Coder-1.5B, whose first block's attention has
    large logits: there no state may be further from it than the furthest of transformers' own at that layer."""
    name, entry, model = carried
    texts = [s["text"] for s in stories()]
    ids, bos = residual.tokenise([min(texts, key=len), max(texts, key=len)], model.tokenizer, entry.bos, "native")
    assert bos == entry.bos
    found, finite, _ = residual.read_batch(model.body, ids, POSITIONS, int(bos))
    assert finite.all()
    whole = plain(name, entry)
    for i, text in enumerate(ids):
        states = residual_stream(whole.model, text)[:, int(bos) :]
        theirs, after_norm = (s[..., int(bos) :, :] for s in tokens_read(whole, text))
        own = errors(theirs, states[:-1]).max(-1)
        own = np.maximum(TOLERANCE, np.append(own, own[-1]))
        assert (errors(found[i, 0], states[:, -1]) < own).all()
        for p, start in ((1, 0), (2, 50)):
            assert errors(found[i, p], states[:, start:].mean(1)).max() < TOLERANCE
        assert errors(found[i, 0, :-1], theirs[:, -1]).max() < 2 * own.max()
        assert errors(found[i, 0, -1], after_norm[-1]) > 0.01  # transformers' last entry is after the final norm

    prompt = "Tell the story of an old woman who opens a door and finds a letter. Say what she does with it."
    asked = prompt_ids(prompt, model.tokenizer, entry.tuning == "instruct", entry.bos)
    ends = end_tokens(model.tokenizer, model.generation_config)
    (own,) = generate(model.body, model.head, [asked], [0], Decoding(None, max_new_tokens=64), ends, 1)
    with torch.inference_mode():
        mask = torch.ones(1, len(asked), dtype=torch.long)
        options = {"max_new_tokens": 64, "do_sample": False, "repetition_penalty": 1.0, "eos_token_id": sorted(ends)}
        greedy = whole.generate(torch.tensor([asked]), attention_mask=mask, **options)
    written = [i for i in greedy[0, len(asked) :].tolist() if i not in ends]
    assert own.tokens == written
    assert len(written) > 20
    assert len(set(written)) > 10  # sentences, and no loop


# --- tokens --------------------------------------------------------------------------------------------------------------


def merged(symbols, rank):
    """Byte-pair encoding by hand: of all neighbours that may merge, the pair of the lowest rank, the leftmost first."""
    while True:
        found = [(rank(a, b), i) for i, (a, b) in enumerate(pairwise(symbols)) if rank(a, b) is not None]
        if not found:
            return symbols
        _, i = heapq.nsmallest(1, found)[0]
        symbols = [*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :]]


def vocabulary(entry):
    """Tokens, scores and merges as the GGUF file itself has them."""
    with gguf._whole_file(entry.gguf, MODELS / "m.yaml") as path, gguf.parsed_once():
        fields = library.GGUFReader(str(path)).fields
        return {key.rpartition(".")[2]: fields[key].contents() for key in fields if key.startswith("tokenizer.ggml.")}


USER_DEFINED = 4  # a kind of token in llama.cpp: never cut, never merged


def gemma_tokens(text, tokens, scores, token_type):
    """SentencePiece of BPE kind: spaces are letters, the best score merges first, what no token holds is bytes; tokens that the
    user defined (runs of spaces and of line breaks) are found first, the longest at a place."""
    ids = {token: i for i, token in enumerate(tokens)}
    defined = sorted((t for t, kind in zip(tokens, token_type, strict=True) if kind == USER_DEFINED), key=len, reverse=True)
    found: list[int] = []
    for piece in regex.split("(" + "|".join(map(regex.escape, defined)) + ")", text):
        if piece in set(defined):
            found.append(ids[piece])
            continue
        for s in merged(list(piece.replace(" ", "\u2581")), lambda a, b: -scores[ids[a + b]] if a + b in ids else None):
            found += [ids[s]] if s in ids else [ids[f"<0x{byte:02X}>"] for byte in s.encode()]
    return found


# Qwen2's own split into words (Qwen2Tokenizer), and GPT-2's printable stand-ins for bytes.
WORDS = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
STAND_IN = {b: chr(b) for b in PRINTABLE} | {b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in PRINTABLE)}


def qwen_tokens(text, tokens, merges):
    ids = {token: i for i, token in enumerate(tokens)}
    order = {tuple(m.split(" ")): n for n, m in enumerate(merges)}
    words = [[STAND_IN[b] for b in word.encode()] for word in WORDS.findall(text)]
    return [ids[s] for word in words for s in merged(word, lambda a, b: order.get((a, b)))]


def test_a_text_is_cut_into_the_tokens_of_the_models_own_vocabulary(carried):
    _, entry, model = carried
    held = vocabulary(entry)
    texts = [s["text"] for s in stories()[::9]]
    texts += ["Two  spaces,\n\na line; 1,204 pounds at 7:30 - it's caf\u00e9 \u201cquoted\u201d \U0001f642\ttab"]
    for text in texts:
        if "merges" in held:
            mine = qwen_tokens(text, held["tokens"], held["merges"])
        else:
            mine = gemma_tokens(text, held["tokens"], held["scores"], held["token_type"])
        assert model.tokenizer(text, add_special_tokens=False).input_ids == mine
        assert model.tokenizer.decode(mine) == text
