"""Stage `writings`: what a model's own texts can carry. How many there are, how alike, how reliable the geometry read from them
is, and how that grows with samples. Tables `writings`, `samples`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from analysis.confounds.cell_rdms import MIDDLE, CellSections, Measured, Measuring, halves_of
from analysis.confounds.factorial import STORIES, Cell
from analysis.rsa import gram, names, parallel, split_half
from analysis.rsa.gram import Design
from analysis.rsa.split_half import finite_or_none
from pipeline.errors import run_stage
from pipeline.params.corpus import Corpus, CorpusSections
from pipeline.params.writing import WritingRead
from pipeline.schemas import written
from pipeline.schemas.geometry import LAYERS
from pipeline.schemas.writings import SAMPLES, WRITINGS
from pipeline.store import layout, tables
from pipeline.texts import labels

Row = dict[str, Any]
ALL, WITHOUT_LABEL = "all", "without_label"
"""Which of a writing's texts count: all, or those that do not hold a word which names their label."""


class Params(CellSections, CorpusSections):
    """The sections that this stage loads."""


def writing_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `writings`: of every writing as it was read, how many texts it has and how reliable its geometry is; and the same
    without the texts that hold their label's word."""
    rows = []
    for read in params.writings_read:
        texts = texts_of(measuring, read)
        counted = written.counted(texts)
        telling = with_label(counted, params.corpus)
        sets = {ALL: counted, WITHOUT_LABEL: counted.filter(~pl.col("id").is_in(telling))}
        asked = {
            "model": measuring.model,
            "setting": read.setting,
            "written": read.written,
            "precision": read.read,
            "n_asked": texts.height,
            "n_same": texts["same_as"].drop_nulls().len(),
            "n_left_out": texts["left_out"].drop_nulls().len(),
            "n_with_label": len(telling),
        }
        for context, rule in product(read.readings, (names.CV, names.PAPER, MIDDLE)):
            for position, (which, some) in product(params.write.positions, sets.items()):
                cell = Cell(read.setting, read.written, context, position, rule, "emotions", read.read)
                found = measuring.measured(cell)
                if which == WITHOUT_LABEL and found.layer is not None and found.halves is not None:
                    found = of_texts(measuring, cell, found.layer, set(some["id"]))
                own = {"context": context, "position": position, "layer_rule": rule, "texts": which, "layer": found.layer}
                rows.append(asked | own | _of_texts(some) | _reliability(found))
    return rows


def texts_of(measuring: Measuring, read: WritingRead) -> pl.DataFrame:
    """What was written (columns of the schema `written`), of the emotions that count."""
    texts = tables.read_rows(layout.writings_path(measuring.model, read.written, read.setting), written.WRITING)
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
    design = Design.of(labels, topics, asked_of_every_label=True)
    return halves_of(gram.gram(here["activation"].values), design, layer, cell.baseline, measuring.params)


def sample_rows(measuring: Measuring) -> list[Row]:
    """Rows of `samples`: reliability from the first 1, 2, ... samples of every prompt, at the setting's own position and layer,
    over texts that count."""
    rows: list[Row] = []
    for read in measuring.params.writings_read:
        setting = measuring.params.write.settings[read.setting]
        texts = texts_of(measuring, read)
        counted = written.counted(texts)
        for context, n in product(read.readings, range(1, setting.samples + 1)):
            cell = Cell(read.setting, read.written, context, setting.position, setting.layer, "emotions", read.read)
            rows.append(_sampled(measuring, read, cell, counted.filter(pl.col("sample") < n), n))
    return rows


def _sampled(measuring: Measuring, read: WritingRead, cell: Cell, texts: pl.DataFrame, n: int) -> Row:
    own = {"model": measuring.model, "setting": read.setting, "written": read.written, "precision": read.read}
    row: Row = SAMPLES.blank() | own | {"context": cell.context, "n_samples": n}
    row |= {"n_texts": texts.height, "position": cell.position, "layer_rule": cell.layer}
    whole = measuring.measured(cell)
    if whole.layer is None or whole.halves is None:
        return row | {"reason": whole.reason}
    found = of_texts(measuring, cell, whole.layer, set(texts["id"]))
    return row | {"layer": whole.layer} | _reliability(found)


@parallel.one_thread
def main(arguments: list[str]) -> None:
    params = Params.load()
    chosen = tables.read_table(LAYERS).filter(pl.col("halving").is_null(), variant="centred", setting=STORIES)
    made: dict[str, list[Row]] = {"writings": [], "samples": []}
    for model in params.write.models:
        measuring = Measuring(model, chosen.filter(model=model), params)
        made["writings"] += writing_rows(measuring, params)
        made["samples"] += sample_rows(measuring)
    for table in (WRITINGS, SAMPLES):
        tables.write_table(table, made[table.name])


if __name__ == "__main__":
    run_stage(main)
