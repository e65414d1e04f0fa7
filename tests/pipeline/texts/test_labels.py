import pytest

from pipeline.errors import InputError
from pipeline.texts import labels
from tests.conftest import ROOT

HEAD = "emotion,family,sign,rated_word,valence,arousal,dominance\n"


def written(tmp_path, text):
    path = tmp_path / "file.csv"
    path.write_text(text)
    return path


def test_labels_come_in_the_order_asked_for_and_unknown_ones_have_nothing(tmp_path):
    path = written(tmp_path, "# a source\n" + HEAD + "sad,sadness,negative,sad,2.1,3.5,3.8\ncalm,quiet,positive,,,,\n")
    found = labels.emotions(path, ["calm", "odd", "sad"])
    assert found["emotion"].to_list() == ["calm", "odd", "sad"]
    assert found["sign"].to_list() == ["positive", None, "negative"]
    assert found["valence"].to_list() == [None, None, 2.1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "sad,s,negative,,x,,\n", "valence of 'sad' is 'x', which is no number"),
        *[
            (HEAD + f"sad,s,negative,,2.5,{value},\n", f"arousal of 'sad' is {said}; norms are means of ratings from 1 to 9")
            for value, said in (
                ("500", "500"),
                ("-3", "-3"),
                ("nan", "nan"),
                ("inf", "inf"),
                ("22.5", "22.5"),
                ("0.99", "0.99"),
            )
        ],
        (HEAD + "sad,s,bad,,,,\n", "sign of 'sad' is 'bad'; it may be positive, negative, neutral"),
        (HEAD + "sad,s,negative,,,,\nsad,s,negative,,,,\n", "emotion 'sad' is empty or stands twice"),
        ("emotion,family\nsad,s\n", "no column sign, rated_word, valence, arousal, dominance; it has emotion, family"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        labels.emotions(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.csv: no such file"):
        labels.topics(tmp_path / "none.csv")


def test_persons_and_matches_are_checked(tmp_path):
    with pytest.raises(InputError, match="person of 'bus' is 'it'"):
        labels.topics(written(tmp_path, "topic,person,setting\nbus,it,a bus\n"))
    with pytest.raises(InputError, match="match of 'sadly' is 'all'"):
        labels.label_words(written(tmp_path, "emotion,word,match\nsad,sadly,all\n"))


@pytest.mark.parametrize("word", ["", "very scared", "self-pity", "Scared", "scared!", "7"])
def test_a_word_that_no_text_could_hold_is_named_with_its_label(tmp_path, word):
    path = written(tmp_path, f"emotion,word,match\nsad,sorrow,stem\nafraid,{word},word\n")
    with pytest.raises(InputError) as error:
        labels.label_words(path)
    said = f"{path}: a word of 'afraid' is '{word}', and texts are searched for single words in small letters; write one, or"
    assert str(error.value).startswith(said)


def test_the_ends_of_the_scale_are_norms(tmp_path):
    found = labels.emotions(written(tmp_path, HEAD + "sad,s,negative,,1,9,5.5\n"))
    assert found.select(labels.NORMS).rows() == [(1.0, 9.0, 5.5)]


@pytest.mark.parametrize("folder", ["stimuli", "own"])
def test_the_files_of_the_repository_are_read(folder):
    assert labels.emotions(ROOT / f"data/{folder}/emotions.csv").width == len(labels.EMOTIONS)
    assert labels.label_words(ROOT / f"data/{folder}/label_words.csv").width == len(labels.LABEL_WORDS)


def test_label_words_are_found_by_themselves_or_by_their_stem(tmp_path):
    path = written(tmp_path, "emotion,word,match\nsad,sorrow,stem\nsad,blue,word\n")
    known = labels.LabelWords.of(labels.label_words(path), "sad")
    assert known.found_in("Sorrowful, he wore blue; her sadness, blues and BLUE sorrows.") == [
        *("sorrowful", "blue", "sadness", "sorrows"),
    ]
    assert known.found_in("A saddle, a bluebell.") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't go, it is 3rd a_b.", ["don't", "go", "it", "is", "rd", "a", "b"]),
        (
            "\u0917\u0930\u094d\u0935 \u0914\u0930",
            ["\u0917\u0930\u094d\u0935", "\u0914\u0930"],
        ),  # vowel signs are no letters to re
        ("cafe\u0301 l'e\u0301te\u0301", ["cafe\u0301", "l'e\u0301te\u0301"]),
    ],
)
def test_a_word_of_any_script_holds_its_marks(text, words):
    assert labels.words_of(text) == words
