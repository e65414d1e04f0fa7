import hashlib
import json
from pathlib import Path
from unicodedata import normalize

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.params.reading import Columns, Position, Reading
from pipeline.texts import stimuli


def load(path, emotions="all", **columns):
    return stimuli.load(Reading(path=path, columns=Columns(**columns), emotions=emotions, positions=["last"]))


def write(tmp_path, text, name="own.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


CAFE = "Un café, s'il vous plaît."
GOOD = 'id,emotion,topic,text\na,calm,bus,"One, two."\nb,sad,bus,Three.\nc,calm,tram,"Four\nfive."\n'


def test_a_csv_is_read_in_its_order_with_its_labels(tmp_path):
    frame = load(write(tmp_path, GOOD))
    assert frame.rows() == [
        ("a", "calm", "bus", "One, two."),
        ("b", "sad", "bus", "Three."),
        ("c", "calm", "tram", "Four\nfive."),
    ]


def test_jsonl_with_other_names_reads_the_same_as_csv(tmp_path):
    rows = [{"story": r[3], "feeling": r[1], "scene": r[2]} for r in load(write(tmp_path, GOOD)).rows()]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "own.jsonl")
    frame = load(path, text="story", emotion="feeling", topic="scene")
    assert frame["text"].to_list() == [r["story"] for r in rows]
    assert frame["emotion"].to_list() == ["calm", "sad", "calm"]
    assert frame["id"][0] == hashlib.sha256(b"One, two.").hexdigest()[:12]


def test_numbers_and_null_words_stay_text(tmp_path):
    frame = load(write(tmp_path, "emotion,topic,text\n1,null,007\n2,NA,1e3\n"))
    assert frame.select("emotion", "topic", "text").rows() == [("1", "null", "007"), ("2", "NA", "1e3")]


def test_a_file_without_labels_has_empty_ones(tmp_path):
    frame = load(write(tmp_path, "text\nOne.\nTwo.\n"), emotion=None, topic=None)
    assert frame["emotion"].to_list() == ["", ""]


def test_a_byte_order_mark_is_not_part_of_a_column(tmp_path):
    assert load(write(tmp_path, "\ufeff" + GOOD)).height == 3


def test_emotions_can_be_chosen(tmp_path):
    assert load(write(tmp_path, GOOD), emotions=["calm"])["id"].to_list() == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,topic\ncalm,bus\n", r"own.csv: no column 'text'; columns are emotion, topic. .*columns.text"),
        (
            "Emotion,topic,text\ncalm,bus,One.\n",
            r"no column 'emotion' \(nearest: 'Emotion'\).*or null for a file without emotions",
        ),
        ("emotion,topic,text\ncalm,bus,\n", "'text' is empty in row 1; fill it or delete the row"),
        ("emotion,topic,text\ncalm,bus,One.\n,bus,Two.\n", "'emotion' is empty in row 2"),
        ("emotion,topic,text\ncalm,bus,One.\nsad,bus,Two.\nsad,tram,One. \n", 'the same text stands in rows 1, 3: "One."'),
        ("id,emotion,topic,text\na,calm,bus,One.\na,sad,bus,Two.\n", 'the same id stands in rows 1, 2: "a"'),
        ("emotion,topic,text\n", "no rows"),
        ("", "not readable as CSV"),
        ("emotion,topic,text\ncalm,bus,One.,more\n", "not readable as CSV"),
    ],
)
def test_bad_input_is_named_by_file_and_row(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path, text))


@pytest.mark.parametrize("other", ["Un café,  s'il vous plaît.", "Un café,\ns'il vous\u00a0plaît.", normalize("NFD", CAFE)])
def test_a_text_in_other_white_space_or_unicode_form_is_the_same_text(tmp_path, other):
    path = write(tmp_path, f'emotion,topic,text\ncalm,bus,"{CAFE}"\nsad,bus,Two.\nsad,bus,"{other}"\n')
    with pytest.raises(InputError, match=f'own.csv: the same text stands in rows 1, 3: "{CAFE}"; keep one'):
        load(path)


def test_the_id_is_of_the_text_as_it_stands(tmp_path):
    text = normalize("NFD", "Un  café.")
    frame = load(write(tmp_path, f"emotion,topic,text\ncalm,bus,{text}\n"))
    assert frame.row(0)[::3] == (hashlib.sha256(text.encode()).hexdigest()[:12], text)


def test_of_json_lines_the_keys_that_are_asked_for_are_read_as_they_stand(tmp_path):
    """Another type in another row changes none, and what nobody asks for may be anything."""
    rows = [
        {"text": "One.", "emotion": 1, "topic": True, "note": [1]},
        {"text": "Two.", "emotion": 2.5, "topic": False, "note": True},
        {"text": "007", "emotion": "2.50", "topic": "x", "note": {"a": 2}, "more": 1},
    ]
    frame = load(write(tmp_path, "\n\n".join(map(json.dumps, rows)), "own.jsonl"))
    assert frame.drop("id").rows() == [("1", "true", "One."), ("2.5", "false", "Two."), ("2.50", "x", "007")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "Two.", "emotion": ["sad"]}', "row 2: 'emotion' is a list, not text; write it in double quotes"),
        ('{"text": {"en": "Two."}}', "row 2: 'text' is an object, not text"),
        ('{"text": "\\ud800 Two.", "emotion": "sad"}', r"row 2: 'text' holds U\+D800, which cannot be seen; take it out"),
        ('{"text": "Two."', "row 2: no JSON object; write each row as one object"),
        ("[1]", "row 2: no JSON object"),
        ('{"text": "Two.", "text": "2"}', "row 2: 'text' stands twice; keep one"),
        ('{"text": "Two.", "emotion": NaN}', "row 2: NaN is no value of JSON"),
        ('{"text": "Two."}', "'emotion' is empty in row 2"),
    ],
)
def test_a_row_of_json_lines_that_is_none_is_named(tmp_path, line, said):
    path = write(tmp_path, f'{{"text": "One.", "emotion": "calm"}}\n\n{line}\n', "own.jsonl")
    with pytest.raises(InputError, match=rf"^\S*own.jsonl: {said}") as caught:
        load(path, topic=None)
    assert len(str(caught.value).splitlines()) == 1


def test_json_lines_without_a_row_or_a_column_are_named(tmp_path):
    with pytest.raises(InputError, match=r"own.jsonl: no rows"):
        load(write(tmp_path, "\n", "own.jsonl"))
    with pytest.raises(InputError, match=r"no column 'emotion' \(nearest: 'emotoin'\); columns are text, emotoin"):
        load(write(tmp_path, '{"text": "One."}\n{"text": "Two.", "emotoin": "sad"}', "own.jsonl"), topic=None)


def test_an_emotion_without_stories_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"emotion 'clam' \(params.yaml\) has no stories; did you mean 'calm'"):
        load(write(tmp_path, GOOD), emotions=["clam"])


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(GOOD.replace("Three", "Tr\xe9s").encode("latin-1"))
    with pytest.raises(InputError, match="not readable as CSV in UTF-8"):
        load(path)


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(InputError, match="none.csv: no such file"):
        load(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"own.txt: a text source is a .csv or .jsonl file"):
        load(write(tmp_path, GOOD, "own.txt"))


def test_the_digest_sees_every_cell_and_the_order(tmp_path):
    frame = load(write(tmp_path, GOOD))
    other = load(write(tmp_path, GOOD.replace("Three", "3")))
    assert len({stimuli.digest(frame), stimuli.digest(frame.reverse()), stimuli.digest(other)}) == 3


def test_texts_of_fewer_words_than_a_position_counts_are_named(tmp_path):
    frame = pl.DataFrame({"id": ["a", "b"], "text": ["One two  three\nfour", "One two"]})
    at = {"last": Position(rule="last"), "word3": Position(rule="word", word=3)}
    with pytest.raises(InputError, match=r"own.csv: position 'word3' needs 3 words, and these texts have fewer: b \(2 words\)"):
        stimuli.have_words(frame, at, Path("own.csv"))
    stimuli.have_words(frame, {"last": at["last"], "word2": Position(rule="mean", word=2)}, Path("own.csv"))


# --- what the eye does not see -------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_text_in_jsonl_either(tmp_path):
    rows = [{"text": "One.", "emotion": "calm", "topic": "bus"}, {"text": "Two.", "emotion": "sad", "topic": "bus"}]
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(map(json.dumps, rows)).encode())
    assert load(path)["text"].to_list() == ["One.", "Two."]


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\x7f", "\x9f"])
def test_control_characters_are_named_with_their_row(tmp_path, bad):
    path = write(tmp_path, json.dumps({"text": "One."}) + "\n" + json.dumps({"text": f"Tw{bad}o."}), "own.jsonl")
    with pytest.raises(InputError, match=rf"own.jsonl: row 2: 'text' holds U\+{ord(bad):04X}, which cannot be seen"):
        load(path, emotion=None, topic=None)


@pytest.mark.parametrize("bad", ["\u200b", "\u00ad", "\ufeff", "\u00a0", "\u202e", "\u2028"])
def test_what_is_invisible_in_a_label_is_named_and_in_a_text_may_join_letters(tmp_path, bad):
    def rows(label, text):
        return json.dumps({"text": text, "emotion": label, "topic": "bus"}, ensure_ascii=True)

    assert load(write(tmp_path, rows("calm", f"On{bad}e."), "own.jsonl")).height == 1
    with pytest.raises(InputError, match=rf"row 1: 'emotion' holds U\+{ord(bad):04X}"):
        load(write(tmp_path, rows(f"ca{bad}lm", "One."), "own.jsonl"))


@pytest.mark.parametrize(
    ("one", "other"), [("Joy", "joy"), ("caf\u00e9", "cafe\u0301"), ("\uff4a\uff4f\uff59", "joy"), ("STRASSE", "stra\u00dfe")]
)
def test_labels_that_look_the_same_are_refused(tmp_path, one, other):
    with pytest.raises(InputError, match=f"emotion '{other}' and '{one}' look the same; write them alike"):
        load(write(tmp_path, f"text,emotion,topic\nOne.,{one},bus\nTwo.,{other},bus\n"))
    with pytest.raises(InputError, match="topic .* look the same"):
        load(write(tmp_path, f"text,emotion,topic\nOne.,calm,{one}\nTwo.,calm,{other}\n"))


@pytest.mark.parametrize(
    "unseen", [*"\u034f\u115f\u1160\u2800\u3164\uffa0\u180b\ufe00\ufe0f\U000e0100\U000e01ef", "\ufe0f\u2800"]
)
def test_what_cannot_be_seen_makes_no_other_label(tmp_path, unseen):
    for one, other in (("joy", f"jo{unseen}y"), ("é", f"e{unseen}\u0301"), ("☺", f"☺{unseen}")):
        with pytest.raises(InputError, match=f"emotion '{other}' and '{one}' look the same; write them alike"):
            load(write(tmp_path, f"text,emotion,topic\nOne.,{one},bus\nTwo.,{other},bus\n"))


def test_an_emoji_is_a_label(tmp_path):
    frame = load(write(tmp_path, "text,emotion,topic\nOne.,☺\ufe0f,bus\nTwo.,☹\ufe0f,bus\n"))
    assert frame["emotion"].to_list() == ["☺\ufe0f", "☹\ufe0f"]


def test_labels_of_two_words_and_other_scripts_are_labels(tmp_path):
    frame = load(write(tmp_path, "text,emotion,topic\nOne.,at ease,bus\nTwo.,радость,bus\nThree.,喜び,bus\n"))
    assert frame["emotion"].to_list() == ["at ease", "радость", "喜び"]
