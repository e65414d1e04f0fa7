"""The texts that models will read, and what their files say of one another: no text on two sides, no label in two spellings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import polars as pl

from pipeline.errors import InputError
from pipeline.params.base import PARAMS
from pipeline.params.fetch import fetched_path
from pipeline.params.reading import NEUTRAL, STORIES, Reading
from pipeline.params.whole import Params
from pipeline.plan import forms, spelling
from pipeline.texts import labels, stimuli

Texts = Mapping[str, pl.DataFrame]


def topics_in_words(stories: pl.DataFrame) -> str:
    """`6 topics`, `1 topic`, or `no topics`, which a file without them has."""
    topics = stories["topic"].unique().to_list()
    return "no topics" if topics == [""] else f"{len(topics)} topic{'s' * (len(topics) != 1)}"


def missing(params: Params) -> dict[str, Path]:
    """What is fetched first, by name: its texts cannot be counted yet."""
    return {name: fetched_path(name) for name in params.fetch if not fetched_path(name).exists()}


def load(params: Params) -> dict[str, pl.DataFrame]:
    """The texts of every reading by its name, none of what is fetched first. Raises InputError for what a stage would refuse,
    and for what it would take for something else."""
    keys = {name: f"readings.{name}" for name in params.readings} | {s.name: f"second.{s.name}" for s in params.second}
    readings: dict[str, Reading] = {**params.readings, **{second.name: second for second in params.second}}
    absent = set(missing(params).values())
    here = {name: reading for name, reading in readings.items() if reading.path not in absent}
    if found := [line for name, reading in readings.items() for line in _asked(keys[name], reading, name)]:
        raise InputError(*(f"{PARAMS}: {line}" for line in found))
    forms.check(params, list(here.values()))
    texts = {name: pl.DataFrame(schema=stimuli.SCHEMA) for name in readings}
    texts |= {name: _of(keys[name], reading) for name, reading in here.items()}
    for name, reading in readings.items():
        stimuli.have_words(texts[name], {p: params.positions[p] for p in reading.positions}, reading.path)
    if found := [*_on_two_sides(params, texts), *_in_two_spellings(params, texts)]:
        raise InputError(*(f"{PARAMS}: {line}" for line in found))
    return texts | {varied.name: texts[STORIES] for varied in params.varied}


def _asked(key: str, reading: Reading, name: str) -> Iterator[str]:
    """What the keys of a reading say of its columns and labels."""
    if reading.emotions == []:
        yield f"{key}.emotions: an empty list; name the labels that are read, or write all"
    columns = {k: column for k, column in reading.columns.model_dump().items() if column is not None}
    for one, other in combinations(columns, 2):
        if columns[one] == columns[other]:
            yield f"{key}.columns: {one} and {other} are both '{columns[one]}'; name the column of each, or null for none"
    if name != NEUTRAL and "emotion" not in columns:
        yield f"{key}.columns.emotion: null, and labels are what is compared; name their column"


def _of(key: str, reading: Reading) -> pl.DataFrame:
    if reading.emotions != "all":
        there: list[str] = []
        with suppress(InputError):  # what is wrong with the rows that are asked for is said below
            there = stimuli.load(reading.model_copy(update={"emotions": "all"}))["emotion"].unique().to_list()
        if found := list(spelling.misspelt(reading.emotions, there)):
            raise InputError(*(f"{PARAMS}: {key}.emotions: {line} ({reading.path} has the second)" for line in found))
    return stimuli.load(reading)


def _on_two_sides(params: Params, texts: Texts) -> Iterator[str]:
    """Texts that would be compared with themselves, or taken out of themselves."""
    own = {stimuli.in_words(text) for text in texts[STORIES]["text"]}
    for key, name in {f"readings.{NEUTRAL}": NEUTRAL, **{f"second.{s.name}": s.name for s in params.second}}.items():
        if shared := [id_ for id_, text in texts[name].select("id", "text").iter_rows() if stimuli.in_words(text) in own]:
            yield (
                f"{key}: {len(shared)} of its texts are among readings.{STORIES}, too (id '{shared[0]}'): they would be held"
                " against themselves; take them out of one file"
            )


def _in_two_spellings(params: Params, texts: Texts) -> Iterator[str]:
    """Labels that would find no partner among the stories', which has another spelling."""
    known = texts[STORIES]["emotion"].unique().to_list()
    others = {f"second.{s.name}: {s.path}": texts[s.name]["emotion"] for s in params.second}
    others[f"corpus.emotions: {params.corpus.emotions}"] = labels.emotions(params.corpus.emotions)["emotion"]
    for where, own in others.items():
        for line in spelling.misspelt(own, known):
            yield f"{where}: {line} (the stories have the second)"
