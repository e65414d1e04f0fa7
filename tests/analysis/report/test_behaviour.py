import polars as pl

from analysis.report import behaviour
from pipeline import opening
from tests.analysis.report.views import with_tables


def test_what_was_asked_at_two_precisions_is_drawn_apart(view):
    fp32 = opening.table("behaviour")
    both = with_tables(view, behaviour=pl.concat([fp32, fp32.with_columns(precision=pl.lit("int8"))]))
    assert [panel.title for panel in behaviour.section(view).panels] == ["fp32"]
    assert [panel.title for panel in behaviour.section(both).panels] == ["fp32", "int8"]
