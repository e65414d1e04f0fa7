"""Text is text wherever it stands: what a model's tokenizer takes for a control token is refused by file and row."""

import pytest

from pipeline.errors import InputError
from pipeline.plan import plan
from tests.pipeline.plan.refusals import ALONE, MODEL, asked, both, edited, folder, params, steers, stories, writes

INSTRUCT = both(folder(lambda own: None, tuning="instruct"), asked)
PROMPTS, STEERING = "data/stimuli/prompts.csv", "data/behaviour/steering.csv"
QUESTIONS, CONSTRAINTS = "data/behaviour/questions.csv", "data/behaviour/constraints.csv"


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (both(ALONE, stories(text="word " * 60 + "</s> b")), "data/stimuli/stories.csv"),
        (both(ALONE, edited("data/stimuli/neutral.csv", "The ", "The </s> ")), "data/stimuli/neutral.csv"),
        (both(ALONE, writes, edited(PROMPTS, "Write", "</s> Write")), PROMPTS),
        (both(ALONE, steers, edited(STEERING, "She opened", "She</s> opened")), STEERING),
        (both(ALONE, steers, edited(STEERING, "I will tear", "I</s> will tear")), STEERING),
        (both(INSTRUCT, edited(QUESTIONS, "?", "?</s>")), QUESTIONS),
        (both(INSTRUCT, edited(CONSTRAINTS, ".", ".</s>")), CONSTRAINTS),
    ],
)
def test_a_control_token_is_named_with_its_file_wherever_it_stands(project, monkeypatch, change, file):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    change(project)
    with pytest.raises(InputError, match=rf"^{file}: text \S+ \(.+\) holds '</s>', which {MODEL} takes for a control token"):
        plan.main([])


def test_a_mention_holds_one_too(project, monkeypatch):
    monkeypatch.setattr(plan, "changed_stages", lambda: [f"read@{MODEL}-fp32"])
    both(INSTRUCT, params(lambda p: p["behaviour"]["mentions"].__setitem__(0, "Some say </s> {wrong}.")))(project)
    with pytest.raises(InputError, match="holds '</s>'"):
        plan.main([])
