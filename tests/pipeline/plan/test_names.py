"""A name in params that leads nowhere, and texts that cannot carry what is asked, are named before anything starts."""

import pytest

from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.plan import names
from pipeline.texts import stimuli
from tests.conftest import ROOT


def checked(project):
    project.save()
    params = Params.load()
    names.check(params, {name: stimuli.load(reading) for name, reading in params.readings.items()})


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_profile_leads_somewhere(profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    params = Params.load(profile)
    names.check(params, {name: stimuli.load(reading) for name, reading in params.readings.items()})


def experiment(**changes):
    return lambda p: p["confounds"]["experiments"]["comprehension"].update(changes)


def setting(name):
    return lambda p: p["write"]["settings"].update({name: p["write"]["settings"]["matched"]})


def steered(**changes):
    return lambda p: (p["steering"].update(models=["tiny-llama-3.2"]), p["steering"]["ours"].update(changes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (experiment(source="matchd"), "experiments.comprehension.source: no setting 'matchd'; did you mean 'matched'?"),
        (
            experiment(precision="int8"),
            "experiments.comprehension.precision: nobody reads stories at int8; there are fp32, fp16",
        ),
        (experiment(position="mean99"), "experiments.comprehension.position: 'mean99' is not read; there are last"),
        (lambda p: p["write"]["settings"].pop("loose"), "experiments.loose.source: no setting 'loose'; "),
        (setting("comprehension"), "write.settings.comprehension: this name means a reading or a method already"),
        (setting("stories"), "write.settings.stories: this name means"),
        (setting("stories_bos"), "write.settings.stories_bos: this name means"),
        (lambda p: p["vectors"].update(neutral_label="Neutral"), "neutral_label: 'Neutral' has no stories, but 'neutral' has"),
        (
            lambda p: p["vectors"].update(neutral_label="nuetral"),
            "neutral_label: 'nuetral' has no stories; did you mean 'neutral'? If no label is neutral, write null",
        ),
        (lambda p: p["vectors"].update(neutral_label=""), "vectors.neutral_label: '' is no label; write null if you have none"),
        (
            lambda p: p["vectors"].update(emotions=["calm", "happy", "sad", "neutral"]),
            "vectors.emotions: 'neutral' is vectors.neutral_label, which stays without being named; take it out",
        ),
        (
            lambda p: (p["vectors"].update(neutral_label=None), experiment(baseline="neutral")(p)),
            "experiments.comprehension.baseline: neutral, and no story has vectors.neutral_label; write emotions",
        ),
        (steered(emotions=["joyful"]), "steering.ours.emotions: 'joyful' has no stories; there are angry, calm"),
        (steered(emotions=["calmm"]), "steering.ours.emotions: 'calmm' has no stories; did you mean 'calm'?"),
        (lambda p: p["readings"]["stories"].update(emotions=["calm", "neutral"]), "2 labels (calm, neutral): 3 or more"),
    ],
)
def test_a_name_that_leads_nowhere_is_named(project, change, said):
    checked(project)
    change(project.params)
    with pytest.raises(InputError) as caught:
        checked(project)
    assert any(said in line for line in str(caught.value).splitlines())
    assert all(line.startswith("params.yaml: ") for line in str(caught.value).splitlines())


def test_what_writers_would_write_and_nobody_read_is_named(project):
    project.writes("tiny-llama-3.2")
    project.params["confounds"]["experiments"] = {"matched": {"source": "matched", "precision": "fp16"}}
    project.params["confounds"] |= {"published": {}, "bias": None, "attributions": []}
    checked(project)
    project.params["confounds"]["experiments"]["matched"] = {"source": "matched", "precision": "fp32", "written": "int8"}
    with pytest.raises(InputError, match="nobody reads matched of int8 at fp32, prompted; add it to writings_read"):
        checked(project)
    project.params["confounds"]["experiments"] = {}
    project.params["writings"].append({"setting": "matched", "precision": "int8"})
    with pytest.raises(InputError, match="writings: matched at int8: not among read.precisions"):
        checked(project)


def test_one_neutral_text_is_too_few(project):
    project.write_csv("neutral.csv", [{"id": "a", "text": "One text."}])
    with pytest.raises(InputError, match="readings.neutral: 1 text; two or more are needed"):
        checked(project)


def test_what_does_not_fit_into_memory_is_refused(project, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PHYS_PAGES": 2, "SC_PAGE_SIZE": 4096}[name])
    with pytest.raises(InputError, match="readings.stories: 30 stories: analyses hold 4 arrays of 30 x 30"):
        checked(project)


def test_a_label_that_no_story_has_is_said(project):
    params = Params.load()
    assert names.without_neutral(params, project.emotions) is None
    said = "No story has the label 'neutral' (vectors.neutral_label): every label counts as an emotion"
    assert names.without_neutral(params, ["calm", "sad"]) == said


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("paper", "our"), ["set 'our' is never asked for; did you mean 'ours'?", "has no prompt of the set 'ours'"]),
        (("ours", "ours"), ["has no prompt 'weather'", "has no prompt 'aggressive'"]),
        (("paper", "zzz"), ["set 'zzz' is never asked for; sets are paper and ours", "has no prompt of the set 'ours'"]),
    ],
)
def test_both_sets_of_prompts_are_there_where_somebody_is_steered(project, sets, said):
    project.steers("tiny-llama-3.2")
    checked(project)
    rows = [f"{id_},{sets[0]},Go on." for id_ in ("aggressive", "weather")] + [f"door,{sets[1]},She"]
    (project.folder / "data/behaviour/steering.csv").write_text("\n".join(["id,set,prompt", *rows, ""]))
    with pytest.raises(InputError) as caught:
        checked(project)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said)
    assert all(any(s in line for line in lines) for s in said)
