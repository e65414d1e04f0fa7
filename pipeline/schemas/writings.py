"""Table of the stage `writings`: what a model's own texts can carry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import READOUT, REASON
from pipeline.schemas.table import Column, Table

_CELL = {
    "model": Column(pl.String, "The model that wrote and reads."),
    "setting": Column(pl.String, "How it wrote: a setting of params."),
    "written": Column(pl.String, "The precision that wrote."),
    "precision": Column(pl.String, "The precision that reads."),
    "context": Column(pl.String, "alone, or prompted (after the prompt that was answered)."),
}
_SHUFFLED = Column(
    pl.Float64, "97.5% quantile of the reliability under labels shuffled within prompts; null where it is too low as it stands."
)
_RULE = Column(pl.String, "How the layer is chosen: best_layer_cv, best_layer_paper, or middle, half way down, as published.")
_READ = {"position": READOUT["position"], "layer_rule": _RULE}

WRITINGS = Table(
    "writings",
    title="A model's own texts",
    question="Do a model's own texts carry a geometry of emotions, and would more samples make it reliable?",
    grain="One writing as one precision reads it, alone or after its prompt, from all samples or the first.",
    described={
        **_CELL,
        **_READ,
        "texts": Column(pl.String, "all, or without_label: without those that hold a word which names their label."),
        "n_samples": Column(
            pl.Int64,
            "The first samples of each prompt, this many, count; fewer than all at the setting's own read-out alone.",
        ),
        "as_set": Column(pl.Boolean, "Whether position and layer rule are the setting's own."),
        "layer": Column(pl.Int64, "The layer that is read."),
        "n_asked": Column(pl.Int64, "Texts asked for."),
        "n_same": Column(pl.Int64, "Texts that are identical to another; each is counted once."),
        "n_left_out": Column(pl.Int64, "Texts left out: too short, or not finite."),
        "n_with_label": Column(pl.Int64, "Texts, of those that count, that hold a word which names their label."),
        "n_texts": Column(pl.Int64, "Texts of this row."),
        "mean_tokens": Column(pl.Float64, "Mean number of tokens of a text."),
        "share_ended": Column(pl.Float64, "Share of texts that end before they are cut."),
        "reliability": Column(pl.Float64, "Mean Spearman's rho of the RDMs of two halves of the prompts."),
        "reliability_se": Column(pl.Float64, "Its jackknife standard error over prompts."),
        "reliability_shuffled": _SHUFFLED,
        "reason": REASON,
    },
    keys=[*_CELL, *_READ, "texts", "n_samples"],
)
