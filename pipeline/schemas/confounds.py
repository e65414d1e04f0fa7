"""Table of the stage `confounds`: what lies between two ways to a geometry."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import LAYERS_OF_BOTH, interval
from pipeline.schemas.table import Column, Table

TOTAL = "total"
"""The factor that stands for the whole distance."""

_SIDES = {
    **LAYERS_OF_BOTH,
    "n_stimuli_a": Column(pl.Int64, "Of total, as the next: texts of a."),
    "n_stimuli_b": Column(pl.Int64, "Texts of b."),
    "reliability_a": Column(pl.Float64, "Split-half reliability of a's RDM."),
    "reliability_se_a": Column(pl.Float64, "Its jackknife standard error."),
    "reliability_b": Column(pl.Float64, "Split-half reliability of b's RDM."),
    "reliability_se_b": Column(pl.Float64, "Its jackknife standard error."),
    "ceiling": Column(pl.Float64, "sqrt(reliability_a reliability_b), at half of the texts."),
}

CONFOUNDS = Table(
    "confounds",
    title="What lies between two ways to a geometry",
    question="Which of their differences makes two methods disagree, and could either be measured at all?",
    grain="One model, two experiments, one factor in which they differ, or their total.",
    described={
        "model": Column(pl.String, "The model that wrote and read."),
        "experiment_a": Column(pl.String, "One way to a geometry, as params names it."),
        "experiment_b": Column(pl.String, "The other way."),
        "factor": Column(pl.String, "The factor; or total: 1 - rho_dis of the two experiments, which the shares sum to."),
        "comparison": Column(pl.String, "Name of the published comparison of the two, in params; null: only we compare them."),
        "n_factors": Column(pl.Int64, "Factors in which the two experiments differ."),
        "n_cells": Column(pl.Int64, "Different combinations of factors that were measured."),
        "share": Column(pl.Float64, "The factor's Shapley share of the distance 1 - rho_dis; of total, that distance."),
        "se": Column(pl.Float64, "Jackknife standard error over the units of both sources."),
        **interval("share", "the units of both sources"),
        "dof": Column(pl.Int64, "Degrees of freedom of the t quantile."),
        "spearman": Column(pl.Float64, "Of total: Spearman's rho of the two RDMs over all texts, as published."),
        "permuted_95": Column(
            pl.Float64, "95% quantile of spearman when the labels of one side are permuted: so high do unrelated RDMs come."
        ),
        **_SIDES,
        "reason": Column(
            pl.String, "Why a share is missing; of total, why a side is not to be read. Null where nothing is wrong."
        ),
    },
    keys=["model", "experiment_a", "experiment_b", "factor"],
)
