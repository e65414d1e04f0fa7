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
from analysis.rsa import gram, names, split_half
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


class Params(CellSections, CorpusSections):
    """The sections that this stage loads."""


def writing_rows(measuring: Measuring, params: Params) -> list[Row]:
    """Rows of `writings`: of every writing as it was read, how many texts it has and how reliable its geometry is, also
    without the texts that hold their label's word."""
    rows = []
    for read in params.writings_read:
        texts = tables.read_rows(layout.writings_path(measuring.model, read.written, read.setting), written.WRITING)
        counted = written.counted(texts)
        telling = with_label(counted, params.corpus)
        silent = set(counted["id"]) - telling
        for context, rule in product(read.readings, (names.CV, names.PAPER, MIDDLE)):
            for position in params.write.positions:
                cell = Cell(read.setting, read.written, context, position, rule, "emotions", read.read)
                found = measuring.measured(cell)
                rows.append(
                    {
                        "model": measuring.model,
                        "setting": read.setting,
                        "written": read.written,
                        "precision": read.read,
                        "context": context,
                        "position": position,
                        "layer_rule": rule,
                        "layer": found.layer,
                        "n_asked": texts.height,
                        "n_same": texts["same_as"].drop_nulls().len(),
                        "n_left_out": texts["left_out"].drop_nulls().len(),
                        "n_texts": counted.height,
                        "mean_tokens": _mean(counted["n_tokens"]),
                        "share_with_label": _mean(counted["id"].is_in(telling)),
                        "share_ended": _mean(counted["finish"] == "eos"),
                        **_reliabilities(measuring, cell, found, silent),
                    }
                )
    return rows


def with_label(texts: pl.DataFrame, corpus: Corpus) -> set[str]:
    """Ids of the texts that hold a word which names their label: the label itself, or one that `corpus.label_words` lists for
    it."""
    listed = labels.label_words(corpus.label_words)
    known = {e: labels.LabelWords.of(listed.filter(emotion=e), e) for e in texts["emotion"].unique()}
    return {i for i, e, text in texts.select("id", "emotion", "text").iter_rows() if known[e].found_in(text)}


def _mean(values: pl.Series) -> float | None:
    return finite_or_none(float(values.to_numpy().mean())) if len(values) else None


def _reliabilities(measuring: Measuring, cell: Cell, found: Measured, without_label: set[str]) -> Row:
    row: Row = {"reliability": None, "reliability_se": None, "reliability_without_label": None, "reason": found.reason}
    if found.halves is None or found.layer is None:
        return row
    reliability = split_half.reliability(found.halves)
    row |= {"reliability": finite_or_none(reliability.value), "reliability_se": finite_or_none(reliability.se)}
    fewer = of_texts(measuring, cell, found.layer, without_label)
    if fewer is not None and fewer.halves is not None:
        row["reliability_without_label"] = finite_or_none(split_half.reliability(fewer.halves).value)
    return row


def of_texts(measuring: Measuring, cell: Cell, layer: int, ids: set[str]) -> Measured | None:
    """A cell from some of its texts alone; None where they leave a label without any."""
    read = measuring.datasets(cell.source, cell.written, cell.context, cell.precision)
    assert isinstance(read, xr.Dataset)
    kept = np.array([str(i) in ids for i in read["stimulus"].values])
    here = read.sel(position=cell.position, layer=layer).isel(stimulus=kept)
    labels, topics = ([str(x) for x in here[k].values] for k in ("emotion", "topic"))
    if set(labels) != {str(e) for e in read["emotion"].values}:
        return None
    return halves_of(gram.gram(here["activation"].values), labels, topics, layer, cell.baseline, measuring.params)


def sample_rows(measuring: Measuring) -> list[Row]:
    """Rows of `samples`: reliability from the first 1, 2, ... samples of every prompt, at the setting's own position and layer,
    over texts that count."""
    rows: list[Row] = []
    for read in measuring.params.writings_read:
        setting = measuring.params.write.settings[read.setting]
        texts = tables.read_rows(layout.writings_path(measuring.model, read.written, read.setting), written.WRITING)
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
    if found is None or found.halves is None:
        return row | {"reason": found.reason if found else "a label has no text"}
    reliability = split_half.reliability(found.halves)
    return row | {
        "layer": whole.layer,
        "reliability": finite_or_none(reliability.value),
        "reliability_se": finite_or_none(reliability.se),
    }


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
