"""One of a kind is not told as several."""

import pytest

from analysis.report.numbers import units


@pytest.mark.parametrize(
    ("n", "unit", "said"),
    [
        (6, "topic", "6 topics"),
        (1, "topic", "1 topic"),
        (1, "story", "1 story of each label"),
        (4, "fold", "4 folds of each label's stories"),
    ],
)
def test_what_is_drawn_again_in_words(n, unit, said):
    assert units({"n_units": n, "unit": unit}) == said
