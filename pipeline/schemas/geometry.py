"""Tables of the stage `geometry`: each reader by itself."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import LAYER_RULE, READER, READOUT, REASON, UNIT
from pipeline.schemas.table import Column, Table

GEOMETRY = Table(
    "geometry",
    title="Each reader at every layer",
    question="Does a reader have a geometry of emotions, and how well can it be measured, where its precision holds it at all?",
    grain="One reader at one position, variant and layer.",
    described={
        **READER,
        **READOUT,
        "layer": Column(pl.Int64, "The layer: output of block l, counted from 0."),
        "depth": Column(pl.Float64, "layer / number of layers."),
        "n_stimuli": Column(pl.Int64, "Stories behind the row, those of the neutral label not counted."),
        "n_not_finite": Column(pl.Int64, "Those that are not finite at this layer and position; one is enough for a null."),
        "n_neutral_not_finite": Column(pl.Int64, "The same of the neutral texts, stories of the neutral label among them."),
        "unit": UNIT,
        "n_units": Column(pl.Int64, "How many units there are."),
        "n_emotions": Column(pl.Int64, "Emotions in the RDM; the neutral label is not one."),
        "anisotropy": Column(pl.Float64, "Mean cosine over all pairs of the neutral texts' raw states."),
        "n_neutral_components": Column(
            pl.Int64, "Principal components of the neutral texts that the variant denoised removes."
        ),
        "rdm_mean": Column(pl.Float64, "Mean entry of the cosine RDM (1 - cosine)."),
        "rdm_std": Column(pl.Float64, "Population standard deviation of the RDM's entries."),
        "mean_cosine": Column(pl.Float64, "Mean cosine over all pairs of centred emotion vectors."),
        "mean_cosine_with_neutral": Column(pl.Float64, "The same with the neutral label as one more vector, as published."),
        "pc1_share": Column(pl.Float64, "Share of the stories' variance along their first principal component."),
        "pc1_length": Column(
            pl.Float64,
            "Size of the correlation of the stories' scores on it with 1 / length in tokens: near 1 where a mean over tokens"
            " holds the first token's massive activation.",
        ),
        "accuracy": Column(pl.Float64, "Share of stories whose emotion the nearest centroid of the other topics names."),
        "accuracy_se": Column(pl.Float64, "Standard error of accuracy over held-out units."),
        "reliability": Column(pl.Float64, "Mean Spearman's rho of the RDMs of two halves of the units."),
        "reliability_se": Column(pl.Float64, "Its delete-one-unit jackknife standard error."),
        "n_halvings": Column(pl.Int64, "Halvings of the units that reliability is a mean over."),
        "reason": REASON,
    },
    keys=[*READER, *READOUT, "layer"],
)

LAYERS = Table(
    "layers",
    title="The layer that each rule chooses",
    question="Which layer of a reader is compared?",
    grain="One reader at one position and variant, one rule, on all topics or on one half of one halving.",
    described={
        **READER,
        **READOUT,
        "layer_rule": LAYER_RULE,
        "halving": Column(pl.Int64, "Number of the halving of the topics; null: chosen on all topics."),
        "half": Column(pl.Int64, "The half that it is chosen on, 1 or 2; null: on all topics."),
        "layer": Column(pl.Int64, "The chosen layer."),
        "plateau_low": Column(pl.Int64, "The lowest layer that the rule finds as good."),
        "plateau_high": Column(pl.Int64, "The highest layer that the rule finds as good."),
        "reliability": Column(
            pl.Float64,
            "Split-half reliability of the RDM at that layer, on all topics; of best_layer_cv_crossfit, of halves each at the"
            " layer that the other half chose.",
        ),
        "reliability_se": Column(pl.Float64, "Its jackknife standard error over topics."),
        "reason": REASON,
    },
    keys=[*READER, *READOUT, "layer_rule", "halving", "half"],
)
