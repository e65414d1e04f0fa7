import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.behaviour.constraints import CHECKS, score
from pipeline.errors import InputError
from tests.conftest import ROOT

COLUMNS = ["id", "instruction", "easy_task", "conflicting_task", "check", "argument"]
with (ROOT / "data/behaviour/constraints.csv").open(newline="", encoding="utf-8") as file:
    CONSTRAINTS = list(csv.DictReader(file))

BY_HAND = [
    ("max_words", "4", "One two three four.", 1),
    ("max_words", "2", "1. red\n2. blue", 1),
    ("max_words", "4", "one two three four five six seven eight", 4 / 8),
    ("min_words", "4", "one two three four five", 1),
    ("min_words", "4", "one two", 2 / 4),
    ("exact_words", "3", "It's well-known: 2.5", 1),
    ("exact_words", "3", "one", 1 / 3),
    ("exact_words", "3", "one two three four five six", 3 / 6),
    ("exact_sentences", "2", "One here. Two here!", 1),
    ("exact_sentences", "2", "A line\n\nanother line", 1),
    ("exact_sentences", "1", "Prices rose by 2.5 percent.", 1),
    ("exact_sentences", "2", "Just one", 1 / 2),
    ("exact_sentences", "2", "Well... One. Two. Three. Four?", 2 / 5),
    ("short_sentences", "3", "I am here. It is a very long day. You?", 2 / 3),
    ("short_sentences", "3", "I am here. You too?", 1),
    ("without", "e", "A big cat", 1),
    ("without", "e", "The cat", 1 / 2),
    ("without", "E", "A BIG ELEPHANT", 2 / 3),
    ("without", ",", "One, two. Three.", 1 / 2),
    ("without", ",", "One; two. Three.", 1),
    ("lower_case", "", "all small. Not this.", 1 / 2),
    ("lower_case", "", "all small, 2 of them.", 1),
    ("upper_case", "", "STOP! 42", 1),
    ("upper_case", "", "STOP now", 4 / 7),
    ("begins_with", "Yesterday", "yesterday, I ran.", 1),
    ("begins_with", "Yesterday", "Sure! Yesterday I ran.", 1 / 2),
    ("begins_with", "good night", "Good day. Good night! I ran.", 1 / 2),
    ("ends_with", "good night", "Sleep now. Good night!", 1),
    ("ends_with", "good night", "Good night. Sleep well. Bye.", 1 / 3),
    ("ends_with", "good night", "A good long night", 0),
    ("bullets", "3", "- a\n- b\n\n- c", 1),
    ("bullets", "3", "Here you are:\n- a\n- b\n- c", 3 / 4),
    ("bullets", "3", "* a\n* b", 2 / 3),
    ("bullets", "3", "- a\n- b\n- c\n- d\nThat is all.", 3 / 4 * 4 / 5),
    ("bullets", "3", "1. a\n-b\n**c**", 0),
    ("json_keys", "name, size", '{"name": "x", "size": 2}', 1),
    ("json_keys", "name, size", '{"name": "x"}', 1 / 2),
    ("json_keys", "name, size", '{"name": 1, "size": 2, "age": 3}', 2 / 3),
    ("json_keys", "name, size", '```json\n{"name": 1, "size": 2}\n```', 1 / 2),
    ("json_keys", "name, size", '["name", "size"]', 0),
    ("json_keys", "name, size", "{name: x, size: 2}", 0),
    ("json_keys", "name, size", "[" * 100_000, 0),
    ("questions", "", 'Why bake? "When?"', 1),
    ("questions", "", "Do you bake? I do.", 1 / 2),
    ("only_digits", "", " 4 2\n", 1),
    ("only_digits", "", "42 legs", 2 / 6),
    ("repeats_word", "river 4", "River, river; a river\nRIVER", 1),
    ("repeats_word", "river 4", "River, river; rivers river", 3 / 4),
    ("repeats_word", "river 4", "river " * 8, 4 / 8),
    ("repeats_word", "river 4", "a brook", 0),
    ("alphabetical", "3", "ant\nBee\ncat", 1),
    ("alphabetical", "3", "- bee\n- ant\n- cat", 1 / 2),
    ("alphabetical", "3", "ant\nbee", 2 / 3),
    ("alphabetical", "3", "ant, bee, cat", 0),
    ("acrostic", "SUN", "sand\nUp\n**Now**", 1),
    ("acrostic", "SUN", "Sand\nNow\nUp", 1 / 3),
    ("acrostic", "SUN", "Sand, up, now", 1 / 3),
    ("acrostic", "SUN", "Sand\nUp\nNow\nThen", 3 / 4),
]

SEASIDE = "We come to the beach early, lay out our towels and run into the cold waves. " * 4
FIRE = "Yes, fire is hot, and anyone who holds a hand near a candle can feel that it is so. " * 4
# By id: an ideal answer to the easy task, one to the conflicting task, one to the latter that ignores the constraint.
ANSWERS = {
    "twelve_words": (
        "A spoon is for eating soup.",
        "Leaves use sunlight to turn water and air into sugar.",
        "Roots take up water. Leaves take in carbon dioxide. Sunlight then drives a long chain of reactions ending in sugar.",
    ),
    "five_words": ("Call her Midnight.", "Water rises, cools, falls, flows.", "First, water rises from the sea as vapour."),
    "one_word": ("Green.", "Ancient", "Bread was first baked many thousands of years ago."),
    "ten_words": (
        "A small brown dog chases two pigeons through the park.",
        "Boil two carrots, one leek and salt for thirty minutes.",
        "Peel 500 g of potatoes. Chop two carrots. Fry an onion in oil. Add a litre of stock.",
    ),
    "sixty_words": (SEASIDE, FIRE, "Yes."),
    "two_sentences": (
        "A library keeps books. Anyone may borrow them.",
        "A miller's cat crossed seven seas to win a crown. It came home with a herring.",
        "Once there was a cat. It left home. It met a fox. They found a ship. A storm came. All ended well.",
    ),
    "short_sentences": (
        "A cat has soft fur. It purrs.",
        "The Earth leans. So sunlight changes.",
        "There are seasons because the axis of the Earth is tilted, so that each half leans to the Sun for a time.",
    ),
    "no_e": ("A cat and a dog.", "It is dark and cold, and bugs hum in a box.", "On winter evenings the beekeepers rest here."),
    "no_commas": (
        "I like autumn best.",
        "Apples and pears and plums and figs and limes and dates and kiwis and grapes and melons and mangos.",
        "Apples, pears, plums, figs, limes, dates, kiwis, grapes, melons and mangos.",
    ),
    "lower_case": ("a cup of tea is warm.", "rome is in italy. oslo is in norway.", "Rome is in Italy. Oslo is in Norway."),
    "capitals": ("CAUTION! WET FLOOR.", "HUSH, LITTLE ONE, CLOSE YOUR EYES.", "Hush, little one, close your eyes."),
    "begins_yesterday": (
        "Yesterday somebody planted beans.",
        "Yesterday is far away: cities will be green.",
        "Cities will be green.",
    ),
    "ends_good_night": ("Sleep well and good night.", "Welcome! To those on the late shift: good night!", "Welcome!"),
    "three_bullets": (
        "- Cherries\n- Strawberries\n- Raspberries",
        "- Dear Ann, four planets are of rock.\n- Then come two giants of gas.\n- Two are of ice. Yours, Bo",
        "Dear Ann,\nMercury is small and grey.\nVenus is hot.\nYours, Bo",
    ),
    "json": (
        '{"name": "elephant", "size": "huge"}',
        '{"name": "Blue and wide it rolls ashore", "size": "two lines, no more"}',
        "The sea is wide,\nit comes with the tide.",
    ),
    "questions": (
        "When do you get up? What is in your rye bread?",
        "Have you boiled water? Could you pour it on the leaves?",
        "Boil water. Pour it on the tea. Wait.",
    ),
    "digits": ("7", "8", "A spider has 8 legs and walks on them."),
    "river_four_times": (
        "The river is calm. We row up the river. A heron fishes in the river. Goodbye, river!",
        "Lay one lace over the other like river over river, make a loop like a bend of the river, and pull; so says the river.",
        "Cross the laces, make a loop, wrap the other lace round it and pull.",
    ),
    "alphabetical": (
        "Cow\nDuck\nGoat\nHen\nPig",
        "Earth\nJupiter\nMars\nMercury\nVenus",
        "1. Mercury\n2. Venus\n3. Earth\n4. Mars\n5. Jupiter",
    ),
    "sun": (
        "Swallows fly\nUnder the sky\nNo cloud goes by",
        "Seek shelter\nUse an umbrella\nNever forget boots",
        "Wear a coat. Take an umbrella. Avoid puddles.",
    ),
}


@pytest.mark.parametrize(("check", "argument", "text", "expected"), BY_HAND)
def test_a_score_is_its_formula_worked_out_by_hand(check, argument, text, expected):
    assert score(check, argument, text) == pytest.approx(expected, abs=1e-12)


def test_every_check_is_worked_out_where_it_is_met_and_where_it_is_not():
    for check in CHECKS:
        expected = [value for name, _, _, value in BY_HAND if name == check]
        assert max(expected) == 1, check
        assert any(0 < value < 1 for value in expected), check


PIECES = [
    "- ",
    "1. ",
    "\n",
    " ",
    ". ",
    "? ",
    ",",
    "river",
    "Yesterday",
    "good night",
    "{",
    "}",
    '"name": 1',
    "SUN",
    "é",
    "7",
    "’",
]
TEXTS = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@settings(deadline=None, derandomize=True)
@given(TEXTS)
def test_every_score_of_any_text_is_a_number_from_0_to_1(text):
    for row in CONSTRAINTS:
        assert 0 <= score(row["check"], row["argument"], text) <= 1


@settings(deadline=None, derandomize=True)
@given(st.text(" \n\t.,;!?-*'\"()[]{}"))
def test_a_text_without_words_scores_0_everywhere(text):
    assert {score(row["check"], row["argument"], text) for row in CONSTRAINTS} == {0}


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text("abc", min_size=1), min_size=2), st.integers(1, 9))
def test_counts_and_orders_are_those_of_the_lists_that_a_text_was_made_from(made, n):
    assert (score("alphabetical", str(len(made)), "\n".join(made)) == 1) == (made == sorted(made))
    assert score("exact_words", str(n), " ".join(made)) == min(n / len(made), len(made) / n)
    assert score("exact_sentences", str(n), ". ".join(made)) == min(n / len(made), len(made) / n)
    assert (score("max_words", str(n), " ".join(made)) == 1) == (len(made) <= n)
    assert (score("min_words", str(n), " ".join(made)) == 1) == (len(made) >= n)
    assert score("without", "a", " ".join(made)) * len(made) == pytest.approx(sum("a" not in one for one in made))


@pytest.mark.parametrize(
    ("check", "argument", "message"),
    [
        ("max_word", "3", "unknown check 'max_word'; did you mean 'max_words'?"),
        ("rhyme", "", "unknown check 'rhyme'; there are: max_words, min_words,"),
        ("max_words", "three", "check 'max_words': argument 'three' is no whole number from 1 on; write one, for example 3"),
        ("exact_words", "0", "argument '0' is no whole number from 1 on"),
        ("bullets", "-1", "argument '-1' is no whole number"),
        ("alphabetical", "1", "argument '1' is no whole number from 2 on"),
        ("without", "th", "check 'without': argument 'th' is no single letter or mark; write one, for example e"),
        ("lower_case", "3", "check 'lower_case': argument '3' has no use here; leave it empty"),
        ("begins_with", "...", "check 'begins_with': argument '...' has no word"),
        ("json_keys", "name,,size", "argument 'name,,size' is no list of different keys; write them as in: name, size"),
        ("json_keys", "name, name", "is no list of different keys"),
        ("repeats_word", "river", "check 'repeats_word': argument 'river' is no word with a number; write it as in: river 4"),
        ("repeats_word", "river four", "check 'repeats_word': argument 'four' is no whole number"),
        ("acrostic", "S U", "check 'acrostic': argument 'S U' is no word of two letters or more"),
    ],
)
def test_an_unknown_check_and_a_malformed_argument_are_named_whatever_the_text(check, argument, message):
    for text in ("", "Some words."):
        with pytest.raises(InputError) as error:
            score(check, argument, text)
        assert message in str(error.value)


def test_the_constraints_are_complete_and_their_ids_and_texts_stand_once():
    assert list(CONSTRAINTS[0]) == COLUMNS
    assert len(CONSTRAINTS) >= 12
    for column in ("id", "instruction", "easy_task", "conflicting_task"):
        values = [row[column] for row in CONSTRAINTS]
        assert all(value == value.strip() != "" for value in values)
        assert len(set(values)) == len(values), column
    assert {row["check"] for row in CONSTRAINTS} == set(CHECKS)


@pytest.mark.parametrize("row", CONSTRAINTS, ids=[row["id"] for row in CONSTRAINTS])
def test_ideal_answers_score_1_and_one_that_ignores_the_constraint_below_its_pass(row):
    easy, conflicting, ignoring = ANSWERS[row["id"]]
    assert score(row["check"], row["argument"], easy) == 1
    assert score(row["check"], row["argument"], conflicting) == 1
    assert score(row["check"], row["argument"], ignoring) < 0.7
