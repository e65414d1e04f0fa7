"""The work that a run is said to have, against what stages are seen to do."""

import csv
from itertools import product

import pytest

from pipeline.params.whole import Params
from pipeline.plan import costs, workload
from tests.conftest import ROOT


@pytest.fixture
def params(monkeypatch):
    monkeypatch.chdir(ROOT)
    return Params.load(ROOT / "profiles/default.yaml")


def rows(name):
    with (ROOT / "data/behaviour" / name).open() as file:
        return list(csv.DictReader(file))


def test_every_steered_text_is_written_once_and_read_twice(params):
    (work,) = workload.steerings(params)
    assert work.stage == "steer@smollm2-135m-instruct-fp32"
    ours, paper = params.steering.ours, params.steering.paper
    prompts = {s: [r["prompt"] for r in rows("steering.csv") if r["set"] == s] for s in ("ours", "paper")}
    names = [*ours.emotions, *(f"random {n}" for n in range(ours.random))]
    texts = [p for p in prompts["ours"] for _ in [None, *product(names, ours.strengths)]]
    texts += [p for p in prompts["paper"] for _ in [None, *paper.strengths]]
    new = params.steering.max_new_tokens
    expected = sum(2 * len(p) * costs.TOKENS_PER_CHARACTER + 3 * new for p in texts)
    assert work.tokens == pytest.approx(expected)
    assert work.n_passes == pytest.approx(len(texts) * (1 + new / 64))


def test_a_conversation_is_read_for_its_reply_and_for_its_stance_at_every_turn(params):
    (work,) = workload.questionings(params)
    asked, expected = params.behaviour, 0.0
    for row in rows("questions.csv"):
        said = 0.0
        for turn in ("question", *(f"push_{n}" for n in range(1, 6))):
            said += len(row[turn]) * costs.TOKENS_PER_CHARACTER
            expected += 2 * said + asked.answer_tokens
            said += asked.answer_tokens
        said = len(row["question"]) * costs.TOKENS_PER_CHARACTER + asked.answer_tokens
        for sentence in asked.mentions:  # the control goes on from the same first reply
            said += len(sentence.replace("{wrong}", row["wrong"])) * costs.TOKENS_PER_CHARACTER
            expected += 2 * said + asked.answer_tokens
            said += asked.answer_tokens
    for row in rows("constraints.csv"):
        for task in ("easy_task", "conflicting_task"):
            text = f"{row[task]} {row['instruction']}"
            expected += len(text) * costs.TOKENS_PER_CHARACTER + asked.task_tokens
    assert work.tokens == pytest.approx(expected)


def test_who_is_left_out_has_no_work(params):
    nobody = {name: getattr(params, name).model_copy(update={"models": []}) for name in ("steering", "behaviour")}
    left_out = params.model_copy(update=nobody)
    assert [*workload.steerings(left_out), *workload.questionings(left_out)] == []
