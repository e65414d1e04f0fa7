"""What models are told, looked at as strictly as what they read. Intervals are over prompts, questions and tasks: one that
stands twice would make them narrower without a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.behaviour import questionnaire
from pipeline.behaviour.questionnaire import Question
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.steering import directions
from pipeline.texts import prompts
from pipeline.texts.stimuli import CONTROL, in_words


def check(params: Params, emotions: Sequence[str]) -> None:
    """Raise InputError, a line for each file and set, for texts that count twice or hold what cannot be seen, and for answers
    that cannot be told apart. `emotions`: labels of the stories."""
    asked = params.behaviour
    questions, tasks = questionnaire.questions(asked.questions), questionnaire.tasks(asked.constraints)
    found = [*_unseen(asked.questions, [(q.id, " ".join((*q.turns, q.right, q.wrong))) for q in questions])]
    found += _unseen(asked.constraints, [(task.id, " ".join(task.turns)) for task in tasks])
    found += _twice(str(asked.questions), [(q.id, in_words(q.question)) for q in questions])
    found += _twice(str(asked.constraints), [(task.id, in_words(task.turns[1])) for task in tasks])
    found += _one_begins_the_other(asked.questions, questions)
    path = params.steering.prompts
    for name, texts in directions.load_prompts(path).items() if params.steering.models else ():
        found += _unseen(path, texts.items())
        found += _twice(f"{path}: set {name}", [(id_, in_words(text)) for id_, text in texts.items()])
    path = params.write.prompts
    for name in sorted({params.write.settings[name].prompts for name in params.settings_written}):
        frame = prompts.load(path, name, None)
        told = prompts.asked(frame, emotions, params.vectors.neutral_label)
        found += _unseen(path, frame.select("id", "text").iter_rows())
        found += _twice(f"{path}: set {name}", [(id_, (emotion, in_words(text))) for emotion, id_, text in told])
    if found:
        raise InputError(*found)


def _unseen(path: Path, texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for the first text, after its id, with a character that no text holds."""
    for id_, text in texts:
        for c in text:
            if unicodedata.category(c) in CONTROL and c not in "\n\r\t":
                yield f"{path}: '{id_}' holds U+{ord(c):04X}, which cannot be seen; take it out"
                return


def _twice(where: str, told: Sequence[tuple[str, Hashable]]) -> Iterator[str]:
    """A line for the first two ids under which a model is told the same. `told`: id, and what it is known by."""
    first: dict[Hashable, str] = {}
    for id_, what in told:
        if (other := first.setdefault(what, id_)) != id_:
            yield f"{where}: '{other}' and '{id_}' are the same text, which would count as two; keep one"
            return


def _one_begins_the_other(path: Path, questions: Sequence[Question]) -> Iterator[str]:
    """What is weighed is how a reply begins: whoever says the longer answer has said the shorter one by then."""
    for q in questions:
        one, other = sorted((in_words(q.right).casefold(), in_words(q.wrong).casefold()), key=len)
        if other.startswith(one):
            yield (
                f"{path}: '{q.id}': '{q.right}' and '{q.wrong}': one is the beginning of the other, so that the shorter always"
                " seems the more probable; write answers that begin in different ways"
            )
            return
