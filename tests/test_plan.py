import pytest

from pipeline import plan
from pipeline.checked import InputError
from pipeline.entries import load_entries
from pipeline.params import load_params


@pytest.fixture
def all_changed(project, monkeypatch):
    params = load_params()
    names = [f"read@{m}-{p}" for m, p in params.cells]
    monkeypatch.setattr(plan, "changed_stages", lambda: names)
    return project


def test_the_plan_names_every_reading_before_anything_starts(all_changed, capsys):
    plan.main([])
    out = " ".join(capsys.readouterr().out.split())
    assert "30 stories (5 labels, 6 topics) and 16 neutral texts" in out
    for words in ("tiny-llama-3.2", "tiny-qwen2.5", "fp16", "2 random draws", "in all on this CPU"):
        assert words in out


def test_a_mistake_comes_out_before_anything_starts(all_changed):
    all_changed.params["readings"]["stories"]["path"] = "data/stimuli/none.csv"
    all_changed.save()
    with pytest.raises(InputError, match="none.csv: no such file"):
        plan.main([])


def test_nothing_to_do_is_said(project, monkeypatch, capsys):
    monkeypatch.setattr(plan, "changed_stages", list)
    plan.main([])
    assert capsys.readouterr().out == "Everything is up to date.\n"


def test_what_dvc_refuses_is_said_in_one_line(project):
    with pytest.raises(InputError, match="dvc status: you are not inside of a DVC repository"):
        plan.changed_stages()


def test_time_grows_with_parameters_draws_and_tokens(project):
    entries = load_entries(load_params())
    trained, twin = entries["tiny-qwen2.5"], entries["tiny-untrained"]

    def about(entry, tokens):
        return plan.seconds(entry, "fp32", tokens, 1e6) - plan.START_SECONDS

    assert about(twin, 100) == pytest.approx(2 * about(trained, 100))
    assert about(trained, 300) == pytest.approx(3 * about(trained, 100))
