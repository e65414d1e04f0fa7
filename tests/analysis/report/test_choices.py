"""A run of few emotions or few stories has an answer to every question, and the reason is that of the pairs asked about."""

import polars as pl
import pytest

from analysis.readers.kinds import TWO_LINEAGES
from analysis.report import answer, beyond, choices, page
from pipeline.schemas.choices import FEWER_EMOTIONS, ONE_SIDED
from tests.analysis.report.views import with_tables

WHY = "a: fewer than 4 topics (or stories per label): no halves to compare"


def null(name, dtype=pl.Float64):
    return pl.lit(None, dtype).alias(name)


def subsets_of(view, n_drawn, rho_dis, reason=None):
    """The view with one row of smaller sets of emotions, of the pair of two lineages."""
    pair = view.pairs(TWO_LINEAGES).row(0, named=True)
    row = {k: pair[k] for k in ("model_a", "model_b", "precision_a", "precision_b", "method_a", "method_b")}
    row |= {"setting_a": "stories", "setting_b": "stories", "choice": FEWER_EMOTIONS, "n_emotions": 5, "n_drawn": n_drawn}
    row |= {"rho_dis": rho_dis, "drawn_5": rho_dis, "drawn_95": rho_dis, "reason": reason} | view.readout
    rows = pl.DataFrame([row], schema_overrides={k: v for k, v in view.raw["choices"].schema.items() if k in row})
    kept = view.raw["choices"].filter(pl.col("choice") != FEWER_EMOTIONS)
    return with_tables(view, choices=pl.concat([kept, rows], how="diagonal"))


@pytest.mark.parametrize(
    ("n_drawn", "rho_dis", "reason", "said"),
    [
        (1, 0.7, None, "4 emotions are too few for smaller sets of them"),  # all of them are one set, and no subset
        (4, None, "rho_dis: in 4 of 4 subsets", "rho_dis: in 4 of 4 subsets"),
        (4, 0.7, None, "with 5 of the emotions rho_dis is 0.70"),
    ],
)
def test_what_has_no_smaller_sets_says_so(view, n_drawn, rho_dis, reason, said):
    found = subsets_of(view, n_drawn, rho_dis, reason)
    section = choices.subsets(found)
    assert said in section.words[0]
    assert bool(section.panels) == (rho_dis is not None and n_drawn > 1)
    assert said in page.page(found, [])


def test_why_a_pair_that_was_read_has_no_number_is_its_own_reason(view):
    pairs = view.raw["pairs"].with_columns(*map(null, ("rho_same", "rho_cross", "rho_dis")), pl.lit(WHY).alias("reason"))
    few = with_tables(view, pairs=pairs, choices=view.raw["choices"].clear(), prediction=view.raw["prediction"].clear())
    for make in (beyond.emotions, beyond.decoding):
        assert make(few).words == [f"Cannot be said: {WHY}."]
    assert f"cannot be said ({WHY})" in answer.sentences(few)[0]
    nobody = with_tables(few, pairs=pairs.filter(pl.col("kind") != TWO_LINEAGES))
    for make in (beyond.emotions, beyond.decoding, choices.subsets):
        assert make(nobody).words == ["Cannot be said: no two trained models of two lineages were read."]


def test_a_choice_that_cannot_be_judged_has_no_reason_of_a_reader_of_words(view):
    rows = view.raw["choices"].with_columns(
        pl.when(pl.col("choice").is_in(ONE_SIDED)).then(None).otherwise("change").alias("change"),
        pl.when(pl.col("model_a").is_in(view.params.words) | pl.col("model_b").is_in(view.params.words))
        .then(pl.lit("a reason of words"))
        .otherwise(pl.lit("reliability"))
        .alias("reason"),
    )
    assert choices.section(with_tables(view, choices=rows)).words[0] == "Not estimable: reliability."
