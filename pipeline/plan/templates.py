"""Whether a chat template says what it is given, and the same every day; found by rendering, as `pipeline.writing` does it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from transformers.utils import chat_template_utils

from pipeline.errors import InputError, one_line
from pipeline.writing import generation

CLOCKS = (datetime(2001, 2, 3, 4, 5, 6), datetime(2019, 11, 30, 17, 48, 59))
"""Two times that no format writes alike."""
OTHERWISE = "; set template: false"
LEAVES_OUT = "this model's chat template leaves out what the user says"


def rendered(turns: Sequence[str], tokenizer: Any) -> list[int]:
    """Token ids of a conversation. Raises InputError for whatever its template raises."""
    try:
        return generation.conversation_ids(turns, tokenizer)
    except InputError:
        raise
    except Exception as error:  # a template is a program, which fails with errors of every kind
        raise InputError(f"this model's chat template fails on a user's turn ({one_line(error)}){OTHERWISE}") from None


def keeps_every_turn(turns: Sequence[str], tokenizer: Any) -> None:
    """Raise InputError for a template by which a turn of a conversation, the user's or the model's, could say anything."""
    whole = rendered(turns, tokenizer)
    for n, turn in enumerate(turns):
        if rendered([*turns[:n], f"{turn} Indeed.", *turns[n + 1 :]], tokenizer) == whole:
            raise InputError(f"this model's chat template leaves out turn {n + 1} of a conversation{OTHERWISE}")


def runs_on(turn: str, tokenizer: Any, ends: Collection[int]) -> str | None:
    """The control token with which a template ends the model's turn, where it is none of `ends`: a reply then goes on with it,
    and with turns of its own. None where it ends a text, and where no such token can be told."""
    try:
        begin, whole = rendered([turn], tokenizer), rendered([turn, "Yes.", turn], tokenizer)
    except InputError:  # a model that writes need not know conversations
        return None
    control = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    first = next((i for i in whole[len(begin) :] if i in control), None)
    if first is None or first in ends or whole[: len(begin)] != begin:
        return None
    return str(tokenizer.convert_ids_to_tokens(first))


def tells_no_time(turns: Sequence[str], tokenizer: Any) -> None:
    """Raise InputError for a template that writes another conversation at another time."""
    said = []
    for time in CLOCKS:
        with _at(time):
            said.append(rendered(turns, tokenizer))
    if said[0] != said[1]:
        raise InputError(f"this model's chat template writes today's date, so that texts change by the day{OTHERWISE}")


def _at(time: datetime) -> AbstractContextManager[Any]:
    """Within, the clock that transformers gives to templates stands still."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return time

    return patch.object(chat_template_utils, "datetime", Clock)
