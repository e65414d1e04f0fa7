"""A name in params that leads nowhere, and texts that cannot carry what is asked, are named before anything starts."""

import polars as pl
import pytest

from analysis.controls import second_corpus
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.plan import names
from pipeline.texts import stimuli
from tests.conftest import ROOT, stories


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


def second(name):
    reading = {"name": name, "precision": "fp32", "path": "data/stimuli/second.csv", "positions": ["last"]}
    return lambda p: p["second"].append(reading)


def varied(name):
    return lambda p: p["varied"][0].update(name=name)


def position(name, **rule):
    """A position that nobody asks for, or another rule of one that all do."""
    return lambda p: p["positions"].update({name: rule})


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
        (setting("input_embeddings"), "write.settings.input_embeddings: this name means"),
        (setting("stories_bos"), "varied.stories_bos: this name means a method or a setting of writing already"),
        *[
            (change(name), f"{section}.{name}: this name means a method or a setting of writing already; take another")
            for section, change in (("second", second), ("varied", varied))
            for name in ("input_embeddings", "comprehension", "generation", "reliable", "matched")
        ],
        (
            lambda p: p["readings"].update(third=p["readings"]["stories"]),
            "readings.third: nobody reads it; stories of another source belong under second",
        ),
        (position("last", rule="middle"), "positions.last: the rule 'middle': this name means the last token; take another"),
        (position("end", rule="last"), "positions.end: the rule 'last': claims know this position by its name; call it last"),
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


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("emotions", "steering.ours.emotions: 'emotions' means all targets of a kind in table steering"),
        ("random", "steering.ours.emotions: 'random' means all targets of a kind in table steering"),
        (
            "random#0",
            "readings.stories: the label 'random#0' means a random direction of steering; give it another name",
        ),
    ],
)
def test_a_label_that_means_other_targets_of_steering_is_named(project, label, said):
    project.write_csv("stories.csv", [s | {"emotion": label if s["emotion"] == "sad" else s["emotion"]} for s in stories()])
    checked(project)  # where nobody is steered, it is a label like any other
    steered(emotions=["calm", label])(project.params)
    project.params["steering"]["paper"]["scenarios"] = {"aggressive": "calm", "weather": "calm"}
    with pytest.raises(InputError) as caught:
        checked(project)
    assert [line for line in str(caught.value).splitlines() if said in line] == str(caught.value).splitlines()


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


def test_what_nothing_comes_of_is_said(project):
    project.params |= {"varied": [{"name": "bos", "precision": "fp32", "positions": ["last"], "bos": "other"}]}
    other = {"name": "other", "precision": "fp32", "path": "data/stimuli/stories.csv", "positions": ["last", "mean50"]}
    project.params |= {"second": [other]}
    project.save()
    params = Params.load()
    stories = stimuli.load(params.readings["stories"])
    others = stories.with_columns(pl.col("emotion").replace({"calm": "serene"}))
    assert list(names.in_vain(params, {"stories": stories, "other": others})) == [
        "Of second.other no number of table choices can come: 3 of its labels are emotions of the stories, 4 are needed",
        "Nothing comes of varied.bos: its positions lack 'mean50', report.position",
        "Nothing but ways to read the stories comes of confounds: its experiments are those of models that write, and"
        " write.models names none",
    ]
    project.params["confounds"]["attributions"].remove(["comprehension", "corrected"])
    project.save()
    assert list(names.in_vain(Params.load(), {"stories": stories, "other": others}))[-1].startswith(
        "Nothing comes of confounds"
    )
    assert names.FEWEST_IN_COMMON == second_corpus.FEWEST_LABELS  # `pipeline` may not ask `analysis`
    # what is fetched first has no texts yet
    assert len(list(names.in_vain(params, {"stories": stories, "other": others.clear()}))) == 2


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
