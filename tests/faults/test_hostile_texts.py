"""Stories, prompts, questions and label tables as nobody should write them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.behaviour import questionnaire
from pipeline.params.corpus import Corpus
from pipeline.params.reading import Columns, Position, Reading
from pipeline.plan.lint import lint
from pipeline.steering import directions
from pipeline.texts import labels, prompts, stimuli
from tests.conftest import ROOT
from tests.faults.hostile import accepted_or_said, cases, spoilt, words

LABELS = st.sampled_from(
    ("calm", "sad", "Calm", "calm ", "ca\u200blm", "neutral", "радость", "喜び", "a\nb", "\u202esad", "sad\u0301")
)
MEGABYTE = "A long way to go. " * 60_000
TEXTS = words | st.sampled_from(
    (MEGABYTE, "مرحبا بالعالم", 'She said "no", and left.', "one\r\ntwo", "tab\there", "a" * 5000, "</s>")
)
CELLS = st.fixed_dictionaries(
    {"emotion": LABELS | words, "topic": st.sampled_from(("t1", "t2")) | words, "text": TEXTS, "id": words}
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "shift_jis")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("texts")


@st.composite
def tables(draw, rows, columns=None):
    """Rows as the bytes of a CSV file: with quotes where they belong or everywhere, in some encoding, sometimes with a column
    renamed, doubled or gone, a row too short or too long."""
    made = draw(st.lists(rows, min_size=0, max_size=4))
    names = list(columns or (made[0] if made else ("text",)))
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))), lineterminator="\n")
    head = [draw(words) if draw(st.integers(0, 9)) == 0 else name for name in names]
    writer.writerow(head)
    for row in made:
        cells = [row[name] for name in names]
        writer.writerow(
            cells[: draw(st.sampled_from((len(cells), len(cells), len(cells), 1)))]
            + ["more"] * draw(st.sampled_from((0, 0, 0, 1)))
        )
    return buffer.getvalue().encode(draw(st.sampled_from(ENCODINGS[:1] * 6 + ENCODINGS)), "replace")


json_rows = st.lists(
    st.one_of(CELLS, st.dictionaries(words, words | st.integers() | st.none() | st.lists(words, max_size=2), max_size=4)),
    max_size=4,
).map(lambda rows: "\n".join(json.dumps(r) for r in rows).encode())
surrogates = st.sampled_from(
    (b'{"emotion":"a","topic":"t","text":"\\ud800 lone","id":"1"}', b'{"emotion":"\\udfff","topic":"t","text":"x"}')
)


def read(path: Path, columns: Columns) -> None:
    """What the stages and the plan do with stories that are accepted."""
    frame = stimuli.load(Reading(path=path, positions=["last"], columns=columns))
    assert frame.height == frame["id"].n_unique() == frame["text"].n_unique() > 0
    assert len(stimuli.digest(frame)) == 64
    try:
        stimuli.have_words(frame, {"w3": Position(rule="word", word=3)}, path)
    finally:
        lint(frame, CORPUS)


CORPUS = Corpus.model_construct(
    label_words=ROOT / "data/stimuli/label_words.csv", topics=ROOT / "data/stimuli/topics.csv", length=(1, 100)
)


@cases(0.14)
@given(
    tables(CELLS) | json_rows | surrogates | st.binary(max_size=100),
    st.sampled_from((".csv", ".jsonl")),
    st.sampled_from((Columns(), Columns(topic=None), Columns(emotion=None, topic=None), Columns(id=None))),
)
def test_stories_are_accepted_or_named(place, content, suffix, columns):
    path = place / f"stories{suffix}"
    path.write_bytes(content)
    accepted_or_said(lambda: read(path, columns), path)


ONE_PROMPT = st.fixed_dictionaries(
    {"set": st.sampled_from(("paper", "reliable")), "id": words, "emotion": st.just("") | words, "text": TEXTS}
)


@cases(0.05)
@given(tables(ONE_PROMPT, ("set", "id", "emotion", "text")))
def test_prompts_are_accepted_or_named(place, content):
    path = place / "prompts.csv"
    path.write_bytes(content)
    accepted_or_said(lambda: prompts.asked(prompts.load(path, "paper", None), ["calm", "sad"], None), path)


@cases(0.04)
@given(tables(st.fixed_dictionaries(dict.fromkeys(("id", "set", "prompt"), words))))
def test_prompts_of_steering_are_accepted_or_named(place, content):
    path = place / "steering.csv"
    path.write_bytes(content)
    accepted_or_said(lambda: directions.load_prompts(path), path)


QUESTION = st.fixed_dictionaries(dict.fromkeys(("id", "question", "right", "wrong", *questionnaire.PUSHES), words))
TASK = st.fixed_dictionaries(
    dict.fromkeys(("id", "instruction", "easy_task", "conflicting_task"), words)
    | {
        "check": st.sampled_from(("max_words", "json_keys", "without", "bullets")) | words,
        "argument": words | st.integers(-2, 9).map(str),
    }
)


@cases(0.06)
@given(
    st.sampled_from(((questionnaire.questions, QUESTION), (questionnaire.tasks, TASK))).flatmap(
        lambda x: st.tuples(st.just(x[0]), tables(x[1]))
    )
)
def test_questions_and_tasks_are_accepted_or_named(place, case):
    load, content = case
    path = place / "asked.csv"
    path.write_bytes(content)
    accepted_or_said(lambda: load(path), path)


SHELF = {
    labels.emotions: "data/stimuli/emotions.csv",
    labels.topics: "data/stimuli/topics.csv",
    labels.label_words: "data/stimuli/label_words.csv",
}


@cases(0.06)
@given(
    st.sampled_from(list(SHELF)).flatmap(lambda load: st.tuples(st.just(load), spoilt((ROOT / SHELF[load]).read_bytes(), 600)))
)
def test_tables_of_labels_are_accepted_or_named(place, case):
    load, content = case
    path = place / "labels.csv"
    path.write_bytes(content)
    accepted_or_said(lambda: load(path), path)


def test_a_story_of_a_megabyte_is_a_story(place):
    path = place / "long.csv"
    pl.DataFrame({"emotion": ["a", "b"], "topic": ["t", "t"], "text": [MEGABYTE, "short"]}).write_csv(path)
    assert accepted_or_said(lambda: read(path, Columns(id=None)), path) is False  # 'short' has too few words, and is named
