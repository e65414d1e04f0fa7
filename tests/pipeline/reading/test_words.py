"""The token that ends a word, over the tokenizers of all families, against what the tokens up to it decode to."""

import numpy as np
import pytest
from tokenizers import normalizers
from transformers import AutoModel, AutoTokenizer

from pipeline.errors import InputError
from pipeline.params.reading import Position
from pipeline.reading import residual, words
from tests.conftest import FAMILIES, stories
from tests.reference import residual_stream

HARD = [
    "  Two blanks, a tab\tand a line\nbreak.  ",
    "Na\u00efve caf\u00e9s \u2014 3 \u00d7 4 = 12, \u65e5\u672c\u8a9e \U0001f642\U0001f642 \u201cquoted\u201d end",
    "one",
]
TEXTS = [*HARD, *(s["text"] for s in stories()[:6])]


def ends_by_hand(text, ids, tokenizer):
    """The first token with which what is decoded so far holds each word whole."""
    found, decoded = [], [tokenizer.decode(ids[: n + 1], clean_up_tokenization_spaces=False).lstrip() for n in range(len(ids))]
    bare = text.lstrip()
    end = 0
    for word in bare.split():
        end = bare.index(word, end) + len(word)
        found.append(next(n for n, so_far in enumerate(decoded) if so_far[:end] == bare[:end]))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_token_that_ends_a_word_is_the_first_with_which_the_word_is_whole(family, model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders[family])
    ids, _ = residual.tokenise(TEXTS, tokenizer, False, "never")
    found = words.word_ends(TEXTS, tokenizer)
    for text, tokens, ends in zip(TEXTS, ids, found, strict=True):
        assert len(ends) == len(text.split())
        assert ends == ends_by_hand(text, tokens, tokenizer)


def test_every_tokenizer_is_read_from_the_same_place(model_folders):
    so_far = set()
    for family in FAMILIES:
        tokenizer = AutoTokenizer.from_pretrained(model_folders[family])
        (ids,), _ = residual.tokenise(TEXTS[-1:], tokenizer, False, "never")
        so_far.add(tokenizer.decode(ids[: words.word_ends(TEXTS[-1:], tokenizer)[0][39] + 1]).strip())
    assert so_far == {" ".join(TEXTS[-1].split()[:40])}


@pytest.mark.parametrize(("family", "bos"), [("llama-3.2", True), ("smollm2", False)])
def test_a_position_at_a_word_reads_the_state_of_its_last_token_alone(family, bos, model_folders):
    body = AutoModel.from_pretrained(model_folders[family], attn_implementation="sdpa").eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folders[family])
    texts = TEXTS[-4:]
    ids, begins = residual.tokenise(texts, tokenizer, bos, "native")
    ends = words.word_ends(texts, tokenizer)
    positions = [Position(rule="word", word=40), Position(rule="mean", word=40), Position(rule="mean", word=1)]
    found, finite, _ = residual.read_batch(body, ids, positions, int(begins), ends)
    assert finite.all()
    for i, text in enumerate(ids):
        states = residual_stream(body, text)[:, int(begins) :]
        by_hand = [states[:, ends[i][39]], states[:, ends[i][38] + 1 :].mean(1), states.mean(1)]
        assert np.allclose(found[i], np.stack(by_hand), atol=1e-4)


def test_a_tokenizer_without_offsets_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="Slow has no offsets: positions that count words cannot be read; take them out"):
        words.word_ends(["A text."], Slow())


def test_a_tokenizer_that_leaves_a_words_end_out_is_named(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["qwen2.5"])
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(".", "")
    with pytest.raises(InputError, match=r"no token holds the end of the word 'rain\.': this tokenizer leaves characters out"):
        words.word_ends(["A day of rain."], tokenizer)
