"""The corpus that the repository carries."""

import re
from collections import Counter

import pytest

from pipeline import stimuli
from pipeline.params import load_params
from tests.conftest import ROOT, neutral_texts, stories

LABELS = [
    *("afraid", "angry", "anxious", "blissful", "brooding", "calm", "desperate", "enthusiastic", "exasperated", "gloomy"),
    *("grateful", "guilty", "happy", "hopeful", "hostile", "loving", "nervous", "neutral", "proud", "reflective", "sad"),
]
FIRST_PERSON = {"supper", "phone_call", "allotment"}
THIRD_PERSON = {"night_bus": "she", "market_stall": "he", "rehearsal": "she"}
STEMS = (
    *("afraid", "angr", "anxi", "bliss", "brood", "calm", "desperat", "enthus", "exasperat", "gloom", "grateful", "guilt"),
    *("happy", "happi", "hopeful", "hostil", "loving", "nervous", "neutral", "proud", "reflective"),
)


def test_every_label_has_one_story_on_every_topic():
    cells = Counter((s["emotion"], s["topic"]) for s in stories())
    topics = FIRST_PERSON | set(THIRD_PERSON)
    assert cells == Counter((e, t) for e in LABELS for t in topics)


@pytest.mark.parametrize("name", ["stories", "neutral"])
def test_an_id_is_the_hash_of_its_text_and_no_text_stands_twice(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    frame = stimuli.load(load_params().readings[name])
    assert frame["id"].to_list() == [stimuli.content_hash(text) for text in frame["text"]]
    assert frame["text"].n_unique() == frame.height


def test_stories_have_90_to_120_words_in_plain_characters():
    for s in stories():
        assert 90 <= len(s["text"].split()) <= 120, s["id"]
        assert s["text"].isascii(), s["id"]
        assert s["text"] == " ".join(s["text"].split()), s["id"]


def test_no_story_names_a_label():
    for s in stories():
        words = re.findall("[a-z]+", s["text"].lower())
        assert not [w for w in words if w.startswith(STEMS) or w in {"sad", "sadly", "sadness"}], s["id"]


def test_person_is_a_property_of_the_topic():
    for s in stories():
        outside_quotes = re.sub(r'"[^"]*"', " ", s["text"])
        words = Counter(re.findall("[a-z']+", outside_quotes.lower()))
        first = sum(words[w] for w in ("i", "i'd", "i'm", "me", "my", "mine", "we", "us", "our"))
        if s["topic"] in FIRST_PERSON:
            assert first > 0, s["id"]
        else:
            assert first == 0, s["id"]
            assert words[THIRD_PERSON[s["topic"]]] > 0, s["id"]


def test_length_does_not_tell_the_label():
    lengths = {e: [len(s["text"].split()) for s in stories() if s["emotion"] == e] for e in LABELS}
    means = [sum(v) / len(v) for v in lengths.values()]
    assert max(means) - min(means) < 0.1 * sum(means) / len(means)


def test_neutral_texts_end_in_different_marks_and_are_long_enough():
    texts = [t["text"] for t in neutral_texts()]
    assert len(texts) >= 60
    assert all(80 <= len(t.split()) <= 120 for t in texts)
    assert Counter(t[-1] for t in texts).most_common(1)[0][1] < 0.7 * len(texts)
