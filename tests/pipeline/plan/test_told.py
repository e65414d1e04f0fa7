"""What models are told stands once, can be seen, and offers two answers that can be told apart."""

import pytest

from pipeline.errors import InputError
from pipeline.plan import sections, told
from tests.conftest import ROOT
from tests.pipeline.plan.refusals import edited, steers, writes

PROMPTS, STEERING = "data/stimuli/prompts.csv", "data/behaviour/steering.csv"
QUESTIONS, CONSTRAINTS = "data/behaviour/questions.csv", "data/behaviour/constraints.csv"
SAME = "are the same text, which would count as two; keep one"


def checked(project):
    told.check(sections.load(project.folder / "params.yaml"), project.emotions)


def again(name, begin, other, *changes):
    """The row that begins so once more, under another id, and with these changes (old, new)."""

    def made(project):
        path = project.folder / name
        lines = path.read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith(begin))
        for old, new in ((begin, begin.replace(begin.split(",")[-2], other)), *changes):
            assert old in line
            line = line.replace(old, new, 1)
        path.write_text("\n".join([*lines, line, ""]), encoding="utf-8")

    return made


def test_the_projects_own_files_are_let_through(project):
    for name in (PROMPTS, STEERING, QUESTIONS, CONSTRAINTS):
        (project.folder / name).write_bytes((ROOT / name).read_bytes())
    writes(project)
    steers(project)
    checked(project)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (again(QUESTIONS, "italy,", "rome"), f"{QUESTIONS}: 'italy' and 'rome' {SAME}"),
        (again(QUESTIONS, "italy,", "rome", ("What is", "What  is")), f"{QUESTIONS}: 'italy' and 'rome' {SAME}"),
        (again(CONSTRAINTS, "one_word,", "a_word"), f"{CONSTRAINTS}: 'one_word' and 'a_word' {SAME}"),
        (again(STEERING, "door,", "gate"), f"{STEERING}: set ours: 'door' and 'gate' {SAME}"),
        (
            again(PROMPTS, "story,kitchen,", "cook", ("cook in", "cook  in")),
            f"{PROMPTS}: set story: 'kitchen' and 'cook' {SAME}",
        ),
        (
            again(PROMPTS, "story,kitchen,", "cook", (",,", ",sad,"), ("{emotion}", "sad")),
            f"{PROMPTS}: set story: 'kitchen' and 'cook' {SAME}",
        ),
        (edited(QUESTIONS, "Rome", "Ro\0me"), f"{QUESTIONS}: 'italy' holds U+0000, which cannot be seen; take it out"),
        (edited(CONSTRAINTS, "Say what", "Say\x1b what"), f"{CONSTRAINTS}: 'twelve_words' holds U+001B, which cannot be"),
        (edited(STEERING, "She opened", "She\x07 opened"), f"{STEERING}: 'door' holds U+0007, which cannot be seen"),
        (edited(PROMPTS, "Write a", "Write\0 a"), f"{PROMPTS}: 'kitchen' holds U+0000, which cannot be seen"),
        (edited(QUESTIONS, ",54,56,", ",5,56,"), f"{QUESTIONS}: 'nine_times_six': '5' and '56': one is the beginning of"),
        (edited(QUESTIONS, ",ice,steam,", ",ice,Ice cream,"), f"{QUESTIONS}: 'frozen_water': 'ice' and 'Ice cream': one is"),
    ],
)
def test_what_would_count_twice_or_cannot_be_told_apart_is_named(project, change, said):
    writes(project)
    steers(project)
    checked(project)
    change(project)
    with pytest.raises(InputError) as caught:
        checked(project)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value).splitlines()) == 1


def test_prompts_of_models_that_nobody_names_are_let_be(project):
    again(STEERING, "door,", "gate")(project)
    checked(project)
