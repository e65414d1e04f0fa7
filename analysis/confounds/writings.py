"""Stage `writings`: what a model's own texts can carry. How many there are, how alike, how reliable the geometry read from them
is, and how that grows with samples. Table `writings`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from analysis.confounds.cell_rdms import MIDDLE, CellSections, Measured, Measuring, design_of, halves_of
from analysis.confounds.factorial import Cell
from analysis.rsa import gram, names, parallel, split_half
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.params.corpus import Corpus, CorpusSections
from pipeline.params.writing import WritingRead
from pipeline.schemas import written
from pipeline.schemas.writings import WRITINGS
from pipeline.store import layout, tables
from pipeline.texts import labels

Row = dict[str, Any]
ALL, WITHOUT_LABEL = "all", "without_label"
"""Which of a writing's texts count: all, or those that do not hold a word which names their label."""


class Params(CellSections, CorpusSections):
    """The sections that this stage loads."""


def writing_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `writings`: of every writing as it was read, how many texts it has and how reliable its geometry is; the same
    without the texts that hold their label's word; and, at the setting's own read-out, from the first samples of a prompt."""
    rows = []
    every = [*product(params.write.positions, (names.CV, names.PAPER, MIDDLE), (ALL, WITHOUT_LABEL))]
    for read in params.writings_read:
        setting = params.write.settings[read.setting]
        texts = texts_of(measuring, read)
        telling = with_label(written.counted(texts), params.corpus)
        cell = {"model": measuring.model, "setting": read.setting, "written": read.written, "precision": read.read}
        for n in range(1, setting.samples + 1):
            asked = texts.filter(pl.col("sample") < n)
            sets = {ALL: written.counted(asked)}
            sets[WITHOUT_LABEL] = sets[ALL].filter(~pl.col("id").is_in(telling))
            counts = {
                "n_samples": n,
                "n_asked": asked.height,
                "n_same": asked["same_as"].drop_nulls().len(),
                "n_left_out": asked["left_out"].drop_nulls().len(),
                "n_with_label": sets[ALL].height - sets[WITHOUT_LABEL].height,
            }
            own = (setting.position, setting.layer)
            ways = every if n == setting.samples else [(*own, ALL)]
            for context, (position, rule, which) in product(read.readings, ways):
                at: Row = {"context": context, "position": position, "layer_rule": rule, "texts": which}
                found = _read_as(measuring, read, at, None if ways == every and which == ALL else sets[which])
                at |= {"as_set": (position, rule) == own, "layer": found.layer}
                rows.append(cell | counts | at | _of_texts(sets[which]) | _reliability(found))
    return rows


def _read_as(measuring: Measuring, read: WritingRead, at: Row, some: pl.DataFrame | None) -> Measured:
    """A writing at one read-out, from some of its texts or, where none are named, from all that count."""
    cell = Cell(read.setting, read.written, at["context"], at["position"], at["layer_rule"], "emotions", read.read)
    found = measuring.measured(cell)
    if some is None or found.layer is None or found.halves is None:
        return found
    return of_texts(measuring, cell, found.layer, set(some["id"]))


def texts_of(measuring: Measuring, read: WritingRead) -> pl.DataFrame:
    """What was written (columns of the schema `written`), of the emotions that count."""
    setting = measuring.params.write.settings[read.setting].model_dump()
    texts = tables.read_rows(layout.writings_path(measuring.model, read.written, read.setting), written.WRITING, setting)
    return texts.filter([measuring.params.vectors.counts(e) for e in texts["emotion"]])


def _of_texts(texts: pl.DataFrame) -> Row:
    mean_tokens, share_ended = _mean(texts["n_tokens"]), _mean(texts["finish"] == "eos")
    return {"n_texts": texts.height, "mean_tokens": mean_tokens, "share_ended": share_ended}


def with_label(texts: pl.DataFrame, corpus: Corpus) -> set[str]:
    """Ids of the texts that hold a word which names their label: the label itself, or one that `corpus.label_words` lists for
    it."""
    listed = labels.label_words(corpus.label_words)
    known = {e: labels.LabelWords.of(listed.filter(emotion=e), e) for e in texts["emotion"].unique()}
    return {i for i, e, text in texts.select("id", "emotion", "text").iter_rows() if known[e].found_in(text)}


def _mean(values: pl.Series) -> float | None:
    return finite_or_none(float(values.to_numpy().mean())) if len(values) else None


def _reliability(found: Measured) -> Row:
    row: Row = {"reliability": None, "reliability_se": None, "reliability_shuffled": found.shuffled, "reason": found.reason}
    if found.halves is None:
        return row
    reliability = split_half.reliability(found.halves)
    return row | {"reliability": finite_or_none(reliability.value), "reliability_se": finite_or_none(reliability.se)}


def of_texts(measuring: Measuring, cell: Cell, layer: int, ids: set[str]) -> Measured:
    """A cell from some of its texts alone."""
    read = measuring.datasets(cell.source, cell.written, cell.context, cell.precision)
    assert isinstance(read, xr.Dataset)
    kept = np.array([str(i) in ids for i in read["stimulus"].values])
    here = read.sel(position=cell.position, layer=layer).isel(stimulus=kept)
    labels, topics = ([str(x) for x in here[k].values] for k in ("emotion", "topic"))
    if lost := sorted({str(e) for e in read["emotion"].values} - set(labels)):
        return Measured(None, None, layer, len(labels), f"no text of {', '.join(lost[:3])} is left")
    k, design = gram.gram(here["activation"].values), design_of(labels, topics, cell)
    return halves_of(k, design, layer, cell.baseline, measuring.params)


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    made: list[Row] = []
    for model in params.write.models:
        made += writing_rows(Measuring(model, params), params)
    tables.write_table(WRITINGS, made)


if __name__ == "__main__":
    run_stage(main)
