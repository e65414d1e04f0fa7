"""Whether a model can read texts as they are meant: long enough for a position, and without what steers it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import InputError, some
from pipeline.models import loading
from pipeline.params.base import PARAMS
from pipeline.params.reading import Position

CONTROL = r"<\|?[^<>\s]+\|?>|\[[A-Z_]+\]"
"""What tokens look like that steer a model, though their tokenizer may not call them special: <think>, [INST]."""


def texts_long_enough(
    lengths: Sequence[int], frame: pl.DataFrame, positions: dict[str, Position], model: str, path: Path
) -> None:
    """Raise InputError, naming them, if texts have fewer tokens than a position needs. `lengths` are without BOS."""
    for name, position in positions.items():
        short = [i for i, length in enumerate(lengths) if length < position.tokens_needed]
        if short:
            shown = some([f"{frame['id'][i]} ({frame['emotion'][i] or 'no label'}, {lengths[i]} tokens)" for i in short])
            raise InputError(
                f"{path}: position '{name}' needs {position.tokens_needed} tokens or more, and in {model} these texts are"
                f" shorter: {shown}. Nothing was read. Lengthen them, or take '{name}' out of the reading's positions in"
                f" {PARAMS}"
            )


def texts_are_text(ids: list[list[int]], frame: pl.DataFrame, model: loading.Model, path: Path) -> None:
    """Raise InputError for a text that holds what the model's tokenizer takes for a control token."""
    tokenizer: Any = model.tokenizer
    unknown = tokenizer.unk_token_id if _meets_unknown(tokenizer) else None
    control = {
        i: token.content
        for i, token in tokenizer.added_tokens_decoder.items()
        if (token.special or re.fullmatch(CONTROL, token.content)) and i != unknown
    }
    for row, text in enumerate(ids):
        if found := control.keys() & set(text):
            raise InputError(
                f"{path}: text {frame['id'][row]} ({frame['emotion'][row] or 'no label'}) holds"
                f" '{control[min(found)]}', which {model.name} takes for a control token; write it otherwise"
            )


def _meets_unknown(tokenizer: Any) -> bool:
    """Whether anything is unknown to a tokenizer. Nothing is to one of bytes, whose "unknown" token stands in a text only where
    somebody wrote it: SmolLM2's is <|endoftext|>."""
    of_words = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    return getattr(of_words, "unk_token", tokenizer.unk_token) is not None
