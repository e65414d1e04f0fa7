"""Tables of the published protocol: each reader at its own layer, and every pair."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import READER, Table

HERE = {
    "position": pl.String,  # the last token
    "n_units": pl.Int64,  # topics, or texts of each label where texts are not crossed with topics; 3 as published, and all
}

PAPER = Table(
    "paper",
    pl.Schema(
        {
            **READER,  # setting: the stories, or a second source by its name
            **HERE,
            "unit": pl.String,  # topic, or story
            "n_labels": pl.Int64,  # the neutral one counts
            "n_stimuli": pl.Int64,
            "n_layers": pl.Int64,
            "n_finite_layers": pl.Int64,  # finite in every text; only these stand for choice
            "layer": pl.Int64,  # best_layer_paper
            "depth_percent": pl.Float64,  # 100 layer / n_layers, as published
            "mean_cosine": pl.Float64,  # of all pairs of centred vectors, at that layer
            "rdm_std": pl.Float64,  # population sd of the RDM's entries
            "anisotropy": pl.Float64,  # mean pairwise cosine of the neutral reading's raw last-token states, at that layer
            "reliability": pl.Float64,  # of the RDM over all labels, between halves of the units, at the layer of all texts
            "reliability_three": pl.Float64,  # the same between disjoint threes of units: a study of the published size
            "reliability_one": pl.Float64,  # mean Spearman of the RDMs from one text of each label, over pairs of texts
            "reason": pl.String,
        }
    ),
    keys=[*READER, *HERE],
)

PAPER_PAIRS = Table(
    "paper_pairs",
    pl.Schema(
        {
            **{f"{key}_a": dtype for key, dtype in READER.items()},
            **{f"{key}_b": dtype for key, dtype in READER.items()},
            **HERE,
            "layer_a": pl.Int64,
            "layer_b": pl.Int64,
            "spearman": pl.Float64,  # of the RDMs over all labels, as published
            "spearman_emotions": pl.Float64,  # over the emotions alone, centred anew
            "floor_mean": pl.Float64,  # `spearman` with labels shuffled within topics, alike on both sides
            "floor_95": pl.Float64,
            "n_shuffles": pl.Int64,
            "reason": pl.String,
        }
    ),
    keys=[*[f"{key}_{side}" for side in "ab" for key in READER], *HERE],
)
