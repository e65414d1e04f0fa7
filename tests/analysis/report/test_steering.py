import polars as pl

from analysis.report import steering
from pipeline import opening
from tests.analysis.report.views import with_tables


def drawn(panel, column):
    """The values of a column of a drawing's rows."""
    return {row[column] for rows in panel.chart.to_dict()["datasets"].values() for row in rows if "n_texts" in row}


def test_what_was_steered_at_two_precisions_is_drawn_apart(view):
    """A mean over precisions stands in no table."""
    fp32 = opening.table("steering")
    int8 = fp32.with_columns(pl.lit("int8").alias("precision"), pl.col("mean_target_score") + 1)
    both = with_tables(view, steering=pl.concat([fp32, int8]))
    panels = {panel.title: panel for panel in steering.section(both).panels}
    assert set(panels) == {f"tiny-llama-3.2 {p}, {rule}" for p in ("fp32", "int8") for rule in steering.RULES.values()}
    for rule, title in steering.RULES.items():
        for name, table in (("fp32", fp32), ("int8", int8)):
            scores = table.filter(~pl.col("target").is_in(steering.KINDS), rule=rule)["mean_target_score"]
            assert drawn(panels[f"tiny-llama-3.2 {name}, {title}"], "target_score") <= {*scores}
    assert len(steering.price(both).panels) == 2 * len(steering.price(view).panels) > 0


def test_texts_that_could_not_be_judged_are_told(view):
    shares = pl.lit(0.25), *(pl.lit(0.125).alias(f"share_{name}") for name in ("unchanged", "away", "collapsed", "broken"))
    table = opening.table("steering").with_columns(shares[0].alias("share_toward"), *shares[1:])
    for sentence in steering.section(with_tables(view, steering=table)).words:
        assert "25% of the texts are fluent and towards the target, 25% could not be judged; " in sentence
    whole = table.with_columns(pl.lit(0.375).alias("share_unchanged"))
    assert "judged" not in " ".join(steering.section(with_tables(view, steering=whole)).words)
