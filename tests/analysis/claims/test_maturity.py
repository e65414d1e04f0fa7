"""Maturity on planted tables: every branch of the rule, and that it looks at nothing but the model and untrained networks."""

import polars as pl
import pytest
from pipeline.params.claims import Maturity

from analysis.claims import maturity
from pipeline import opening
from pipeline.params.whole import Params
from pipeline.schemas.maturity import MATURITY

RULE = Maturity(standard_errors=2, untrained=5)
SOUND = {"n_layers": 4, "n_finite_layers": 4, "reliability": 0.8, "reliability_se": 0.05, "reason": None}
SOUND |= {"n_untrained": 5, "highest_untrained": 0.3}


@pytest.mark.parametrize(
    ("change", "mature", "reason"),
    [
        ({}, True, None),
        ({"reliability": 0.39}, False, None),
        ({"reliability_se": 0.26}, False, None),
        ({"highest_untrained": 0.69}, True, None),
        ({"n_finite_layers": 1}, False, "3 layers are not finite"),
        ({"n_untrained": 4}, None, "4 untrained draws; 5 are needed"),
        ({"reliability": None, "reason": "too few topics"}, None, "too few topics"),
        ({"n_layers": None, "reason": "read at none of fp32, bf16"}, None, "read at none of fp32, bf16"),
    ],
)
def test_the_rule(change, mature, reason):
    found = maturity.judged(SOUND | change, RULE)
    assert found["mature"] is mature
    assert found["reason"] == reason


def test_untrained_draws_are_taken_at_the_depth_of_the_models_own_layer():
    rows = [
        {"model": m, "seed": s, "setting": "stories", "layer": layer, "reliability": layer / 100 + (s or 0)}
        for m, s, n in (("twin8", 0, 8), ("twin8", 1, 8), ("twin4", 0, 4), ("own", None, 4))
        for layer in range(n)
    ]
    found = maturity.at_depth(pl.DataFrame(rows, schema_overrides={"seed": pl.Int64}), 0.5)
    assert sorted(found.select("model", "seed", "layer").iter_rows()) == [("twin4", 0, 2), ("twin8", 0, 4), ("twin8", 1, 4)]


def test_the_table_has_every_trained_model_and_its_numbers_are_those_of_geometry(in_finished):
    table = opening.table("maturity")
    params = Params.load()
    assert table["model"].to_list() == sorted(params.read.models)
    row = table.row(0, named=True)
    geometry = opening.table("geometry").filter(
        model=row["model"], precision="fp32", layer=row["layer"], position=params.report.position, variant="centred"
    )
    assert row["reliability"] == geometry["reliability"][0]
    assert row["n_untrained"] == 2
    assert row["reason"] == "2 untrained draws; 5 are needed"
    assert set(table.columns) == set(MATURITY.columns)
