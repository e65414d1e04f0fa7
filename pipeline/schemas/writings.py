"""Tables of the stage `writings`: what a model's own texts can carry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Table

_READ = ["model", "setting", "written", "precision", "context", "position", "layer_rule"]

WRITINGS = Table(
    "writings",
    pl.Schema(
        {
            "model": pl.String,
            "setting": pl.String,
            "written": pl.String,  # the precision that wrote
            "precision": pl.String,  # the precision that read
            "context": pl.String,  # alone, or prompted
            "position": pl.String,
            "layer_rule": pl.String,
            "layer": pl.Int64,
            "n_asked": pl.Int64,  # texts
            "n_same": pl.Int64,  # identical greedy texts, counted once
            "n_left_out": pl.Int64,  # too short, or not finite
            "n_texts": pl.Int64,  # what is left
            "mean_tokens": pl.Float64,
            "share_with_label": pl.Float64,  # of texts that hold their label's word
            "share_ended": pl.Float64,  # of texts that end before they are cut
            "reliability": pl.Float64,  # halves are halves of the prompts
            "reliability_se": pl.Float64,
            "reliability_without_label": pl.Float64,  # of the texts that do not hold it; their halves may be of fewer texts
            "reason": pl.String,
        }
    ),
    keys=_READ,
)

SAMPLES = Table(
    "samples",
    pl.Schema(
        {
            "model": pl.String,
            "setting": pl.String,
            "written": pl.String,
            "precision": pl.String,
            "context": pl.String,
            "n_samples": pl.Int64,  # of each prompt
            "position": pl.String,
            "layer_rule": pl.String,
            "layer": pl.Int64,
            "n_texts": pl.Int64,  # that count, over all labels
            "reliability": pl.Float64,
            "reliability_se": pl.Float64,
            "reason": pl.String,
        }
    ),
    keys=[*_READ[:5], "n_samples"],
)
