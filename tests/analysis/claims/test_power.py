"""The chance of each verdict, in words, from the simulated table."""

import polars as pl
import pytest

from analysis.claims import claims, power
from benchmarks import planted
from pipeline.errors import InputError
from tests.conftest import ROOT

TABLE = pl.DataFrame(
    {
        "claim": ["falsifier"] * 3 + ["new_lineage"],
        "world": ["truth .90"] * 2 + ["truth .74"] + ["3 lineages"],
        "reliability": [0.3, 0.8, 0.8, None],
        "holds": [0.0, 1.0, 0.1, 0.2],
        "does_not_hold": [0.0, 0.0, 0.0, 0.1],
        "undecided": [1.0, 0.0, 0.9, 0.7],
        "explained": [0.0] * 4,
    }
)


@pytest.mark.parametrize(
    ("claim", "reliability", "said"),
    [
        ("falsifier", 0.75, "truth .90: holds in 100%; truth .74: holds in 10%, undecided in 90%"),
        ("pairs", 0.2, "truth .90: undecided in 100%; truth .74: holds in 10%, undecided in 90%"),
        ("new_lineage", None, "3 lineages: holds in 20%, does not hold in 10%, undecided in 70%"),
        ("falsifier", None, None),
        ("best_layer", 0.8, None),
    ],
)
def test_the_row_of_the_nearest_reliability_is_said(claim, reliability, said):
    assert power.chances(TABLE, claim, reliability) == said


def test_a_file_of_other_columns_is_named(tmp_path):
    (tmp_path / "power.csv").write_text("claim\npairs\n")
    with pytest.raises(
        InputError, match=r"power.csv: no column reliability, holds, does_not_hold, undecided, explained; it has"
    ):
        power.simulated(tmp_path / "power.csv")


def test_the_reference_has_the_claims_that_are_simulated():
    names = set(power.simulated(ROOT / "data/reference/power.csv")["claim"])
    assert set(power.SIMULATED.values()) <= names
    assert names - {"published protocol", "beyond words"} <= set(claims.EVIDENCE)


def test_the_simulated_design_is_that_of_the_benchmark():
    assert (planted.LABELS, planted.TOPICS) == power.DESIGN
