"""One of a kind is not told as several."""

import pytest

from analysis.report.numbers import controls_in_words, units


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


def test_controls_have_the_names_that_people_read():
    why = "words:all_words may explain it; words:tfidf may explain it"
    assert controls_in_words(why) == "all words at once may explain it; tfidf may explain it"
