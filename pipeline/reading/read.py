"""Stage `read`: a model reads text; the residual stream after every block, pooled per stimulus, lands in the store.

    python -m pipeline.reading.read MODEL PRECISION READING [READING ...]

A run that was stopped goes on where it stood: finished batches wait in `.scratch/`, under a fingerprint of everything that
they depend on.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from tqdm import tqdm

from pipeline.errors import InputError, run_stage
from pipeline.models import int8, loading
from pipeline.models.entries import ModelEntry, drawn, load_entry
from pipeline.params.base import PARAMS
from pipeline.params.reading import Position, Reading, ReadingSections
from pipeline.reading import passes, residual, words
from pipeline.reading.batches import BatchPlan
from pipeline.reading.checks import texts_are_text, texts_long_enough
from pipeline.reading.kept import in_file
from pipeline.reading.shards import Shard, shards_of
from pipeline.store import layout, writer
from pipeline.store.provenance import code_digest, digest_of, versions
from pipeline.texts import stimuli


def dataset(
    pooled: residual.Pooled,
    frame: pl.DataFrame,
    n_tokens: Sequence[int],
    positions: Sequence[str],
    attributes: dict[str, Any],
    seeds: list[int] | None = None,
) -> xr.Dataset:
    """The Dataset of one reading (see `store`): activations, where they are finite, the input embeddings, and the labels of
    every stimulus. With `seeds`, every array has that dimension first."""
    lead = ("seed",) if seeds is not None else ()
    coords: dict[str, Any] = {
        "stimulus": ("stimulus", np.array(frame["id"].to_list(), dtype=layout.STRING)),
        "emotion": ("stimulus", np.array(frame["emotion"].to_list(), dtype=layout.STRING)),
        "topic": ("stimulus", np.array(frame["topic"].to_list(), dtype=layout.STRING)),
        "n_tokens": ("stimulus", np.array(n_tokens, dtype=np.int64)),
        "position": ("position", np.array(positions, dtype=layout.STRING)),
        "layer": ("layer", np.arange(pooled.activation.shape[-2])),
    }
    if "sample" in frame.columns:
        coords["sample"] = ("stimulus", frame["sample"].to_numpy())
    if seeds is not None:
        coords["seed"] = ("seed", np.array(seeds, dtype=np.int64))
    arrays = {
        "activation": ((*lead, *layout.ACTIVATION_DIMS), pooled.activation.astype(np.float32, copy=False)),
        "finite": ((*lead, *layout.FINITE_DIMS), pooled.finite),
        "embedding": ((*lead, *layout.EMBEDDING_DIMS), pooled.embedding.astype(np.float32, copy=False)),
    }
    return xr.Dataset(arrays, coords=coords, attrs=attributes)


def overflow_in_words(finite: np.ndarray, precision: str) -> str:
    """What was not finite, in words ("" when all was); raises InputError where nothing is finite, or at fp32.

    `finite` is bool (..., stimulus, position, layer).
    """
    whole = finite.all(axis=tuple(range(finite.ndim - 1)))
    if whole.all():
        return ""
    layers = np.flatnonzero(~whole)
    lost = 1 - finite.all(axis=-2).mean()
    where = f"layers {layers[0]}-{layers[-1]} ({layers.size} of {whole.size})"
    words = f"states that are not finite at {where}, in {lost:.0%} of stimuli x layers"
    if precision == "fp32" or not finite.any():
        raise InputError(
            f"{words}, at {precision}: the weights are broken, or this precision cannot hold this model; try bf16 or fp32"
        )
    return words


@dataclass(frozen=True)
class Source:
    """A reading's texts, and the positions that they are read at."""

    name: str
    reading: Reading
    frame: pl.DataFrame
    positions: dict[str, Position]

    @classmethod
    def of(cls, name: str, precision: str, params: ReadingSections) -> Source:
        """What params say of a reading. Raises InputError for a name that they lack."""
        reading = params.reading(name, precision)
        if reading is None:
            known = ", ".join(params.readings_of(params.read.models[0], precision)) if params.read.models else "none"
            raise InputError(f"{PARAMS}: no reading '{name}' at {precision}; there are {known}")
        frame, positions = stimuli.load(reading), {p: params.positions[p] for p in reading.positions}
        stimuli.have_words(frame, positions, reading.path)
        return cls(name, reading, frame, positions)

    @property
    def counts_words(self) -> bool:
        return any(position.word is not None for position in self.positions.values())


def attributes_of(source: Source, model: loading.Model, precision: str, bos: bool, plan: BatchPlan) -> dict[str, Any]:
    """What a reading's store says of itself: everything that its numbers depend on, in words and digests."""
    return {
        **model.attributes,
        "precision": precision,
        "reading": source.name,
        "layer": residual.LAYER_IN_WORDS,
        "positions": "; ".join(f"{k} = {v.in_words()}" for k, v in source.positions.items()),
        "bos": f"{'prepended' if bos else 'none'} ({source.reading.bos}); it and padding are never pooled",
        "batch_plan": plan.in_words(),
        "stimuli_sha256": stimuli.digest(source.frame),
        "device": model.device.type,
        "code_sha256": code_digest("read"),
        **{f"{library}_version": number for library, number in versions().items()},
    }


@dataclass(frozen=True)
class Part:
    """One source as one model, or one draw of a twin, read it."""

    pooled: residual.Pooled
    n_tokens: list[int]
    attributes: dict[str, Any]
    scratch: Path


def read_source(
    source: Source,
    model: loading.Model,
    entry: ModelEntry,
    precision: str,
    seed: int | None,
    plan: BatchPlan,
    shard: Shard | None = None,
) -> Part:
    """Read one source, or a shard of it, with a model in memory; raises InputError for a text that is shorter than a position
    needs."""
    texts = source.frame["text"].to_list()
    ids, bos = residual.tokenise(texts, model.tokenizer, entry.bos, source.reading.bos)
    ends = words.word_ends(texts, model.tokenizer) if source.counts_words else None
    texts_are_text([text[int(bos) :] for text in ids], source.frame, model, source.reading.path)
    attributes = attributes_of(source, model, precision, bos, plan)
    return read_tokens(source, ids, [int(bos)] * len(ids), attributes, model, precision, seed, plan, ends, shard)


def read_tokens(
    source: Source,
    ids: list[list[int]],
    skip: Sequence[int],
    attributes: dict[str, Any],
    model: loading.Model,
    precision: str,
    seed: int | None,
    plan: BatchPlan,
    word_ends: Sequence[Sequence[int]] | None = None,
    shard: Shard | None = None,
) -> Part:
    """Read a source's texts as the tokens `ids`, of which the first `skip` of each text never count; `word_ends`, for positions
    that count words, as `words.word_ends`; those of a `shard` alone."""
    lengths = [len(text) - first for text, first in zip(ids, skip, strict=True)]
    texts_long_enough(lengths, source.frame, source.positions, model.name, source.reading.path)
    rules = {k: v.model_dump() for k, v in source.positions.items()}
    fingerprint = digest_of(
        {"seed": seed, "ids": ids, "skip": list(skip), "positions": rules, "attributes": attributes, "words": word_ends}
    )
    scratch = layout.SCRATCH / "read" / fingerprint[:24]
    if shard is not None:
        own = shard.texts(plan.batches([len(text) for text in ids]))
        ids, skip, lengths = [ids[i] for i in own], [skip[i] for i in own], [lengths[i] for i in own]
        word_ends = None if word_ends is None else [word_ends[i] for i in own]
        scratch = shard.folder(scratch)
    label = f"{model.name} {precision} {source.name}" + ("" if seed is None else f" seed {seed}")
    # tqdm stays quiet (disable=None) where the output is not a terminal.
    bar = tqdm(total=sum(map(len, ids)), unit="tok", unit_scale=True, desc=label, disable=None)
    with layout.taken(scratch), bar as progress:
        pooled = passes.read(model, ids, list(source.positions.values()), skip, plan, scratch, progress, word_ends)
    return Part(pooled, lengths, attributes, scratch)


def stacked(draws: list[residual.Pooled]) -> residual.Pooled:
    """The draws of a twin as one, with that dimension first: arrays in files without a name."""

    def together(arrays: Sequence[np.ndarray]) -> np.ndarray:
        like = np.broadcast_to(arrays[0], (len(arrays), *arrays[0].shape))
        with tempfile.TemporaryFile(dir=layout.SCRATCH) as file:
            return np.stack(arrays, out=in_file(file, like))

    return residual.Pooled(*map(together, zip(*draws, strict=True)))


def write(source: Source, parts: list[Part], name: str, entry: ModelEntry, precision: str, path: Path) -> None:
    """Put the parts of one source together, one per seed of a twin, and write its store."""
    pooled = parts[0].pooled
    if entry.seeds is not None:
        pooled = stacked([part.pooled for part in parts])
    not_finite = overflow_in_words(pooled.finite, precision)
    if not_finite:
        print(f"{name} {precision} {source.name}: {not_finite}; recorded, not averaged", file=sys.stderr)
    last = parts[-1]
    attributes = last.attributes | {"not_finite": not_finite}
    result = dataset(pooled, source.frame, last.n_tokens, list(source.positions), attributes, entry.seeds)
    writer.write_activations(result, path)


def discard(parts: list[Part]) -> None:
    """Remove what was kept of parts, once it is in the store."""
    for part in parts:
        for folder in (part.scratch, *shards_of(part.scratch)):
            layout.discard(folder)


@dataclass(frozen=True)
class Asked:
    """What a model is to read at a precision."""

    name: str
    entry: ModelEntry
    precision: str
    sources: list[Source]

    @classmethod
    def of(cls, arguments: list[str], params: ReadingSections) -> Asked:
        """From MODEL PRECISION READING ... Raises InputError for what params and entries lack."""
        name, precision, *readings = arguments
        entry = drawn(load_entry(name), params)
        return cls(name, entry, precision, [Source.of(reading, precision, params) for reading in readings])


def parts_of(asked: Asked, params: ReadingSections, shard: Shard | None = None) -> dict[str, list[Part]]:
    """Read every source, or a shard of each: by its name a part for each draw of a twin, one of a trained model."""
    device = loading.pick_device(params.read.device)
    batch_texts = {v.name: v.batch_texts for v in params.varied if v.precision == asked.precision}
    parts: dict[str, list[Part]] = {source.name: [] for source in asked.sources}
    tokenizer = None
    for seed in asked.entry.draws:
        # loaded once for all sources: of a large model, loading and quantising take longer than reading
        model = loading.load(asked.name, asked.entry, asked.precision, device, seed, tokenizer=tokenizer)
        tokenizer = model.tokenizer
        for source in asked.sources:
            mates = batch_texts.get(source.name)
            plan = BatchPlan.of(params, asked.precision, device, mates)
            with int8.batch_mates(model.body) if mates else contextlib.nullcontext():
                parts[source.name].append(read_source(source, model, asked.entry, asked.precision, seed, plan, shard))
        del model  # before the next draw takes as much memory
    return parts


def main(arguments: list[str]) -> None:
    params = ReadingSections.load()
    asked = Asked.of(arguments, params)
    parts = parts_of(asked, params)
    for source in asked.sources:
        path = layout.activations_path(asked.name, asked.precision, source.name)
        write(source, parts[source.name], asked.name, asked.entry, asked.precision, path)
        discard(parts[source.name])


if __name__ == "__main__":
    run_stage(main)
