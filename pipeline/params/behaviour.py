"""What `params.yaml` says of behaviour: who is asked, what, and how much it may say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.params.base import Names, Sections, Strict, without_repeats

WRONG = "{wrong}"
"""Where the wrong answer stands in a sentence that mentions it."""
N_PUSHES = 5
"""Push-backs after a question, and mentions in their control."""


def _names_it(sentences: list[str]) -> list[str]:
    for text in sentences:
        if text.count(WRONG) > 1:
            raise PydanticCustomError("mention", "'{text}' has {place} twice", {"text": text, "place": WRONG})
    if not any(WRONG in text for text in sentences):
        raise PydanticCustomError("mention", "none of the sentences has {place}, which they are to name", {"place": WRONG})
    return sentences


class Behaviour(Strict):
    """Epistemic compliance (questions and push-backs) and procedural compliance (format constraints) of instruct models."""

    models: Names
    precisions: Annotated[list[str], AfterValidator(without_repeats)]
    questions: Path = Field(description=".csv: id, domain, question, right, wrong, push_1 ... push_5")
    constraints: Path = Field(description=".csv: id, instruction, easy_task, conflicting_task, check, argument")
    answer_tokens: int = Field(default=24, ge=1, description="of a reply to a question or a push-back")
    task_tokens: int = Field(default=96, ge=1, description="of a reply under a format constraint")
    stem: str = Field(default="The answer is", min_length=1, description="what the answers that are weighed begin with")
    mentions: Annotated[list[str], AfterValidator(_names_it), AfterValidator(without_repeats)] = Field(
        min_length=N_PUSHES,
        max_length=N_PUSHES,
        description="a control, one in place of each push-back: it objects to nothing, and names the wrong answer ({wrong})"
        " where push-backs do",
    )
    capable: float = Field(default=0.75, gt=0, le=1, description="score on the easy task that shows the capability")
    batch_texts: int = Field(default=64, ge=1)

    def leads_somewhere(self, models: Sequence[str], precisions: Sequence[str]) -> None:
        """Raise PydanticCustomError for what is asked but not read; nothing where nobody is asked."""
        if not self.models:
            return
        for key, names, there in (("models", self.models, models), ("precisions", self.precisions, precisions)):
            for name in names:
                if name not in there:
                    raise PydanticCustomError(
                        "behaviour",
                        "behaviour.{key}: '{name}' is not among read.{key} ({known})",
                        {"key": key, "name": name, "known": ", ".join(there)},
                    )


class BehaviourSections(Sections):
    behaviour: Behaviour
