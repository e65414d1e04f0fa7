"""Which scripts part no words by blanks, by the names of their letters; and what becomes of numbers of words there."""

import unicodedata
from itertools import product

import pytest
from sklearn.feature_extraction.text import CountVectorizer

from analysis.readers.words import READERS
from analysis.steering import regimes
from pipeline.behaviour import constraints
from pipeline.params.steering import Thresholds
from pipeline.params.whole import Params
from pipeline.plan import scripts
from pipeline.texts import labels, stimuli
from tests.conftest import stories

NAMED = (
    "CJK UNIFIED",
    "CJK COMPATIBILITY IDEOGRAPH",
    "IDEOGRAPHIC",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "THAI ",
    "LAO ",
    "KHMER ",
)
NAMED += ("MYANMAR ", "TIBETAN ", "TAI LE ", "NEW TAI LUE ", "TAI THAM ")
CHINESE = "我今天早上去了公园。看见很多花都开了。心里非常高兴。然后我回家给妈妈打电话。告诉她我看到的一切。"
MODEL = "tiny-llama-3.2"


def test_letters_are_known_by_their_names():
    for code in (
        *range(0x3040),
        *range(0x3041, 0xA000),
        *range(0xAC00, 0xD7A4),
        *range(0xF900, 0xFB00),
        *range(0xFF66, 0xFF9E),
        *range(0x20000, 0x20100),
    ):
        letter = chr(code)
        if letter.isalpha():
            assert bool(scripts.UNPARTED.match(letter)) == unicodedata.name(letter, "").startswith(NAMED), unicodedata.name(
                letter
            )


@pytest.mark.parametrize(
    ("text", "unparted"),
    [
        (CHINESE, True),
        ("今日は公園でたくさんの花を見て、とても嬉しかった。", True),
        ("วันนี้ฉันไปสวนสาธารณะและรู้สึกมีความสุขมาก", True),
        ("Anna 说她很高兴", True),
        ("오늘 아침 공원에 가서 꽃을 보았다.", False),
        ("Сегодня утром я пошла в парк.", False),
        ("ذهبت إلى الحديقة هذا الصباح", False),
        ("मैं आज सुबह पार्क गया था", False),
        ("She wrote 高兴 on the wall and went home in the rain without a word.", False),
        ("1, 2, 3!", False),
    ],
)
def test_texts_are_told_by_their_letters(text, unparted):
    assert scripts.unparted([text]) == unparted


def test_what_is_said_is_what_becomes_of_the_numbers():
    own = regimes.statistics(CHINESE)
    assert own == {"n_words": 1, "most_3": 0}
    limits = Thresholds()
    assert regimes.regime(own["most_3"], own["n_words"], limits) == regimes.EXPLOSIVE
    assert regimes.effect(False, own["most_3"], own["n_words"], 1.0, 1.0, limits) == regimes.BROKEN
    assert regimes.effect(False, own["most_3"], own["n_words"], 1.0, 1.0, Thresholds(words=1)) == regimes.TOWARD
    assert regimes.statistics("好" * 50)["most_3"] == 0  # a collapse that is not seen
    assert max(map(len, CountVectorizer(**READERS["tfidf"]).fit([CHINESE]).vocabulary_)) == 11  # a clause is a word
    assert not labels.LabelWords(frozenset(["高兴"]), frozenset()).found_in(CHINESE)  # though it holds it
    assert constraints.score("exact_sentences", "5", CHINESE) == 0.2  # of five one is seen


def in_chinese(project):
    rows = [
        s | {"text": f"{i:03} {CHINESE[:20]}{chr(0x4E00 + i) * 30}"}
        for i, s in enumerate(stories())
        if s["emotion"] in project.emotions
    ]
    project.write_csv("stories.csv", rows)
    for name in ("steering", "questions", "constraints"):
        path = project.folder / f"data/behaviour/{name}.csv"
        head, *_ = path.read_text(encoding="utf-8").splitlines()
        tasks = f"a,{CHINESE[:9]},{CHINESE[10:18]},{CHINESE[19:25]},{{check}},{{argument}}"
        made = {
            "steering": [f"{n}{s},{s},{CHINESE[n:]}" for n, s in product(range(2), ("ours", "paper"))],
            "questions": ["a," + ",".join(f"{x}{CHINESE[:9]}" for x in "甲乙丙丁戊己庚辛壬")],
            "constraints": [
                tasks.format(check="exact_words", argument="3"),
                tasks.replace("a,", "b,乙", 1).format(check="json_keys", argument='"a, b"'),
            ],
        }[name]
        path.write_text("\n".join([head, *made]) + "\n", encoding="utf-8")
    project.params["steering"]["models"] = [MODEL]
    project.params["behaviour"]["models"] = [MODEL]
    project.save()


def test_each_place_is_named_once(project):
    params = Params.load()
    assert not list(scripts.said(params, {"stories": stimuli.load(params.readings["stories"])}))
    in_chinese(project)
    params = Params.load()
    found = list(scripts.said(params, {"stories": stimuli.load(params.readings["stories"])}))
    begins = (
        "The stories are",
        "words: tfidf",
        "data/behaviour/steering",
        "data/behaviour/questions",
        "data/behaviour/constraints",
    )
    assert [line.startswith(begin) for line, begin in zip(found, begins, strict=True)] == [True] * 5
    assert "exact_words count" in found[-1]  # and json_keys, which counts none, is not named
    assert "steering.thresholds.words (3)" in found[2]


def test_the_checks_that_are_named_are_checks():
    assert constraints.CHECKS.keys() > scripts.BY_WORDS_OR_SENTENCES
