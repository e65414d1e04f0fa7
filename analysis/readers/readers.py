"""Readers: who read what, at which precision. The list comes from params, never from what lies on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from numpy.typing import NDArray

from analysis.readers import counted, words
from analysis.readers.sections import ReaderSections
from analysis.rsa import gram
from analysis.rsa.gram import Design, Floats
from pipeline.errors import some
from pipeline.models.entries import ModelEntry
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.reading import NEUTRAL, STORIES, Position, Second
from pipeline.reading.components import neutral_components
from pipeline.store.layout import METHODS, VARIANTS
from pipeline.texts import stimuli


@dataclass(frozen=True)
class Reader:
    """One row's worth of measuring: a model (a seed of it, for an untrained twin), a precision, a reading.

    A reader of words alone stands in the place of the model; it has no precision, unless it reads a model's input embeddings.
    """

    model: str
    seed: int | None
    precision: str | None
    reading: str = STORIES

    @property
    def word_reader(self) -> str | None:
        """The name of a reader of words alone; None for a model."""
        return self.model if self.precision is None else INPUT_EMBEDDINGS if self.reading == INPUT_EMBEDDINGS else None

    def keys(self, suffix: str = "") -> dict[str, Any]:
        """The table columns that name this reader."""
        keys = {
            "model": self.model,
            "seed": self.seed,
            "precision": self.precision,
            "method": METHODS.get(self.reading, self.reading),
            "setting": self.reading,
        }
        return {f"{key}{suffix}": value for key, value in keys.items()}


@dataclass(frozen=True)
class Layer:
    """One layer of one position of one reader, as Gram matrices (S, S) by variant; None where states were not finite."""

    index: int
    grams: dict[str, Floats] | None
    anisotropy: float | None
    n_neutral_components: int | None
    reason: str | None


@dataclass(frozen=True)
class Readout:
    """A reader's activations at one position. A reader of words alone has one layer, the same at every position."""

    reader: Reader
    position: str
    emotions: list[str]
    topics: list[str]
    stimuli: list[str]
    n_tokens: NDArray[np.int64]  # (S,), BOS not counted; of a reader of words, characters
    states: NDArray[np.float32]  # (S, L, H)
    finite: NDArray[np.bool_]  # (S, L)
    neutral: NDArray[np.float32]  # (N, L, H)
    neutral_finite: NDArray[np.bool_]  # (N, L)

    @property
    def n_layers(self) -> int:
        return int(self.states.shape[1])

    def rows_of(self, table: pl.DataFrame, **more: str) -> pl.DataFrame:
        """The rows of a table that are about this reader at this position, and whose other columns are as `more` says."""
        keys = self.reader.keys() | {"position": self.position} | more
        return table.filter(pl.col(key).eq_missing(pl.lit(value)) for key, value in keys.items())

    def layer(self, index: int, neutral_variance: float, variants: tuple[str, ...] = VARIANTS) -> Layer:
        """The Gram matrices of one layer. `denoised` is without the principal components of the neutral texts."""
        lost = int((~self.finite[:, index]).sum()), int((~self.neutral_finite[:, index]).sum())
        if any(lost):
            return Layer(index, None, None, None, f"not finite in {lost[0]} stories and {lost[1]} neutral texts")
        components = neutral_components(self.neutral[:, index], neutral_variance)
        made = {v: gram.gram(self.states[:, index], components if v == "denoised" else None) for v in variants}
        anisotropy = mean_cosine(self.neutral[:, index])
        return Layer(index, made, None if np.isnan(anisotropy) else anisotropy, len(components), None)


def mean_cosine(vectors: NDArray[np.floating]) -> float:
    """Mean cosine over all pairs of rows (N, H): (|sum of unit vectors|^2 - N) / (N (N - 1)). Of raw states: anisotropy. NaN
    where fewer than two rows have a direction."""
    x = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    units = (x / np.where(norms > 0, norms, 1.0))[norms[:, 0] > 0]  # a text without a known word has no direction
    n = len(units)
    if n < 2:
        return float("nan")
    return float((np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1)))


def readouts(params: ReaderSections, entries: dict[str, ModelEntry], position: str | None = None) -> Iterator[Readout]:
    """Every reader that reads the stories, at every position of `geometry.positions` (or at one): models, then the input
    embeddings of the trained ones, then the readers of words. Both of these read the whole text whatever the position: a
    state knows of every word before it, and the embedding of a last token is that of a full stop."""
    positions = params.geometry.positions if position is None else [position]
    whole = [stimuli.load(params.readings[name]) for name in (STORIES, NEUTRAL)]
    for model, precision in params.cells:
        stories = counted.activations(params.vectors, model, precision, STORIES, position=positions)
        neutral = counted.activations(params.vectors, model, precision, NEUTRAL, position=positions)
        for frame, read in zip(whole, (stories, neutral), strict=True):
            stimuli.were_read(frame, params.readings[read.attrs["reading"]].path, read.attrs)
        for seed in entries[model].draws:
            for here in positions:
                yield readout(Reader(model, seed, precision), stories, neutral, here)
    over_all = of_whole_texts(params)
    for model in params.read.models:
        precision = params.reference_of(model)
        at = positions if over_all is None else [over_all]
        stories = counted.activations(params.vectors, model, precision, STORIES, position=at)
        neutral = counted.activations(params.vectors, model, precision, NEUTRAL, position=at)
        for here in positions:
            embeddings = readout(Reader(model, None, precision, INPUT_EMBEDDINGS), stories, neutral, over_all or here)
            yield replace(embeddings, position=here)
    texts = [counted.texts(params.vectors, params.readings[name]) for name in (STORIES, NEUTRAL)]
    yield from _word_readouts(params, positions, STORIES, *texts)


def of_whole_texts(params: ReaderSections) -> str | None:
    """The position that is a mean over all tokens; None where the stories were not read so."""
    read = params.readings[STORIES].positions
    return next((name for name in read if params.positions[name] == Position(rule="mean")), None)


def second_words(source: Second, params: ReaderSections, position: str) -> list[Readout]:
    """The readers of words alone on a second source's stories; vocabulary and frequencies are that source's own."""
    texts = [counted.texts(params.vectors, r) for r in (source, params.readings[NEUTRAL])]
    return list(_word_readouts(params, [position], source.name, *texts))


def states_of(reader: Reader, read: xr.Dataset, position: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """States (S, L, H) at one position, and where they are finite (S, L), from what `counted.activations` gives."""
    at: dict[str, Any] = {"position": position} if reader.seed is None else {"position": position, "seed": reader.seed}
    of = read.sel(at)
    if reader.reading != INPUT_EMBEDDINGS:
        return of["activation"].values, of["finite"].values
    return of["embedding"].values[:, None], np.ones((of.sizes["stimulus"], 1), dtype=bool)


def readout(reader: Reader, stories: xr.Dataset, neutral: xr.Dataset, position: str) -> Readout:
    """One reader at one position, from the Datasets that `counted.activations` gives."""
    own, calm = states_of(reader, stories, position), states_of(reader, neutral, position)
    return Readout(
        reader=reader,
        position=position,
        emotions=[str(x) for x in stories["emotion"].values],
        topics=[str(x) for x in stories["topic"].values],
        stimuli=[str(x) for x in stories["stimulus"].values],
        n_tokens=stories["n_tokens"].values,
        states=own[0],
        finite=own[1],
        neutral=calm[0],
        neutral_finite=calm[1],
    )


def _word_readouts(
    params: ReaderSections, positions: list[str], reading: str, stories: pl.DataFrame, neutral: pl.DataFrame
) -> Iterator[Readout]:
    for word_reader in params.words:
        own, other = words.features(word_reader, stories["text"].to_list(), neutral["text"].to_list())
        for position in positions:
            yield Readout(
                reader=Reader(word_reader, None, None, reading),
                position=position,
                emotions=stories["emotion"].to_list(),
                topics=stories["topic"].to_list(),
                stimuli=stories["id"].to_list(),
                n_tokens=stories["text"].str.len_chars().cast(pl.Int64).to_numpy(),
                states=own[:, None],
                finite=np.ones((len(own), 1), dtype=bool),
                neutral=other[:, None],
                neutral_finite=np.ones((len(other), 1), dtype=bool),
            )


def uncrossed_in_words(readout: Readout) -> str:
    """Which labels lack which topics, when that is why stories do not count as crossed; "" when they do."""
    topics = sorted(set(readout.topics))
    if Design.of(readout.emotions, readout.topics).crossed or topics == [""]:
        return ""
    cells = set(zip(readout.emotions, readout.topics, strict=True))
    missing = [f"{e}/{t}" for e in sorted(set(readout.emotions)) for t in topics if (e, t) not in cells]
    why = f"no story for {some(missing)}" if missing else f"there is one topic, {topics[0]}"
    return f"stories are not crossed with topics ({why}): halves are halves of each label's stories, not of topics"


@dataclass(frozen=True)
class Headline:
    """The stories that headline figures use: every label but the neutral one."""

    design: Design
    rows: NDArray[np.int64]  # indices into the stimuli

    @classmethod
    def of(cls, readout: Readout, neutral_label: str | None) -> Headline:
        rows = np.array([i for i, e in enumerate(readout.emotions) if e != neutral_label], dtype=np.int64)
        return cls(Design.of([readout.emotions[i] for i in rows], [readout.topics[i] for i in rows]), rows)

    def cells(self, k: Floats) -> Floats:
        return gram.cells(self.gram(k), self.design)

    def gram(self, k: Floats) -> Floats:
        return k[np.ix_(self.rows, self.rows)]
