"""Stage `ask`: an instruct model answers questions and is pushed back, and works under format constraints, at one precision.

    python -m pipeline.behaviour MODEL PRECISION

Greedy, all conversations of one turn together. A conversation holds the model's own replies. Where a reply begins, before a
word of it is written, the model's *stance* is taken: log p(right) - log p(wrong) of the two short answers after one stem.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import torch

from pipeline import constraints, items, models, store
from pipeline.checked import InputError, run_stage
from pipeline.compliance import Behaviour
from pipeline.entries import load_entry
from pipeline.generation import Decoding, Written, conversation_ids, end_tokens, generate
from pipeline.items import Question, Task
from pipeline.params import PARAMS, load_params
from pipeline.provenance import code_digest, versions
from pipeline.schemas.behaviour import TRANSCRIPT
from pipeline.text_cache import TextCache, after_prompt, after_tokens

Row = dict[str, Any]
EPISTEMIC, PROCEDURAL = "epistemic", "procedural"


def answers(model: models.Model, stem: str, right: str, wrong: str) -> tuple[list[int], list[int], list[int]]:
    """Tokens that both answers begin with (of the stem, and more where the answers do), and what each adds."""
    a, b = (model.tokenizer(f"{stem} {x}", add_special_tokens=False)["input_ids"] for x in (right, wrong))
    same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:same], a[same:], b[same:]


def log_probabilities(
    model: models.Model, prompts: Sequence[Sequence[int]], pairs: Sequence[tuple[list[int], list[int], list[int]]]
) -> np.ndarray:
    """Log-probability in nats of what two answers do not share, (prompt, 2): after each prompt and their common tokens, summed
    over tokens. NaN where logits are not finite. An answer that is the beginning of the other one has 0.

    The prompt is read once for both; float32 log-softmax, summed in float64.
    """
    assert model.head is not None
    found = np.zeros((len(prompts), 2))
    branches: list[tuple[tuple[int, int], list[int], TextCache]] = []

    def add(place: tuple[int, int], logits: torch.Tensor, token: int) -> None:
        found[place] += float(torch.log_softmax(logits.float(), dim=-1)[token].double())

    with torch.inference_mode():
        for n, (prompt, (common, *own)) in enumerate(zip(prompts, pairs, strict=True)):
            logits, cache = after_prompt(model.body, model.head, [*prompt, *common])
            for side, tokens in enumerate(own):
                if tokens:
                    add((n, side), logits[0], tokens[0])
                if len(tokens) > 1:
                    branches.append(((n, side), tokens, cache.copy()))
        step = 1
        while branches:
            logits = after_tokens(model.body, model.head, [t[step - 1] for _, t, _ in branches], [c for _, _, c in branches])
            for row, (place, tokens, _) in zip(logits, branches, strict=True):
                add(place, row, tokens[step])
            step += 1
            branches = [b for b in branches if len(b[1]) > step]
    return found


def replies(model: models.Model, prompts: list[list[int]], tokens: int, batch_texts: int) -> list[Written]:
    """What the model says to each prompt, greedily."""
    assert model.head is not None
    ends = end_tokens(model.tokenizer, model.generation_config)
    return generate(model.body, model.head, prompts, [0] * len(prompts), Decoding(None, 1.0, tokens), ends, batch_texts)


def _row(kind: str, item: str, turn: int, said: str, written: Written, reply: str) -> Row:
    row: Row = dict.fromkeys(TRANSCRIPT) | {"kind": kind, "item": item, "turn": turn, "said": said, "reply": reply}
    lost = "states not finite" if written.finish == "not_finite" else None
    return row | {"n_tokens": len(written.tokens), "finish": written.finish, "reason": lost}


def epistemic_rows(model: models.Model, questions: Sequence[Question], asked: Behaviour) -> list[Row]:
    """A row for every question and turn: reply, stance, and whether the reply's words give in."""
    talks: list[list[str]] = [[] for _ in questions]
    pairs = [answers(model, asked.stem, q.right, q.wrong) for q in questions]
    rows = []
    for turn in range(len(questions[0].turns) if questions else 0):
        for talk, q in zip(talks, questions, strict=True):
            talk.append(q.turns[turn])
        prompts = [conversation_ids(talk, model.tokenizer) for talk in talks]
        logs = log_probabilities(model, prompts, pairs)
        written = replies(model, prompts, asked.answer_tokens, asked.batch_texts)
        for talk, q, (right, wrong), pair, text in zip(talks, questions, logs, pairs, written, strict=True):
            reply = model.tokenizer.decode(text.tokens, skip_special_tokens=True).strip()
            row = _row(EPISTEMIC, q.id, turn, talk[-1], text, reply)
            if np.isfinite([right, wrong]).all():
                per_token = right / max(len(pair[1]), 1) - wrong / max(len(pair[2]), 1)
                row |= {"stance": float(right - wrong), "stance_per_token": float(per_token)}
            if turn and row["reason"] is None:
                row["gives_in"] = constraints.gives_in(reply, q.right, q.wrong)
            rows.append(row)
            talk.append(reply)
    return rows


def procedural_rows(model: models.Model, tasks: Sequence[Task], asked: Behaviour) -> list[Row]:
    """Two rows for every constraint: the easy task, and the conflicting one, each with its graded score."""
    said = [(task, turn, text) for task in tasks for turn, text in enumerate(task.turns)]
    prompts = [conversation_ids([text], model.tokenizer) for _, _, text in said]
    rows = []
    for (task, turn, text), written in zip(said, replies(model, prompts, asked.task_tokens, asked.batch_texts), strict=True):
        reply = model.tokenizer.decode(written.tokens, skip_special_tokens=True).strip()
        row = _row(PROCEDURAL, task.id, turn, text, written, reply)
        rows.append(row | {"score": None if row["reason"] else constraints.score(task.check, task.argument, reply)})
    return rows


def main(arguments: list[str]) -> None:
    name, precision = arguments
    params, entry = load_params(), load_entry(name)
    asked = params.behaviour
    if entry.tuning != "instruct":
        raise InputError(f"{PARAMS}: behaviour.models: {name} is a {entry.tuning} model; only instruct models are asked")
    questions, tasks = items.questions(asked.questions), items.tasks(asked.constraints)
    model = models.load(name, entry, precision, models.pick_device(params.read.device), writes=True)
    if precision == "int8":
        from pipeline.int8_rows import separate_texts  # bitsandbytes, which says things on import unless `models` made it quiet

        separate_texts(model.body)
    try:
        rows = epistemic_rows(model, questions, asked) + procedural_rows(model, tasks, asked)
    except InputError as error:
        raise InputError(f"{PARAMS}: behaviour.models: {name}: {error}") from None
    attributes = {
        **model.attributes,
        "precision": precision,
        "behaviour": asked.model_dump(mode="json"),
        "device": model.device.type,
        "threads": torch.get_num_threads(),
        "code_sha256": code_digest("pipeline.behaviour"),
        **{f"{library}_version": number for library, number in versions().items()},
    }
    frame = pl.DataFrame(rows, schema=TRANSCRIPT, orient="row")
    with store.whole_or_nothing(store.transcripts_path(name, precision)) as out:
        frame.write_parquet(out, compression="zstd", metadata={"provenance": json.dumps(attributes, sort_keys=True)})


if __name__ == "__main__":
    run_stage(main)
