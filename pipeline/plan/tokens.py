"""What a model's tokenizer makes of the texts: what a stage would refuse of them once its model is loaded, perhaps after hours
of others, is said before anything starts. Of a model whose tokenizer is not here yet nothing is known."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from pipeline.behaviour import questionnaire
from pipeline.errors import InputError, one_line
from pipeline.models import loading
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.params.base import PARAMS
from pipeline.params.reading import STORIES, Position, Reading
from pipeline.params.whole import Params
from pipeline.plan import lengths, templates, trial
from pipeline.reading import checks, residual, words
from pipeline.steering import directions
from pipeline.texts import prompts
from pipeline.writing import generation

FILES = ("tokenizer.json", "*.model", "vocab.json", "vocab.txt")
"""One of them is there where a tokenizer is; of a hub's model that is not fetched yet there may be the config alone."""
UNKNOWN_SAID, UNKNOWN_REFUSED = 0.01, 0.10
"""Shares of a reading's tokens that stand for what a tokenizer does not know."""


class Files:
    """What a folder says of texts. Models may share one: an untrained twin has the tokenizer and the config of the trained."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unknown: dict[Hashable, float] = {}
        """Shares of tokens that stand for what the tokenizer does not know, of readings that can be read."""

    @cached_property
    def tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def config(self) -> Any:
        return AutoConfig.from_pretrained(self.folder, local_files_only=True)  # which `trial` could read

    @property
    def generation_config(self) -> Any:
        """What else says which tokens end a text: without a file of its own, the config does."""
        if not (self.folder / "generation_config.json").is_file():
            return self.config
        return GenerationConfig.from_pretrained(self.folder, local_files_only=True)


@dataclass(frozen=True)
class Asked:
    """A model, and the folder that its tokenizer lies in."""

    name: str
    entry: ModelEntry
    files: Files

    @property
    def where(self) -> Path:
        return MODELS / f"{self.name}.yaml"

    @property
    def tokenizer(self) -> Any:
        try:
            return self.files.tokenizer
        except Exception as error:  # the libraries meet broken files with errors of every kind
            raise InputError(f"{self.where}: cannot load the model from {self.files.folder}: {one_line(error)}") from error

    @property
    def as_model(self) -> loading.Model:
        """What checks of texts know of a loaded model."""
        return cast(loading.Model, SimpleNamespace(name=self.name, tokenizer=self.tokenizer))


def check(params: Params, entries: Mapping[str, ModelEntry], texts: Mapping[str, pl.DataFrame]) -> None:
    """Raise InputError, a line for each model, for texts, prompts and questions that a stage would refuse. `texts`: what stands
    in files, by the name of its reading."""
    loading.quiet()
    said, opened = [], dict[Path, Files]()
    for name, entry in entries.items():
        folder = trial.folder_of(entry)
        if folder is None:
            continue
        try:
            if any(any(folder.glob(file)) for file in FILES):
                _check(Asked(name, entry, opened.setdefault(folder, Files(folder))), params, texts)
            elif entry.hub is None:
                raise InputError(f"{MODELS / f'{name}.yaml'}: {folder} has no tokenizer ({', '.join(FILES)}); put it there")
        except InputError as error:
            said.append(str(error))
    if said:
        raise InputError(*said)


def _check(of: Asked, params: Params, texts: Mapping[str, pl.DataFrame]) -> None:
    loading._bos_is_as_declared(of.tokenizer, of.entry, of.where)
    if getattr(getattr(getattr(of.tokenizer, "backend_tokenizer", None), "model", None), "dropout", None):
        raise InputError(f"{of.where}: its tokenizer drops merges at random (dropout): a text has other tokens each time")
    _steered_texts_can_begin(of, params)
    unknown = dict[Path, float]()
    for precision in params.precisions_of(of.name):
        for name in params.readings_of(of.name, precision):
            reading = params.reading(name, precision)
            if reading is None or texts[name].is_empty():  # what is written, or fetched, first
                continue
            same = of.entry.bos, reading.model_dump_json(include={"path", "columns", "emotions", "positions", "bos"})
            if same not in of.files.unknown:
                positions = {p: params.positions[p] for p in reading.positions}
                of.files.unknown[same] = _reads(of, texts[name], reading, positions)
            unknown[reading.path] = of.files.unknown[same]
    for path, share in unknown.items():
        if share > UNKNOWN_SAID:
            print(f"{of.name}: {share:.1%} of the tokens of {path} stand for what its tokenizer does not know")
    told = list(_prompts(of, params, texts))
    for path in dict.fromkeys(asked.path for asked in told):  # a file at once: a tokenizer may have thousands of such tokens
        here = [asked for asked in told if asked.path == path]
        ids = of.tokenizer([asked.text for asked in here], add_special_tokens=False).input_ids
        named = pl.DataFrame({"id": [asked.name for asked in here], "emotion": [asked.emotion for asked in here]})
        checks.texts_are_text(ids, named, of.as_model, path)
    for key in dict.fromkeys(asked.key for asked in told):
        try:
            _prompts_can_be_told(of, [asked for asked in told if asked.key == key])
            if key == BEHAVIOUR:
                _conversations_can_be_held(of, params)
        except InputError as error:
            why = str(error)
            if key == BEHAVIOUR:  # the advice is on a setting of `write`
                why = f"{why.removesuffix(templates.OTHERWISE)}; take it out of the list"
            raise InputError(f"{PARAMS}: {key}: {of.name}: {why}") from None
    _say_what_runs_on(of, [asked.text for asked in told if asked.template])


def _steered_texts_can_begin(of: Asked, params: Params) -> None:
    """Raise InputError where the stage `steer` could put nothing before its texts."""
    if of.name in params.steering.models and of.tokenizer.bos_token_id is None and of.tokenizer.eos_token_id is None:
        raise InputError(
            f"{PARAMS}: steering.models: {of.name}: texts are read after BOS here, and its tokenizer has neither a BOS nor an"
            " end token; take it out of the list"
        )


def _reads(of: Asked, frame: pl.DataFrame, reading: Reading, positions: dict[str, Position]) -> float:
    """The share of tokens that stand for what the tokenizer does not know. Raises InputError as
    `pipeline.reading.read.read_source`, and for what the model would read as something else."""
    texts = frame["text"].to_list()
    try:
        ids, begins = residual.tokenise(texts, of.tokenizer, of.entry.bos, reading.bos)
        if any(position.word is not None for position in positions.values()):
            words.word_ends(texts, of.tokenizer)
    except InputError as error:
        raise InputError(f"{of.where}: {error}") from None
    own = [text[int(begins) :] for text in ids]
    checks.texts_are_text(own, frame, of.as_model, reading.path)
    checks.texts_long_enough([len(text) for text in own], frame, positions, of.name, reading.path)
    for name, text in zip(frame["id"], ids, strict=True):
        if why := _why_not(of, text):
            raise InputError(f"{reading.path}: text {name} cannot be read by {of.name}: {why}")
    n_unknown = sum(text.count(of.tokenizer.unk_token_id) for text in own)
    share = n_unknown / max(sum(map(len, own)), 1)
    if share > UNKNOWN_REFUSED:
        raise InputError(
            f"{of.where}: this model cannot read {reading.path}: {share:.0%} of its tokens stand for what its tokenizer does"
            f" not know; take the model out of {PARAMS}, or another file of texts"
        )
    return share


def _why_not(of: Asked, ids: Sequence[int], room: int = 0) -> str | None:
    """Why the model of a config cannot read these tokens, and write as many more as `room`."""
    if why := lengths.too_long(n := len(ids) + room, of.files.config):
        return f"it has {n} tokens{f' with {room} that are written' * bool(room)}, and {why}; shorten it"
    rows = (getattr(of.files.config, "text_config", None) or of.files.config).vocab_size
    if max(ids, default=0) >= rows:
        return f"the tokenizer gives the id {max(ids)}, and the model has {rows} (vocab_size); put its own tokenizer there"
    return None


def _prompts_can_be_told(of: Asked, told: Sequence[Prompt]) -> None:
    """Raise InputError for prompts, all of one key, that a stage would refuse or that the model would not see."""
    by_ids: dict[tuple[int, ...], Prompt] = {}
    for asked in told:
        if asked.template:
            ids = templates.rendered([asked.text], of.tokenizer)
            other = by_ids.setdefault(tuple(ids), asked)
            if other.text.strip() != asked.text.strip():
                raise InputError(f"{templates.LEAVES_OUT}: '{other.name}' and '{asked.name}' are one{templates.OTHERWISE}")
        else:
            ids = generation.prompt_ids(asked.text, of.tokenizer, False, of.entry.bos)
        if why := _why_not(of, ids, asked.room):
            raise InputError(f"the prompt '{asked.name}': {why}")
    if by_ids:
        templates.tells_no_time([told[0].text], of.tokenizer)


def _say_what_runs_on(of: Asked, turns: Sequence[str]) -> None:
    """Print what a reply ends with, by the template, where the model does not stop there."""
    ends = generation.end_tokens(of.tokenizer, of.files.generation_config)
    if turns and (token := templates.runs_on(turns[0], of.tokenizer, ends)):
        print(
            f"{of.name}: its chat template ends a turn with {token}, which is no end token of its tokenizer or its"
            " generation_config.json: its texts go on into further turns"
        )


def _conversations_can_be_held(of: Asked, params: Params) -> None:
    """Raise InputError for questions whose conversation, with as long replies as there may be, is not one that a model can
    read."""
    asked = params.behaviour
    questions = questionnaire.questions(asked.questions)
    for question in questions[:1]:
        templates.keeps_every_turn(_conversation(question.turns), of.tokenizer)
    for question in questions:
        for turns in (question.turns, (question.question, *question.mentioned(asked.mentions))):
            ids = templates.rendered(_conversation(turns), of.tokenizer)
            if why := _why_not(of, ids, len(turns) * asked.answer_tokens):
                raise InputError(f"the conversation '{question.id}': {why}")


def _conversation(turns: Sequence[str]) -> list[str]:
    """Turns of the user with a reply to each but the last."""
    return [text for turn in turns for text in (turn, "Yes.")][:-1]


@dataclass(frozen=True)
class Prompt:
    """What a model is told: the key of params that asks for it, its file, and its id and label there."""

    key: str
    path: Path
    name: str
    emotion: str
    text: str
    template: bool  # whether it is a turn of a chat
    room: int  # tokens that may be written after it


BEHAVIOUR = "behaviour.models"


def _prompts(of: Asked, params: Params, texts: Mapping[str, pl.DataFrame]) -> Iterator[Prompt]:
    write, labels = params.write, texts[STORIES]["emotion"].unique().sort().to_list()
    for name in dict.fromkeys(w.setting for w in params.writings) if of.name in write.models else ():
        setting = write.settings[name]
        found = prompts.asked(prompts.load(write.prompts, setting.prompts, setting.only), labels, params.vectors.neutral_label)
        for emotion, id_, text in found:
            key = f"write.settings.{name}.template"
            yield Prompt(key, write.prompts, id_, emotion, text, setting.template, setting.max_new_tokens)
    if of.name in params.steering.models:
        path = params.steering.prompts
        for set_ in directions.load_prompts(path).values():
            for id_, text in set_.items():
                yield Prompt("steering.models", path, id_, "", text, False, params.steering.max_new_tokens)
    if of.name in params.behaviour.models:
        asked = params.behaviour
        for q in questionnaire.questions(asked.questions):
            for text in (*q.turns, *q.mentioned(asked.mentions), q.right):
                yield Prompt(BEHAVIOUR, asked.questions, q.id, "", text, True, asked.answer_tokens)
        for task in questionnaire.tasks(asked.constraints):
            for text in task.turns:
                yield Prompt(BEHAVIOUR, asked.constraints, task.id, "", text, True, asked.task_tokens)
