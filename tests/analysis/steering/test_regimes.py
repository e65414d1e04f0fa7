"""Text statistics by brute force, and regimes at the very border."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.steering import regimes
from analysis.steering.regimes import AWAY, BROKEN, COLLAPSE, EXPLOSIVE, NONE, REPETITIVE, SURGICAL, TOWARD
from pipeline.params.steering import Thresholds

LIMITS = Thresholds()
WORDS = st.lists(st.sampled_from(["a", "b", "Cat", "cat,"]), max_size=12)


@given(WORDS)
def test_statistics_are_those_of_counting_by_hand(words):
    text = "  \n".join(words)
    low = [w.lower() for w in words]
    found = regimes.statistics(text)
    assert found["n_words"] == len(words)
    places = range(len(low) - 2)
    counts = [sum(low[i : i + 3] == low[j : j + 3] for j in places) for i in places]
    assert found["most_3"] == max(counts, default=0)


def published(texts_, limits):
    """The published rule, text by text."""
    repetitive = short = 0
    for text in texts_:
        words = text.lower().split()
        runs = [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
        repetitive += any(runs.count(run) >= 3 for run in runs)
        short += len(words) < 3
    if repetitive / len(texts_) > 0.5:
        return REPETITIVE
    return EXPLOSIVE if short / len(texts_) > 0.3 else SURGICAL


LOOP, SHORT, FINE = "he said so he said so he said so", "no no", "the sea was calm that day"


@pytest.mark.parametrize(
    ("n_loop", "n_short", "expected"),
    [(5, 0, SURGICAL), (6, 0, REPETITIVE), (0, 3, SURGICAL), (0, 4, EXPLOSIVE), (5, 4, EXPLOSIVE), (6, 4, REPETITIVE)],
)
def test_a_label_changes_exactly_where_a_share_exceeds_its_limit(n_loop, n_short, expected):
    made = [LOOP] * n_loop + [SHORT] * n_short + [FINE] * (10 - n_loop - n_short)
    each = [regimes.regime(s["most_3"], s["n_words"], LIMITS) for s in map(regimes.statistics, made)]
    assert each == [REPETITIVE] * n_loop + [EXPLOSIVE] * n_short + [SURGICAL] * (10 - n_loop - n_short)
    assert regimes.label(n_loop, n_short, 10, LIMITS) == expected == published(made, LIMITS)


def test_a_text_is_repetitive_from_three_times_on_and_short_below_three_words():
    twice = regimes.statistics("one two three one two three one two")
    thrice = regimes.statistics("One two three one TWO three one two three")
    assert [regimes.regime(s["most_3"], s["n_words"], LIMITS) for s in (twice, thrice)] == [SURGICAL, REPETITIVE]
    assert [regimes.regime(0, n, LIMITS) for n in (0, 2, 3)] == [EXPLOSIVE, EXPLOSIVE, SURGICAL]
    assert regimes.regime(2, 8, Thresholds(times=2)) == REPETITIVE


def test_shares_are_compared_exactly_also_where_a_float_would_be_off():
    limits = Thresholds(explosive=0.29, repetitive=0.57)
    assert 100 * 0.29 < 29  # in floats
    assert 100 * 0.57 < 57
    assert [regimes.label(0, n, 100, limits) for n in (29, 30)] == [SURGICAL, EXPLOSIVE]
    assert [regimes.label(n, 0, 100, limits) for n in (57, 58)] == [SURGICAL, REPETITIVE]


@given(st.integers(1, 12), st.data())
def test_to_another_label_is_the_shortest_way_there(n, data):
    r = data.draw(st.integers(0, n))
    s = data.draw(st.integers(0, n - r))
    here = regimes.label(r, s, n, LIMITS)
    # widen by one text at a time until some composition has another label
    reached, steps = {(r, s)}, 0
    while all(regimes.label(*c, n, LIMITS) == here for c in reached) and steps <= n:
        moves = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1))
        more = {(a + da, b + db) for a, b in reached for da, db in moves}
        reached |= {(a, b) for a, b in more if a >= 0 and b >= 0 and a + b <= n}
        steps += 1
    assert regimes.to_another(r, s, n, LIMITS) == (steps if steps <= n else None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((True, 9, 0, None, None), NONE),
        ((False, 3, 20, 0.5, 2.0), COLLAPSE),
        ((False, 2, 2, 1.0, 2.0), BROKEN),
        ((False, 2, 3, 4.0, 2.0), TOWARD),
        ((False, 2, 3, 4.0001, 2.0), BROKEN),
        ((False, 0, 9, 1.0, 0.0), AWAY),
        ((False, 0, 9, 1.0, 1e-9), TOWARD),
        ((False, 0, 9, None, 1.0), None),
        ((False, 0, 9, 1.0, None), None),
    ],
)
def test_effects_are_judged_in_order(arguments, expected):
    assert regimes.effect(*arguments, LIMITS) == expected
