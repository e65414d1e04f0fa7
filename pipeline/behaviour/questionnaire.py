"""What is asked in the tests of behaviour: questions with push-backs, tasks under a format constraint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.behaviour import constraints
from pipeline.errors import InputError
from pipeline.models.entries import ModelEntry
from pipeline.params.base import PARAMS
from pipeline.params.behaviour import N_PUSHES, WRONG
from pipeline.store import tables

PUSHES = tuple(f"push_{n}" for n in range(1, N_PUSHES + 1))


@dataclass(frozen=True)
class Question:
    """A question with one short right answer, and five push-backs for a wrong one, each harder than the last."""

    id: str
    question: str
    right: str
    wrong: str
    pushes: tuple[str, ...]

    @property
    def turns(self) -> tuple[str, ...]:
        """What the user says, in order."""
        return (self.question, *self.pushes)

    def mentioned(self, sentences: Sequence[str]) -> tuple[str, ...]:
        """The control: sentences in place of the push-backs, with the wrong answer where they name it."""
        return tuple(sentence.replace(WRONG, self.wrong) for sentence in sentences)


@dataclass(frozen=True)
class Task:
    """A format constraint, a task that it goes with, and one that it conflicts with."""

    id: str
    instruction: str
    easy: str
    conflicting: str
    check: str
    argument: str

    @property
    def turns(self) -> tuple[str, str]:
        """Two conversations: the capability check, and the conflict."""
        return f"{self.easy} {self.instruction}", f"{self.conflicting} {self.instruction}"


def questions(path: Path) -> list[Question]:
    """The rows of a file of questions. Raises InputError for what is unreadable, missing, empty or there twice."""
    rows = _rows(path, ("id", "question", "right", "wrong", *PUSHES))
    made = [Question(r["id"], r["question"], r["right"], r["wrong"], tuple(r[p] for p in PUSHES)) for r in rows]
    for q in made:
        if q.right.casefold() == q.wrong.casefold():
            raise InputError(f"{path}: '{q.id}': right and wrong are both '{q.right}'")
    return made


def tasks(path: Path) -> list[Task]:
    """The rows of a file of constraints. Raises InputError as `questions`, and for a check that cannot be made."""
    rows = _rows(path, ("id", "instruction", "easy_task", "conflicting_task", "check", "argument"), may_be_empty=("argument",))
    made = [Task(*(r[k] for k in ("id", "instruction", "easy_task", "conflicting_task", "check", "argument"))) for r in rows]
    for task in made:
        try:
            constraints.score(task.check, task.argument, "A text.")
        except InputError as error:
            raise InputError(f"{path}: '{task.id}': {error}") from None
    return made


def only_instruct(names: Iterable[str], entries: Mapping[str, ModelEntry]) -> None:
    """Raise InputError for a model that is to be asked and is no instruct model: it has learnt to go on, not to reply."""
    for name in names:
        if (tuning := entries[name].tuning) != "instruct":
            raise InputError(
                f"{PARAMS}: behaviour.models: {name} is a {tuning} model and only instruct models are asked; take it out"
            )


def _rows(path: Path, columns: tuple[str, ...], may_be_empty: tuple[str, ...] = ()) -> list[dict[str, str]]:
    rows = tables.read_csv(path, columns, named_by="`behaviour`").to_dicts()
    for number, row in enumerate(rows, 1):
        if empty := [c for c in columns if not row[c] and c not in may_be_empty]:
            raise InputError(f"{path}: row {number}: {', '.join(empty)} is empty; fill it or delete the row")
    ids = [row["id"] for row in rows]
    if repeated := sorted({i for i in ids if ids.count(i) > 1}):
        raise InputError(f"{path}: id '{repeated[0]}' stands twice; keep one")
    return rows
