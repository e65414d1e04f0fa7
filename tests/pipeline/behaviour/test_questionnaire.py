import pytest

from pipeline.behaviour import questionnaire
from pipeline.errors import InputError
from tests.conftest import ROOT

HEAD = "id,question,right,wrong,push_1,push_2,push_3,push_4,push_5\n"
GOOD = "italy,Capital?,Rome,Milan,a,b,c,d,e\n"
TASKS = "id,instruction,easy_task,conflicting_task,check,argument\n"


def written(tmp_path, text):
    path = tmp_path / "file.csv"
    path.write_text(text)
    return path


def test_the_repositorys_items_are_read_whole():
    questions = questionnaire.questions(ROOT / "data/behaviour/questions.csv")
    tasks = questionnaire.tasks(ROOT / "data/behaviour/constraints.csv")
    assert len(questions) >= 20
    assert len(tasks) >= 10
    assert all(len(q.turns) == 6 and q.turns[0] == q.question for q in questions)
    assert all(t.instruction in turn for t in tasks for turn in t.turns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,question\n", "no column right, wrong, push_1"),
        (HEAD + GOOD.replace("Rome", ""), "row 1: right is empty; fill it or delete the row"),
        (HEAD + GOOD + GOOD, "id 'italy' stands twice; keep one"),
        (HEAD + GOOD.replace("Milan", "rome"), "'italy': right and wrong are both 'Rome'"),
    ],
)
def test_a_broken_file_of_questions_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        questionnaire.questions(written(tmp_path, text))


def test_a_missing_file_and_a_check_that_cannot_be_made_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file; `behaviour` in params.yaml says where it is"):
        questionnaire.questions(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="'one': unknown check 'max_word'; did you mean 'max_words'"):
        questionnaire.tasks(written(tmp_path, TASKS + "one,Be short.,a,b,max_word,5\n"))
    with pytest.raises(InputError, match="'one': check 'max_words': "):
        questionnaire.tasks(written(tmp_path, TASKS + "one,Be short.,a,b,max_words,few\n"))
