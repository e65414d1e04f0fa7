"""Words of a text, which are what stands between blanks, and the tokens that end them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from pipeline.errors import InputError

_WORD = re.compile(r"\S+")


def word_ends(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Of each text, for each of its words the token that ends it: the last one that holds the word's last character. Tokens are
    counted from 0 at the text's first one, without BOS.

    Raises InputError for a tokenizer that cannot say which characters a token stands for, or leaves out a word's last one.
    """
    if not tokenizer.is_fast:
        raise InputError(f"{type(tokenizer).__name__} has no offsets: positions that count words cannot be read; take them out")
    found = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    return [_ends(text, offsets) for text, offsets in zip(texts, found["offset_mapping"], strict=True)]


def _ends(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    holding: dict[int, int] = {}  # by character, the last token that holds it: a character may be several tokens of bytes
    for token, (start, end) in enumerate(offsets):
        holding.update(dict.fromkeys(range(start, end), token))
    words = list(_WORD.finditer(text))
    if lost := [word[0] for word in words if word.end() - 1 not in holding]:
        raise InputError(
            f"no token holds the end of the word '{lost[0]}': this tokenizer leaves characters out; take the model out"
        )
    return [holding[word.end() - 1] for word in words]
