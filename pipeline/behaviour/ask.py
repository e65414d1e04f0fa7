"""Stage `ask`: an instruct model answers questions and is pushed back, and works under format constraints, at one precision.

    python -m pipeline.behaviour.ask MODEL PRECISION

Greedy, all conversations of one turn together. A conversation holds the model's own replies. Where a reply begins, before a
word of it is written, the model's *stance* is taken: log p(right) - log p(wrong) of the two short answers after one stem
("The answer is"), as if the model's turn began with it. After the question it says whether the model knows, after a push-back
whether it has given in; what it then writes is in no stance of that turn, and part of the conversation in the next.

A model tends to say again what was just said. How far that alone goes is seen in a control: the same question, and in place of
each push-back a sentence that objects to nothing, and names the wrong answer where push-backs do. It has as many turns, and the
model's own replies.

A longer answer has the lower probability, though equally so at every turn. The sum over tokens leaves this in (a question whose
wrong answer is the longer seems known too easily); the mean per token takes most of it out. Both stand in the transcripts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from transformers import PreTrainedTokenizerBase

from pipeline.behaviour import constraints, questionnaire
from pipeline.behaviour.questionnaire import Question, Task
from pipeline.errors import InputError, run_stage
from pipeline.models import loading, workers
from pipeline.models.entries import load_entry
from pipeline.params.base import PARAMS
from pipeline.params.behaviour import Behaviour, BehaviourSections
from pipeline.params.reading import ReadingSections
from pipeline.schemas.transcripts import TRANSCRIPT, TRANSCRIPTS
from pipeline.store import layout, tables
from pipeline.store.provenance import code_digest, versions
from pipeline.writing.generation import Written, conversation_ids, end_tokens, generate, texts_together
from pipeline.writing.sampling import Decoding
from pipeline.writing.text_cache import TextCache, after_prompt, after_tokens

Row = dict[str, Any]
EPISTEMIC, MENTION, PROCEDURAL = "epistemic", "mention", "procedural"
NOT_FINITE = "states not finite"


class Params(ReadingSections, BehaviourSections):
    """The sections that this stage loads."""


@dataclass(frozen=True)
class Answers:
    """Token ids of the two short answers after the stem: what they begin with in common, the stem included, and what each adds.
    An answer that is the beginning of the other one adds nothing."""

    common: list[int]
    right: list[int]
    wrong: list[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, stem: str, right: str, wrong: str) -> Answers:
        a, b = (tokenizer(f"{stem} {answer}", add_special_tokens=False).input_ids for answer in (right, wrong))
        same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        return cls(a[:same], a[same:], b[same:])


def log_probabilities(model: loading.Model, prompt: list[int], answers: Answers) -> tuple[float, float]:
    """Log-probability in nats of the right answer and of the wrong one, each as what it adds to `answers.common` where the
    model's turn begins (`prompt`), summed over its tokens; teacher-forced, log-softmax in float32, sum in float64.

    An answer that adds nothing has 0; where logits are not finite it is NaN. The prompt is read once, and alone.
    """
    assert model.head is not None
    with torch.inference_mode():
        logits, cache = after_prompt(model.body, model.head, [*prompt, *answers.common])
        found = []
        for tokens in (answers.right, answers.wrong):
            here, own, total = logits, TextCache.of([cache]), 0.0
            for n, token in enumerate(tokens):
                if n:
                    here = after_tokens(model.body, model.head, [tokens[n - 1]], [own])
                total += float(torch.log_softmax(here[0].float(), dim=-1)[token].double())
            found.append(total)
    return found[0], found[1]


def stance(right: float, wrong: float, answers: Answers) -> Row:
    """The columns of a stance, from the two log-probabilities; without one, where they are not finite, the reason."""
    if not (math.isfinite(right) and math.isfinite(wrong)):
        return {"reason": NOT_FINITE}
    per_token = right / max(len(answers.right), 1) - wrong / max(len(answers.wrong), 1)
    return {"log_right": right, "log_wrong": wrong, "stance": right - wrong, "stance_per_token": per_token}


def replies(model: loading.Model, prompts: list[list[int]], tokens: int, batch_texts: int) -> list[Written]:
    """What the model says to each prompt, greedily; the same in every batch."""
    assert model.head is not None
    ends = end_tokens(model.tokenizer, model.generation_config)
    return generate(model.body, model.head, prompts, [0] * len(prompts), Decoding(None, 1.0, tokens), ends, batch_texts)


def _row(kind: str, item: str, turn: int, said: str, written: Written, tokenizer: Any) -> Row:
    row: Row = dict.fromkeys(TRANSCRIPT) | {"kind": kind, "item": item, "turn": turn, "said": said}
    row["reply"] = tokenizer.decode(written.tokens, skip_special_tokens=True).strip()
    lost = NOT_FINITE if written.finish == "not_finite" else None
    return row | {"n_tokens": len(written.tokens), "finish": written.finish, "reason": lost}


@dataclass(frozen=True)
class Talk:
    """A conversation about a question: all that the user says in it, and what was said so far."""

    kind: str
    question: Question
    answers: Answers
    turns: tuple[str, ...]
    said: list[str]  # the user's turns and the model's, in order

    @property
    def turn(self) -> int:
        return len(self.said) // 2


def next_turn(model: loading.Model, talks: Sequence[Talk], asked: Behaviour, batch_texts: int) -> list[Row]:
    """A row for each talk's next turn: reply, stance, and, after the question's turn, whether the reply's words give in. The
    turn is added to the talk."""
    said = [talk.turns[talk.turn] for talk in talks]
    prompts = [conversation_ids([*talk.said, text], model.tokenizer) for talk, text in zip(talks, said, strict=True)]
    written = replies(model, prompts, asked.answer_tokens, batch_texts)
    weighed = list(zip(prompts, [talk.answers for talk in talks], strict=True))
    pairs = workers.each(lambda x: log_probabilities(model, *x), weighed, model.device)
    rows = []
    for talk, text, reply, pair in zip(talks, said, written, pairs, strict=True):
        row = _row(talk.kind, talk.question.id, talk.turn, text, reply, model.tokenizer)
        if talk.turn and row["reason"] is None:
            row["gives_in"] = constraints.gives_in(row["reply"], talk.question.right, talk.question.wrong)
        rows.append(row | stance(*pair, talk.answers))
        talk.said.extend([text, row["reply"]])
    return rows


def epistemic_rows(model: loading.Model, questions: Sequence[Question], asked: Behaviour, batch_texts: int) -> list[Row]:
    """A row for every question and turn; then those of the control, which shares the question's turn and has a sentence that
    objects to nothing in place of each push-back."""
    pushed, named = [], []
    for q in questions:
        answers = Answers.of(model.tokenizer, asked.stem, q.right, q.wrong)
        pushed.append(Talk(EPISTEMIC, q, answers, q.turns, []))
        named.append(Talk(MENTION, q, answers, (q.question, *q.mentioned(asked.mentions)), []))
    rows = {EPISTEMIC: next_turn(model, pushed, asked, batch_texts) if questions else [], MENTION: []}
    for one, other in zip(pushed, named, strict=True):
        other.said.extend(one.said)
    for _ in questions[0].pushes if questions else ():
        for row in next_turn(model, [*pushed, *named], asked, batch_texts):
            rows[row["kind"]].append(row)
    return [*rows[EPISTEMIC], *rows[MENTION]]


def procedural_rows(model: loading.Model, tasks: Sequence[Task], asked: Behaviour, batch_texts: int) -> list[Row]:
    """Two rows for every constraint: the easy task, and the conflicting one, each with its graded score."""
    said = [(task, turn, text) for task in tasks for turn, text in enumerate(task.turns)]
    prompts = [conversation_ids([text], model.tokenizer) for _, _, text in said]
    rows = []
    for (task, turn, text), written in zip(said, replies(model, prompts, asked.task_tokens, batch_texts), strict=True):
        row = _row(PROCEDURAL, task.id, turn, text, written, model.tokenizer)
        if row["reason"] is None:
            row["score"] = constraints.score(task.check, task.argument, row["reply"])
        rows.append(row)
    return rows


def main(arguments: list[str]) -> None:
    name, precision = arguments
    params, entry = Params.load(), load_entry(name)
    asked = params.behaviour
    questionnaire.only_instruct([name], {name: entry})
    questions, tasks = questionnaire.questions(asked.questions), questionnaire.tasks(asked.constraints)
    model = loading.load(name, entry, precision, loading.pick_device(params.read.device), writes=True)
    batch_texts = texts_together(asked.batch_texts, precision, model.device)
    try:
        rows = epistemic_rows(model, questions, asked, batch_texts) + procedural_rows(model, tasks, asked, batch_texts)
    except InputError as error:
        said = str(error).partition("; set template: false")[0]  # which is advice on a setting of `write`
        raise InputError(f"{PARAMS}: behaviour.models: {name}: {said}; take it out of the list") from None
    attributes = {
        **model.attributes,
        "precision": precision,
        "behaviour": asked.model_dump(mode="json", exclude={"models", "precisions", "capable"}),  # those change no transcript
        "device": model.device.type,
        "code_sha256": code_digest("ask"),
        **{f"{library}_version": number for library, number in versions().items()},
    }
    frame = pl.DataFrame(rows, schema=TRANSCRIPT, orient="row")
    with layout.whole_or_nothing(layout.transcripts_path(name, precision)) as out:
        tables.write_rows(frame, out, TRANSCRIPTS.metadata | {tables.PROVENANCE: json.dumps(attributes, sort_keys=True)})


if __name__ == "__main__":
    run_stage(main)
