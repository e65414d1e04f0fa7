"""The metrics are the tables' own numbers."""

import json

import numpy as np
import polars as pl

from analysis.claims.protocols import OTHER, PAPER, PROTOCOLS, SAME, on_others
from analysis.report import metrics
from pipeline import opening


def test_the_metrics_are_the_tables_numbers(in_finished):
    made = json.loads(metrics.METRICS.read_text())
    claims = opening.table("claims").filter(pl.col("protocol").is_in(PROTOCOLS))
    assert sum(made["verdicts"].values()) == claims.height
    assert made["verdicts"]["not testable"] == claims.filter(verdict="not testable").height
    row = opening.pair("tiny-llama-3.2", "tiny-qwen2.5").row(0, named=True)  # the only pair across lineages at fp32
    assert made["lineages"]["fp32"]["rho_same"] == round(row["rho_same"], 4)
    assert set(made["models"]) == {"tiny-llama-3.2", "tiny-qwen2.5"}
    for model, said in made["models"].items():
        own = {"model": model, "precision": "fp32", "setting": "stories", "position": "mean50", "variant": "centred"}
        truth = opening.table("geometry").filter(layer=said["layer"], **own).row(0, named=True)
        assert said["accuracy"] == round(truth["accuracy"], 4)


def test_the_curve_is_the_median_over_trained_models(in_finished):
    curve = pl.read_csv(metrics.CURVES)
    own = {"precision": "fp32", "setting": "stories", "position": "mean50", "variant": "centred"}
    rows = opening.table("geometry").filter(pl.col("model").is_in(["tiny-llama-3.2", "tiny-qwen2.5"]), **own)
    assert curve["depth"].to_list() == sorted({round(d, 1) for d in rows["depth"].to_list()})
    first = rows.filter(layer=0)["accuracy"].to_numpy()
    assert curve["accuracy"][0] == round(float(np.median(first)), 4)


def test_what_a_control_explains_is_one_kind():
    rows = {"verdict": ["explained by words", "explained by floor", "holds"], "protocol": [PAPER, SAME, OTHER]}
    assert metrics.verdicts(pl.DataFrame(rows)) == {"explained by a control": 2, "holds": 1}


def test_a_claim_counts_once_however_many_positions_it_is_judged_at():
    rows = {"verdict": ["holds", "undecided"], "protocol": [OTHER, on_others("last")]}
    assert metrics.verdicts(pl.DataFrame(rows)) == {"holds": 1}


def test_a_precision_that_loses_states_of_a_model_stands_for_no_similarity(in_finished):
    lineages, geometry = opening.table("lineages").filter(position="mean50"), opening.table("geometry")
    assert "fp16" in metrics.across_lineages(lineages, geometry)
    own = (pl.col("precision") == "fp16") & (pl.col("model") == "tiny-qwen2.5")
    lost = geometry.with_columns(pl.when(own).then(1).otherwise("n_not_finite").alias("n_not_finite"))
    assert set(metrics.across_lineages(lineages, lost)) == {"fp32"}
