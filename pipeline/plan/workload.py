"""The work of a run: every stage that a model runs in, with the tokens that pass through it, from params and texts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.behaviour import questionnaire
from pipeline.models.entries import ModelEntry
from pipeline.params.reading import NEUTRAL, STORIES, Second, Varied
from pipeline.params.whole import Params
from pipeline.params.writing import Writing, WritingRead
from pipeline.plan import costs
from pipeline.steering import directions
from pipeline.texts import prompts


@dataclass(frozen=True)
class Work:
    """One stage that a model runs in: the tokens that are read and written there, and what it leaves on disk."""

    stage: str
    model: str
    precision: str
    what: str
    read: float
    written: float
    n_passes: float  # of a GPU, over what is read: texts, or prompts
    n_steps: float = 0.0  # of a GPU, each the next token of all texts that are written together
    disk: float = 0.0

    @property
    def tokens(self) -> float:
        return self.read + self.written

    def cpu(self, entry: ModelEntry, rates: Mapping[str, float]) -> float:
        return costs.cpu_seconds(entry, self.precision, self.read, self.written, rates)

    def gpu(self, entry: ModelEntry, on: costs.Card) -> float:
        return costs.gpu_seconds(on, entry, self.precision, self.tokens, self.n_passes, self.n_steps)


def passes(params: Params, n_texts: float, tokens: float, asked: int | None) -> float:
    """Passes of a reading on a GPU: as many tokens in each as keep it busy, or as many texts as are `asked` for."""
    return max(n_texts / asked if asked else 1.0, tokens / params.read.gpu_batch_tokens)


def readings(params: Params, entries: dict[str, ModelEntry], texts: dict[str, pl.DataFrame]) -> Iterator[Work]:
    """Every stage that reads what stands in files."""

    def work(stage: str, model: str, precision: str, positions: dict[str, list[str]], asked: int | None = None) -> Work:
        read = {name: texts[name] for name in positions}
        tokens = _tokens([text for t in read.values() for text in t["text"]])
        n_passes = passes(params, sum(t.height for t in read.values()), tokens, asked)
        disk = sum(costs.reading_bytes(entries[model], t.height, len(positions[name])) for name, t in read.items())
        return Work(stage, model, precision, ", ".join(positions), tokens, 0.0, n_passes, disk=disk)

    own = {name: list(params.readings[name].positions) for name in (STORIES, NEUTRAL)}
    for model, precision in params.cells:
        stage = "read" if model in params.read.models else "read_untrained"
        yield work(f"{stage}@{model}-{precision}", model, precision, own)
    lists: dict[str, list[Varied | Second]] = {"varied": [*params.varied], "second": [*params.second]}
    for kind, more in lists.items():
        for model in params.read.models:
            for n, reading in enumerate(more):  # DVC numbers the items of a list of mappings
                positions = {reading.name: list(reading.positions)}
                asked = reading.batch_texts if isinstance(reading, Varied) else None
                yield work(f"read_{kind}@{model}-{kind}{n}", model, reading.precision, positions, asked)


def writings(params: Params, entries: dict[str, ModelEntry], n_labels: int) -> Iterator[Work]:
    """Every stage that writes, or reads what was written; a bound: no text ends early."""
    lists: dict[str, list[Writing | WritingRead]] = {"writing": [*params.writings], "read": [*params.writings_read]}
    for model in params.write.models:
        for kind, listed in lists.items():
            for n, item in enumerate(listed):
                setting = params.write.settings[item.setting]
                asked = prompts.load(params.write.prompts, setting.prompts, setting.only)
                n_prompts = n_labels * asked["id"].n_unique()
                # greedy samples are one text
                n_texts = n_prompts * (1 if setting.temperature is None else setting.samples)
                tokens = float(n_texts * setting.max_new_tokens)
                if isinstance(item, Writing):
                    n_steps = tokens / min(n_texts, params.write.batch_texts)
                    read = n_prompts * _tokens(asked["text"].to_list()) / asked.height
                    stage, what = f"write@{model}-{kind}{n}", f"{item.setting} at {item.precision}"
                    yield Work(stage, model, item.precision, what, read, tokens, n_prompts, n_steps)
                else:
                    tokens, n_texts = tokens * len(item.readings), n_texts * len(item.readings)
                    disk = costs.reading_bytes(entries[model], n_texts, len(params.write.positions))
                    n_passes = passes(params, n_texts, tokens, None)
                    stage, what = f"read_writing@{model}-{kind}{n}", f"{item.setting} of {item.written}"
                    yield Work(stage, model, item.read, what, tokens, 0.0, n_passes, disk=disk)


def steerings(params: Params) -> Iterator[Work]:
    """Every model that is steered: each text is written after a prompt of its own, and read alone and after it."""
    steering = params.steering
    asked = directions.load_prompts(steering.prompts) if steering.models else {}
    ours, theirs = steering.ours, steering.paper
    n_directions = (len(ours.emotions) + ours.random) * len(ours.strengths) + 1  # one text without any
    scenarios = len(theirs.scenarios) * (len(theirs.strengths) + 1)
    n_texts = {"ours": n_directions * len(asked.get("ours", {})), "paper": scenarios}
    per_prompt = {name: _tokens(list(texts.values())) / len(texts) for name, texts in asked.items()}
    total = sum(n_texts.values())
    prompted = sum(n * per_prompt.get(name, 0) for name, n in n_texts.items())
    written = float(total * steering.max_new_tokens)
    read = 2 * (prompted + written)
    together = min(steering.batch_texts, max(total, 1))
    for model in steering.models:
        for precision in steering.precisions:
            n_passes = total + total / together * steering.max_new_tokens  # steps too: hooked, they are not recorded
            yield Work(f"steer@{model}-{precision}", model, precision, "steered", read, written, n_passes)


def questionings(params: Params) -> Iterator[Work]:
    """Every model that is asked: a conversation is read once for the reply and once for the stance, at every turn; so is its
    control, which has the turn of the question in common."""
    asked = params.behaviour
    read = written = n_passes = 0.0
    talks, tasks = (
        (questionnaire.questions(asked.questions), questionnaire.tasks(asked.constraints)) if asked.models else ([], [])
    )
    for talk in talks:
        both = (talk.turns, (talk.question, *talk.mentioned(asked.mentions)))
        turns = [own[: n + 1] for which, own in enumerate(both) for n in range(which, len(own))]
        said = [_tokens(list(own)) + (len(own) - 1) * asked.answer_tokens for own in turns]
        read += 2 * sum(said)
        written += len(said) * asked.answer_tokens
        n_passes += 2 * len(said)
    for task in tasks:
        read += _tokens(list(task.turns))
        written += len(task.turns) * asked.task_tokens
        n_passes += len(task.turns)
    first, later = (-(-n * len(talks) // asked.batch_texts) for n in (1, 2))  # rounds at the question, and at a later turn
    n_steps = asked.task_tokens + asked.answer_tokens * (first + later * len(talks[0].pushes) if talks else 0)
    for model in asked.models:
        for precision in asked.precisions:
            yield Work(f"ask@{model}-{precision}", model, precision, "asked", read, written, n_passes, n_steps)


def _tokens(texts: list[str]) -> float:
    return sum(map(len, texts)) * costs.TOKENS_PER_CHARACTER


def of(params: Params, entries: dict[str, ModelEntry], texts: dict[str, pl.DataFrame], n_labels: int) -> Iterator[Work]:
    """All of it. `texts`: what stands in files, by the name of its reading; `n_labels`: of the stories."""
    yield from readings(params, entries, texts)
    yield from writings(params, entries, n_labels)
    yield from steerings(params)
    yield from questionings(params)
