"""The work that a run is said to have, against what stages are seen to do."""

import csv
from itertools import product

import pytest

from pipeline.models.entries import load_entries
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
    assert work.written == new * len(texts)
    assert work.read == pytest.approx(sum(2 * (len(p) * costs.TOKENS_PER_CHARACTER + new) for p in texts))
    assert work.tokens == work.read + work.written
    assert work.n_passes == pytest.approx(len(texts) * (1 + new / 64))


def test_a_conversation_is_read_for_its_reply_and_for_its_stance_at_every_turn(params):
    (work,) = workload.questionings(params)
    asked, read, written = params.behaviour, 0.0, 0
    for row in rows("questions.csv"):
        said = 0.0
        for turn in ("question", *(f"push_{n}" for n in range(1, 6))):
            said += len(row[turn]) * costs.TOKENS_PER_CHARACTER
            read += 2 * said
            written += asked.answer_tokens
            said += asked.answer_tokens
        said = len(row["question"]) * costs.TOKENS_PER_CHARACTER + asked.answer_tokens
        for sentence in asked.mentions:  # the control goes on from the same first reply
            said += len(sentence.replace("{wrong}", row["wrong"])) * costs.TOKENS_PER_CHARACTER
            read += 2 * said
            written += asked.answer_tokens
            said += asked.answer_tokens
    for row in rows("constraints.csv"):
        for task in ("easy_task", "conflicting_task"):
            text = f"{row[task]} {row['instruction']}"
            read += len(text) * costs.TOKENS_PER_CHARACTER
            written += asked.task_tokens
    assert (work.read, work.written) == (pytest.approx(read), written)


def test_what_is_written_answers_its_prompts_which_are_read(params):
    """Every setting, label by label and prompt by prompt; a text ends where it must at the latest."""
    of = {w.stage: w for w in workload.writings(params, load_entries(params), 21) if w.stage.startswith("write@")}
    with (ROOT / params.write.prompts).open() as file:
        prompts = list(csv.DictReader(file))
    for n, item in enumerate(params.writings):
        setting = params.write.settings[item.setting]
        asked = [p for p in prompts if p["set"] == setting.prompts and p["id"] in (setting.only or [p["id"]])]
        n_prompts = 21 * len({p["id"] for p in asked})
        work = of[f"write@smollm2-135m-instruct-writing{n}"]
        samples = 1 if setting.temperature is None else setting.samples
        assert work.written == n_prompts * samples * setting.max_new_tokens
        per_prompt = sum(len(p["text"]) for p in asked) / len(asked) * costs.TOKENS_PER_CHARACTER
        assert work.read == pytest.approx(n_prompts * per_prompt)


def test_who_is_left_out_has_no_work(params):
    nobody = {name: getattr(params, name).model_copy(update={"models": []}) for name in ("steering", "behaviour")}
    left_out = params.model_copy(update=nobody)
    assert [*workload.steerings(left_out), *workload.questionings(left_out)] == []
