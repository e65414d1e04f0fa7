"""Texts on two sides, and labels in two spellings, are named before anything is read."""

import csv
from unicodedata import normalize

import pytest

from pipeline.errors import InputError
from pipeline.plan import corpora, names, sections
from tests.conftest import neutral_texts
from tests.pipeline.plan.refusals import a_file, stories

SECOND = {"name": "other", "precision": "fp32", "path": "data/stimuli/other.csv", "positions": ["last", "mean50"]}


def loaded(project):
    project.save()
    params = sections.load(project.folder / "params.yaml")
    texts = corpora.load(params)
    names.check(params, texts)
    return texts


def refused(project):
    with pytest.raises(InputError) as caught:
        loaded(project)
    return str(caught.value).splitlines()


def rows(project):
    with (project.folder / "data/stimuli/stories.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def second(project, label=str, text=lambda text: f"Then: {text}"):
    """Another source whose stories are those of the project with other labels and texts."""
    project.params["second"] = [SECOND]
    changed = [r | {"emotion": label(r["emotion"]), "text": text(r["text"])} for r in rows(project)[:12]]
    project.write_csv("other.csv", [r | {"id": f"other{n}"} for n, r in enumerate(changed)])


def spelt(project, form):
    """All stories of `sad` under a word with a letter that Unicode writes in two ways."""
    label = normalize(form, "ärgerlich")
    project.write_csv("stories.csv", [r | {"emotion": label} if r["emotion"] == "sad" else r for r in rows(project)])


def test_every_reading_has_its_texts(project):
    second(project)
    texts = loaded(project)
    sizes = {"stories": 30, "neutral": 16, "other": 12, "stories_bos": 30, "stories_batched": 30}
    assert {name: frame.height for name, frame in texts.items()} == sizes


def test_what_is_fetched_first_has_no_texts_yet(project):
    project.params["fetch"] = {"there": {"url": "https://example.org/a", "md5": "0" * 32}}
    project.params["second"] = [SECOND | {"path": "data/fetched/there.csv"}]
    assert loaded(project)["other"].is_empty()


def test_texts_that_are_stories_too_are_counted(project):
    second(project, text=lambda text: f" {text.replace(' ', '  ', 1)}")
    [line] = refused(project)
    assert line.startswith("params.yaml: second.other: 12 of its texts are among readings.stories, too (id 'other0')")
    second(project)
    texts = [rows(project)[0]["text"], neutral_texts()[0]["text"]]
    project.write_csv("neutral.csv", [{"id": id_, "text": text} for id_, text in zip("ab", texts, strict=True)])
    [line] = refused(project)
    assert line.startswith("params.yaml: readings.neutral: 1 of its texts are among readings.stories, too (id 'a')")


def test_a_text_in_another_unicode_form_is_a_story_too(project):
    first, *others = rows(project)
    project.write_csv("stories.csv", [first | {"text": normalize("NFC", f"Très bien: {first['text']}")}, *others])
    second(project, text=lambda text: normalize("NFD", text) if text.startswith("Très") else f"Then: {text}")
    [line] = refused(project)
    assert line.startswith("params.yaml: second.other: 1 of its texts are among readings.stories, too (id 'other0')")


def test_labels_of_another_source_in_another_spelling_are_named(project):
    second(project, label=str.title)
    lines = refused(project)
    assert lines[0].startswith("params.yaml: second.other: data/stimuli/other.csv: 'Angry' and 'angry' differ in case")
    assert lines[0].endswith("(the stories have the second)")


def test_labels_with_norms_in_another_spelling_are_named(project):
    head = "emotion,family,sign,rated_word,valence,arousal,dominance\n"
    a_file("data/stimuli/emotions.csv", f"{head}Sad,sad,negative,,,,\n")(project)
    [line] = refused(project)
    assert line.startswith("params.yaml: corpus.emotions: data/stimuli/emotions.csv: 'Sad' and 'sad' differ in case")


def test_two_unicode_forms_of_one_label_are_told_apart(project):
    spelt(project, "NFD")
    one, other = (normalize(form, "ärgerlich") for form in ("NFC", "NFD"))
    what = f"'{one}' and '{other}' look the same and differ in their Unicode form; write both in NFC"
    project.params["vectors"]["emotions"] = ["angry", "calm", one]
    assert refused(project) == [f"params.yaml: vectors.emotions: {what}"]
    project.params["vectors"]["emotions"] = "all"
    project.params["readings"]["stories"]["emotions"] = ["angry", "calm", "happy", one]
    [line] = refused(project)
    assert line == f"params.yaml: readings.stories.emotions: {what} (data/stimuli/stories.csv has the second)"
    project.params["readings"]["stories"]["emotions"] = "all"
    project.steers("tiny-llama-3.2")
    project.params["steering"]["ours"]["emotions"] = ["calm", one]
    assert refused(project) == [f"params.yaml: steering.ours.emotions: '{one}' has no stories; {what}"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"emotions": []}, "readings.stories.emotions: an empty list"),
        ({"columns": {"emotion": None}}, "readings.stories.columns.emotion: null, and labels are what is compared"),
        ({"columns": {"topic": "emotion"}}, "readings.stories.columns: emotion and topic are both 'emotion'"),
        ({"columns": {"emotion": "text"}}, "readings.stories.columns: text and emotion are both 'text'"),
    ],
)
def test_keys_of_a_reading_that_lead_nowhere_are_named(project, changes, said):
    project.params["readings"]["stories"] |= changes
    [line] = refused(project)
    assert line.startswith(f"params.yaml: {said}")


def test_a_mistake_of_the_rows_that_are_read_is_said_as_ever(project):
    stories(text="")(project)
    project.params["readings"]["stories"]["emotions"] = ["angry", "calm", "happy", "neutral"]
    assert refused(project) == ["data/stimuli/stories.csv: 'text' is empty in row 1; fill it or delete the row"]
