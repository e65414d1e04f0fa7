"""A file of text in another form than its reader expects is named with its row before anything is read."""

import json

import pytest

from pipeline.errors import InputError
from pipeline.params.reading import Columns, Reading
from pipeline.plan import corpora, forms, sections
from pipeline.texts import stimuli
from tests.conftest import ROOT

HEAD = "id,emotion,topic,text\n"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """`said(name, content)`: what is said of a file of stories."""
    monkeypatch.chdir(tmp_path)

    def of(name, content):
        (tmp_path / name).write_bytes(content.encode())
        with pytest.raises(InputError) as caught:
            forms.of_reading(Reading(path=name, positions=["last"]))
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    return of


@pytest.mark.parametrize("name", ["mine[1].csv", "mine*.csv", "mine?.csv"])
def test_a_name_that_is_a_pattern_reads_no_other_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine1.csv").write_text(f"{HEAD}a,sad,t,Another file.\n")
    (tmp_path / name).write_text(f"{HEAD}a,sad,t,This file.\n")
    reading = Reading(path=name, positions=["last"])
    forms.of_reading(reading)
    assert stimuli.load(reading)["text"].to_list() == ["This file."]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("id;emotion;topic;text\na;sad;t;x, y\n", "its columns are separated by semicolons; save it with commas"),
        ("id\temotion\ttopic\ttext\na\tsad\tt\tx\n", "its columns are separated by tabs; save it with commas"),
        (f"# mine\n{HEAD}a,sad,t,x\n", "its first line begins with '#': a comment is read as the names of the columns"),
        (f"\n{HEAD}a,sad,t,x\n", "its first line is blank; the names of the columns belong there"),
        (f"{HEAD}a,sad,t,x\nb,sad,t,One, two\n", "row 2 has 5 cells and the header 4: put double quotes around a text"),
        (f"{HEAD}a,sad,t,x\n".replace("\n", "\r"), "its lines end in CR alone"),
        (f"{HEAD}a,sad,t,x\n\n\n", "2 blank lines at its end count as rows; delete them"),
        ("id,emotion,topic,text,text\na,sad,t,x,y\n", "its header has the column 'text' twice"),
        (f'{HEAD}a,sad,t,x\nb,calm,t,""Hi""\n', "row 2: its double quotes do not pair: quoted text ends in one, and a quote"),
        (f'{HEAD}a,calm,t,"She said "No""\n', "row 1: its double quotes do not pair"),
        (f'{HEAD}a,sad,t,x\nb,calm,t,"Never closed.\nc,sad,t,y\n', "row 2: its double quotes do not pair"),
        ('id,"emotion" ,topic,text\na,sad,t,x\n', "its first line: its double quotes do not pair"),
    ],
)
def test_a_csv_file_of_another_form_is_named(said, content, what):
    assert said("mine.csv", content).startswith(f"mine.csv: {what}")


def test_an_ending_in_capitals_and_a_folder_are_named(said, tmp_path):
    assert said("MINE.CSV", f"{HEAD}a,sad,t,x\n").startswith("MINE.CSV: rename it to MINE.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(InputError, match=r"^d.csv: a folder, and a file is needed$"):
        forms.of_csv((tmp_path / "d.csv").relative_to(tmp_path))


def test_quotes_that_pair_and_a_cell_of_any_length_are_let_through(tmp_path, monkeypatch):
    """As polars reads them: a quote within unquoted text is one."""
    monkeypatch.chdir(tmp_path)
    texts = ['She said "no", and left.', '"', "a" * 200_000, "one\r\ntwo"]
    quoted = [f'{n},sad,t,"{text.replace(chr(34), chr(34) * 2)}"\n' for n, text in enumerate(texts)]
    (tmp_path / "mine.csv").write_text("".join([HEAD, *quoted, '9,sad,t,She said "no" and left.\n']), newline="")
    reading = Reading(path="mine.csv", positions=["last"])
    forms.of_reading(reading)
    assert stimuli.load(reading)["text"].to_list() == [*texts, 'She said "no" and left.']


@pytest.mark.parametrize("path", sorted((ROOT / "data").rglob("*.csv")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_csv_file_of_the_repository_has_its_form(path):
    forms.of_csv(path, comments=path.name in ("emotions.csv", "label_words.csv", "topics.csv"))


def row(**changes):
    return json.dumps({"id": "a", "emotion": "sad", "topic": "t", "text": "x"} | changes)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (f"{row()}\n{row(text={'en': 'x'})}\n", "row 2: 'text' is an object, not text"),
        (f"{row(text=3)}\n", "row 1: 'text' is a number, not text"),
        (f"{row(emotion=['sad'])}\n", "row 1: 'emotion' is a list, not text"),
        (f"{row()}\n\n{row(emotion=1)}\n", "row 2: 'emotion' is a number, and text in row 1"),
        (f"{row(topic=float('nan'))}\n", "row 1: NaN is no value of JSON"),
        ('{"text": "a", "text": "b"}\n', "row 1: 'text' stands twice; keep one"),
        (json.dumps({"text": "x"}, indent=1), "row 1: no JSON object; write each row as one object"),
        (f"[{row()}]\n", "row 1: no JSON object"),
        ("[" * 100_000 + "\n", "row 1: no JSON object"),
    ],
)
def test_json_lines_of_another_form_are_named_by_their_row(said, content, what):
    assert said("mine.jsonl", content).startswith(f"mine.jsonl: {what}")


def test_what_readers_take_as_it_is_meant_is_let_through(tmp_path, monkeypatch):
    """Quotes, breaks within a cell, BOM, empty cells, numbers as topics, keys that nobody asks for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(
        '\ufefftext,emotion,topic,note\r\n"One, ""two""\r\n\r\nthree",sad,1,\r\nFour,calm,2,x\r\n', "utf-8", newline=""
    )
    (tmp_path / "mine.jsonl").write_text('{"text": "a", "topic": 1, "note": {"b": 2}}\n\n{"text": "b\u2028", "topic": 2}\n')
    for name in ("mine.csv", "mine.jsonl"):
        reading = Reading(path=name, columns=Columns(emotion=None, id=None), positions=["last"])
        forms.of_reading(reading)
        assert stimuli.load(reading)["topic"].to_list() == ["1", "2"]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (("readings", "neutral", "path"), "texts.csv"),
        (("corpus", "emotions"), "emotions.csv"),
        (("corpus", "topics"), "topics.csv"),
        (("corpus", "label_words"), "words.csv"),
        (("behaviour", "questions"), "questions.csv"),
        (("behaviour", "constraints"), "constraints.csv"),
    ],
)
def test_every_file_that_params_name_is_looked_at(project, keys, name):
    section = project.params
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = name
    project.save()
    (project.folder / name).write_text("a;b\n")
    with pytest.raises(InputError) as caught:
        corpora.load(sections.load(project.folder / "params.yaml"))
    assert str(caught.value).startswith(f"{name}: its columns are separated by semicolons")


def test_files_of_prompts_are_looked_at_where_somebody_writes_or_is_steered(project):
    project.params["write"]["prompts"] = project.params["steering"]["prompts"] = "a.csv"
    (project.folder / "a.csv").write_text("a;b\n")
    project.save()
    corpora.load(sections.load(project.folder / "params.yaml"))
    for models in (project.writes, project.steers):
        models("tiny-llama-3.2")
        with pytest.raises(InputError, match="a.csv: its columns are separated by semicolons"):
            corpora.load(sections.load(project.folder / "params.yaml"))
        project.params["write"]["models"] = []
