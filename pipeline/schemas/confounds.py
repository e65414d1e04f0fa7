"""Tables of the stage `confounds`: what lies between two ways to a geometry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import LAYERS_OF_BOTH, REASON, interval
from pipeline.schemas.table import Column, Table

_MODEL = {"model": Column(pl.String, "The model that wrote and read.")}
_EXPERIMENTS = {
    "experiment_a": Column(pl.String, "One way to a geometry, as params names it."),
    "experiment_b": Column(pl.String, "The other way."),
}

CONFOUNDS = Table(
    "confounds",
    title="The published comparisons of methods",
    question="How alike are the geometries of two methods, and could either be measured at all?",
    grain="One model, one published comparison.",
    described={
        **_MODEL,
        "comparison": Column(pl.String, "Name of the comparison in params; bias holds two of the others against each other."),
        **_EXPERIMENTS,
        **LAYERS_OF_BOTH,
        "n_stimuli_a": Column(pl.Int64, "Texts of a."),
        "n_stimuli_b": Column(pl.Int64, "Texts of b."),
        "spearman": Column(
            pl.Float64, "Spearman's rho of the two RDMs over all texts, as published; of bias: a's rho less b's."
        ),
        "reliability_a": Column(pl.Float64, "Split-half reliability of a's RDM."),
        "reliability_se_a": Column(pl.Float64, "Its jackknife standard error."),
        "reliability_b": Column(pl.Float64, "Split-half reliability of b's RDM."),
        "reliability_se_b": Column(pl.Float64, "Its jackknife standard error."),
        "ceiling": Column(pl.Float64, "sqrt(reliability_a reliability_b), at half of the texts."),
        "reason": Column(pl.String, "Why a side is not to be read; null where both are."),
    },
    keys=["model", "comparison"],
)

ATTRIBUTIONS = Table(
    "attributions",
    title="Each factor's share of a distance",
    question="Which of their differences makes two methods disagree?",
    grain="One model, two experiments, one factor in which they differ (or their total).",
    described={
        **_MODEL,
        **_EXPERIMENTS,
        "factor": Column(pl.String, "The factor; or total: 1 - rho_dis of the two experiments, which the shares sum to."),
        "n_factors": Column(pl.Int64, "Factors in which the two experiments differ."),
        "n_cells": Column(pl.Int64, "Different combinations of factors that were measured."),
        "share": Column(pl.Float64, "The factor's Shapley share of the distance 1 - rho_dis."),
        "se": Column(pl.Float64, "Jackknife standard error over the units of both sources."),
        **interval("share", "the units of both sources"),
        "dof": Column(pl.Int64, "Degrees of freedom of the t quantile."),
        "reason": REASON,
    },
    keys=["model", "experiment_a", "experiment_b", "factor"],
)
