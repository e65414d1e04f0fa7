"""What a model's tokenizer makes of the texts: what a stage would refuse of them once its model is loaded, perhaps after hours
of others, is said before anything starts. Of a model whose tokenizer is not here yet nothing is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
from transformers import AutoTokenizer

from pipeline.behaviour import questionnaire
from pipeline.errors import InputError, one_line
from pipeline.models import loading
from pipeline.models.entries import MODELS, ModelEntry
from pipeline.params.base import PARAMS
from pipeline.params.reading import STORIES, Position, Reading
from pipeline.params.whole import Params
from pipeline.plan import trial
from pipeline.reading import checks, residual, words
from pipeline.steering import directions
from pipeline.texts import prompts
from pipeline.writing import generation

FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
"""One of them is there where a tokenizer is; of a hub's model that is not fetched yet there may be the config alone."""


@dataclass(frozen=True)
class Asked:
    """A model, and the folder that its tokenizer lies in."""

    name: str
    entry: ModelEntry
    folder: Path

    @property
    def where(self) -> Path:
        return MODELS / f"{self.name}.yaml"

    @cached_property
    def tokenizer(self) -> Any:
        try:
            return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # the libraries meet broken files with errors of every kind
            raise InputError(f"{self.where}: cannot load the model from {self.folder}: {one_line(error)}") from error

    @property
    def as_model(self) -> loading.Model:
        """What checks of texts know of a loaded model."""
        return cast(loading.Model, SimpleNamespace(name=self.name, tokenizer=self.tokenizer))


def check(params: Params, entries: Mapping[str, ModelEntry], texts: Mapping[str, pl.DataFrame]) -> None:
    """Raise InputError, a line for each model, for texts, prompts and questions that a stage would refuse. `texts`: what stands
    in files, by the name of its reading."""
    loading.quiet()
    said = []
    for name, entry in entries.items():
        folder = trial.folder_of(entry)
        if folder is None or not any((folder / file).is_file() for file in FILES):
            continue
        try:
            _check(Asked(name, entry, folder), params, texts)
        except InputError as error:
            said.append(str(error))
    if said:
        raise InputError(*said)


def _check(of: Asked, params: Params, texts: Mapping[str, pl.DataFrame]) -> None:
    loading._bos_is_as_declared(of.tokenizer, of.entry, of.where)
    seen = set()
    for precision in params.precisions_of(of.name):
        for name in params.readings_of(of.name, precision):
            reading = params.reading(name, precision)
            if reading is None or texts[name].is_empty():  # what is written, or fetched, first
                continue
            if (same := (str(reading.path), reading.bos, *reading.positions)) not in seen:
                seen.add(same)
                _reads(of, texts[name], reading, {p: params.positions[p] for p in reading.positions})
    told = list(_prompts(of, params, texts))
    for path in dict.fromkeys(asked.path for asked in told):  # a file at once: a tokenizer may have thousands of such tokens
        here = [asked for asked in told if asked.path == path]
        ids = of.tokenizer([asked.text for asked in here], add_special_tokens=False).input_ids
        named = pl.DataFrame({"id": [asked.name for asked in here], "emotion": [asked.emotion for asked in here]})
        checks.texts_are_text(ids, named, of.as_model, path)
    for asked in told:
        try:
            generation.prompt_ids(asked.text, of.tokenizer, asked.template, of.entry.bos)
        except InputError as error:
            raise InputError(f"{PARAMS}: {asked.key}: {of.name}: {error}") from None


def _reads(of: Asked, frame: pl.DataFrame, reading: Reading, positions: dict[str, Position]) -> None:
    """As `pipeline.reading.read.read_source`."""
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


@dataclass(frozen=True)
class Prompt:
    """What a model is told: the key of params that asks for it, its file, and its id and label there."""

    key: str
    path: Path
    name: str
    emotion: str
    text: str
    template: bool  # whether it is a turn of a chat


def _prompts(of: Asked, params: Params, texts: Mapping[str, pl.DataFrame]) -> Iterator[Prompt]:
    write, labels = params.write, texts[STORIES]["emotion"].unique().sort().to_list()
    for name in dict.fromkeys(w.setting for w in params.writings) if of.name in write.models else ():
        setting = write.settings[name]
        found = prompts.asked(prompts.load(write.prompts, setting.prompts, setting.only), labels, params.vectors.neutral_label)
        for emotion, id_, text in found:
            yield Prompt(f"write.settings.{name}.template", write.prompts, id_, emotion, text, setting.template)
    if of.name in params.steering.models:
        path = params.steering.prompts
        for set_ in directions.load_prompts(path).values():
            for id_, text in set_.items():
                yield Prompt("steering.models", path, id_, "", text, False)
    if of.name in params.behaviour.models:
        asked = params.behaviour
        said = [
            (asked.questions, q.id, text)
            for q in questionnaire.questions(asked.questions)
            for text in (*q.turns, *q.mentioned(asked.mentions), q.right)
        ]
        said += [(asked.constraints, t.id, text) for t in questionnaire.tasks(asked.constraints) for text in t.turns]
        for path, id_, text in said:
            yield Prompt("behaviour.models", path, id_, "", text, True)
