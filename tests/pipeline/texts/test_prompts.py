"""Files of prompts, and what a model is asked from them."""

import csv
from collections import Counter

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.params.writing import WritingSections
from pipeline.texts import labels, prompts
from tests.conftest import ROOT

GOOD = [
    {"set": "story", "id": "kitchen", "emotion": "", "text": "A cook who feels {emotion}, and only {emotion}."},
    {"set": "story", "id": "letter", "emotion": "", "text": "Someone {emotion} opens a letter."},
    {"set": "story", "id": "kitchen", "emotion": "neutral", "text": "A cook."},
    {"set": "story", "id": "letter", "emotion": "sad", "text": "A letter that makes one weep."},
    {"set": "line", "id": "kitchen", "emotion": "", "text": "I am {emotion}."},
]


@pytest.fixture
def prompts_file(tmp_path):
    def write(rows):
        path = tmp_path / "prompts.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def test_every_label_is_asked_every_prompt_and_neutral_its_own_alone(prompts_file):
    frame = prompts.load(prompts_file(GOOD), "story", None)
    assert prompts.asked(frame, ["sad", "neutral", "happy"], "neutral") == [
        ("sad", "kitchen", "A cook who feels sad, and only sad."),
        ("sad", "letter", "A letter that makes one weep."),
        ("neutral", "kitchen", "A cook."),
        ("happy", "kitchen", "A cook who feels happy, and only happy."),
        ("happy", "letter", "Someone happy opens a letter."),
    ]


def test_neutral_is_left_out_where_the_set_has_no_prompt_for_it(prompts_file):
    frame = prompts.load(prompts_file(GOOD), "line", None)
    assert prompts.asked(frame, ["neutral", "sad"], "neutral") == [("sad", "kitchen", "I am sad.")]
    # a label of that name that is not the neutral one is asked as any other
    assert prompts.asked(frame, ["neutral"], None) == [("neutral", "kitchen", "I am neutral.")]


def test_only_the_prompts_that_are_named_are_used(prompts_file):
    frame = prompts.load(prompts_file(GOOD), "story", ["letter"])
    assert frame["emotion"].to_list() == ["", "sad"]
    assert set(frame["id"]) == {"letter"}


@pytest.mark.parametrize(("set_", "n"), [("story", 5), ("paragraph", 5), ("scene", 24)])
def test_the_repositorys_prompts_ask_every_label_and_neutral_in_every_situation(set_, n):
    frame = prompts.load(ROOT / "data/stimuli/prompts.csv", set_, None)
    asked = prompts.asked(frame, ["happy", "neutral", "sad"], "neutral")
    assert Counter(emotion for emotion, _, _ in asked) == {"happy": n, "neutral": n, "sad": n}
    assert len({text for *_, text in asked}) == 3 * n
    for emotion, _, text in asked:
        assert (emotion in text) == (emotion != "neutral")
        assert "{" not in text


def test_no_scene_names_a_label_beside_the_slot():
    listed = labels.label_words(ROOT / "data/stimuli/label_words.csv")
    known = [
        labels.LabelWords.of(listed.filter(emotion=e), e)
        for e in pl.read_csv(ROOT / "data/stimuli/emotions.csv", comment_prefix="#")["emotion"]
    ]
    for text in prompts.load(ROOT / "data/stimuli/prompts.csv", "scene", None)["text"]:
        assert not [w for w in known if w.found_in(text.replace(prompts.LABEL, ""))]


@pytest.mark.parametrize("profile", sorted(p.name for p in (ROOT / "profiles").glob("*.yaml")))
def test_the_writing_that_is_to_have_a_geometry_has_24_prompts_and_one_drawn_text_for_each_label(profile):
    write = WritingSections.load(ROOT / "profiles" / profile).write
    setting = write.settings["reliable"]
    assert setting.samples == 1
    assert setting.temperature is not None
    assert prompts.load(ROOT / write.prompts, setting.prompts, setting.only)["id"].n_unique() >= 24


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (
            0,
            {"text": "A cook."},
            r"row 1 \(set story\): no {emotion}, .* put {emotion} where the label belongs",
        ),
        (1, {"text": "{emotion} and {topic}."}, r"row 2 \(set story\): braces hold {emotion} and nothing else"),
        (1, {"text": "{emotion} and {."}, r"row 2 .*: braces hold {emotion} and nothing else"),
        (2, {"text": "A {emotion} cook."}, r"row 3 .*: it is for 'neutral' alone; write that out"),
        (2, {"text": "A {topic} cook."}, r"row 3 .*: braces hold {emotion} and nothing else"),
        (1, {"text": "  "}, "row 2 .*: 'text' is empty; fill it or delete the row"),
        (1, {"id": ""}, "row 2 .*: 'id' is empty"),
        (1, {"id": "kitchen"}, 'the same id stands in rows 1, 2: "kitchen"; keep one'),
        (3, {"text": "A cook."}, 'the same text stands in rows 3, 4: "A cook."; keep one'),
    ],
)
def test_a_row_that_cannot_be_asked_is_named(row, change, message, prompts_file):
    rows = [dict(r) for r in GOOD]
    rows[row] |= change
    path = prompts_file(rows)
    with pytest.raises(InputError, match=message) as caught:
        prompts.load(path, "story", None)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert prompts.load(path, "line", None).height == 1  # another set is not spoiled


def test_an_unknown_set_or_prompt_says_which_may_be_meant(prompts_file):
    path = prompts_file(GOOD)
    with pytest.raises(InputError, match="no set 'storys'; did you mean 'story'?"):
        prompts.load(path, "storys", None)
    with pytest.raises(InputError, match="no set 'xyz'; it has line, story"):
        prompts.load(path, "xyz", None)
    with pytest.raises(InputError, match="set 'story' has no prompt 'leter'; did you mean 'letter'?"):
        prompts.load(path, "story", ["kitchen", "leter"])


def test_a_file_that_is_missing_broken_or_lacks_a_column_is_named(prompts_file, tmp_path):
    with pytest.raises(InputError, match="absent.csv: no such file; write.prompts"):
        prompts.load(tmp_path / "absent.csv", "story", None)
    path = prompts_file([{k: v for k, v in row.items() if k != "emotion"} for row in GOOD])
    with pytest.raises(InputError, match="no column emotion; it has set, id, text"):
        prompts.load(path, "story", None)
    path.write_bytes(b"set,id,emotion,text\nstory,a,,\xff\xfe {emotion}\n")
    with pytest.raises(InputError, match="prompts.csv: not readable as CSV in UTF-8"):
        prompts.load(path, "story", None)
