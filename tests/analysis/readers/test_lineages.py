"""Pairs across lineages: counted by hand on a small grid."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.readers import lineages
from analysis.readers.kinds import ONE_LINEAGE, TWO_LINEAGES, UNTRAINED
from analysis.rsa import simultaneous

LINEAGE = {"q": "qwen", "l31": "llama", "l32": "llama", "m": "mistral", "twin": "llama"}
ENTRIES = {name: SimpleNamespace(lineage=lineage) for name, lineage in LINEAGE.items()}


def row(a, b, rho, kind=TWO_LINEAGES, precision="fp32", other="fp32"):
    return {
        "model_a": a,
        "model_b": b,
        "precision_a": precision,
        "precision_b": other,
        "kind": kind,
        "rho_same": rho,
        "rho_cross": rho / 2,
        "rho_dis": None,
        "rho_dis_jackknife": None,
    }


GRID = [
    row("q", "l31", 0.8),
    row("q", "l32", 0.7),
    row("l31", "l32", 0.92, ONE_LINEAGE),
    row("q", "m", 0.5),
    row("l31", "m", 0.9),
    row("l32", "m", 0.6),
    row("q", "twin", 0.1, UNTRAINED),
    row("q", "l31", 0.2, other="int8"),  # two precisions
]


def summaries(grid, ceilings=None):
    return {r["estimator"]: r for r in lineages.summaries(grid, ENTRIES, ceilings or {}, 0)}


def test_a_summary_counts_pairs_of_different_lineages_alone():
    found = summaries(GRID, {"fp32": {"rho_cross": (0.3, 0.4)}})
    same = found["rho_same"]
    assert (same["n_pairs"], same["n_lineages"], same["precision"]) == (5, 3, "fp32")
    assert (same["lowest"], same["median"], same["highest"]) == (0.5, 0.7, 0.9)
    assert found["rho_cross"]["median"] == 0.35
    assert (found["rho_cross"]["ceiling_low"], found["rho_cross"]["ceiling_high"]) == (0.3, 0.4)
    assert (found["rho_dis"]["reason"], found["rho_dis"]["n_unknown"]) == ("no pair across lineages has rho_dis", 5)


def test_each_lineage_is_left_out_in_turn():
    same = summaries(GRID)["rho_same"]
    # without qwen .9, .6; without llama .5; without mistral .8, .7
    assert (same["median_without_lineage_low"], same["median_without_lineage_high"]) == (0.5, 0.75)


def test_two_lineages_leave_nothing_without_either():
    same = summaries(GRID[:2])["rho_same"]
    assert same["median"] == 0.75
    assert same["reason"] == "two lineages: without either there is no pair"


def test_no_pair_across_lineages_is_no_row():
    assert lineages.summaries([GRID[2]], ENTRIES, {}, 0) == []


def test_the_lowest_has_the_interval_of_one_statement_about_all_and_a_new_lineage_one_that_is_wider(rng):
    grid = [r for r in GRID if r["kind"] == TWO_LINEAGES and r["precision_b"] == "fp32"]
    values, without = rng.uniform(0.7, 0.9, size=len(grid)), 0.8 + 0.01 * rng.normal(size=(24, len(grid)))
    for r, value, left in zip(grid, values, without.T, strict=True):
        r |= {"rho_dis": float(value), "rho_dis_jackknife": left.tolist()}
    found = summaries(grid)["rho_dis"]
    truth = simultaneous.lowest(values, without, 0)
    assert (found["lowest_low"], found["lowest_high"]) == pytest.approx((truth.low, truth.high))
    by_lineage = [np.mean(values[:2]), values[2], np.mean(values[3:])]  # qwen-llama, qwen-mistral, llama-mistral
    assert found["new_lineage"] == pytest.approx(np.mean(by_lineage))
    assert found["new_lineage_low"] < min(by_lineage)
    assert found["new_lineage_high"] > max(by_lineage)
    assert summaries([r for r in grid if "m" not in (r["model_a"], r["model_b"])])["rho_dis"]["new_lineage"] is None
