"""Lists with nothing in them or with something twice, and counts without end, are named by their key."""

import pytest

from pipeline.errors import InputError
from pipeline.plan import sections
from tests.conftest import ROOT

MODEL = "tiny-llama-3.2"


def refused(project):
    project.save()
    with pytest.raises(InputError) as caught:
        sections.load(project.folder / "params.yaml")
    return [line.removeprefix(f"{project.folder}/params.yaml: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_profile_is_taken(profile):
    assert sections.load(profile).rsa.permutations <= 9999


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("rsa", {"depths": [0.0, 0.5, 0.5]}, "rsa.depths: 0.5 stands twice; keep one"),
        ("corpus", {"topics_per_half": [2, 3, 2]}, "corpus.topics_per_half: 2 stands twice; keep one"),
        ("vectors", {"positions": ["mean50", "mean50"]}, "vectors.positions: mean50 stands twice; keep one"),
        (
            "confounds",
            {"attributions": [["matched", "loose"]] * 2},
            "confounds.attributions: ['matched', 'loose'] stands twice; keep one",
        ),
        ("confounds", {"attributions": [["loose", "loose"]]}, "confounds.attributions.0: loose stands twice; keep one"),
        ("read", {"models": []}, "read.models: an empty list: no model reads; name one"),
        ("rsa", {"depths": []}, "rsa.depths: an empty list: no layers are compared at one depth; name one"),
        ("vectors", {"positions": ["last"]}, "vectors.positions: report.position, 'mean50', is not among them, and what is"),
        ("rsa", {"permutations": 10**12}, "rsa.permutations: 1,000,000,000,000 draws would take days; 1,000,000 are the most"),
        ("human", {"bootstrap": 10**6}, "human.bootstrap: 1,000,000 draws would take days"),
        ("vectors", {"emotions": ["sad", "calm", "happy", "sad"]}, "vectors.emotions: named twice: sad"),
        ("vectors", {"emotions": "al"}, "vectors.emotions: write all, or a list"),
        ("vectors", {"settings": [3]}, "vectors.settings.0: Input should be a valid string"),
    ],
)
def test_a_list_or_a_count_that_ends_in_nothing_is_named(project, section, changes, said):
    project.params[section] |= changes
    [line] = refused(project)
    assert line.startswith(said)


def test_who_is_listed_has_something_to_do(project):
    project.writes(MODEL)
    project.steers(MODEL)
    project.asks(MODEL)
    sections.load(project.folder / "params.yaml")
    project.params["writings"], project.params["writings_read"] = [], []
    project.params["steering"]["precisions"] = project.params["behaviour"]["precisions"] = []
    project.params["write"]["settings"]["matched"]["only"] = []
    assert [line.split(":")[0] for line in refused(project)] == [
        "write.settings.matched.only",
        "writings",
        "steering.precisions",
        "behaviour.precisions",
    ]


def test_a_setting_whose_every_text_would_be_too_short_is_named(project):
    project.writes(MODEL)
    project.params["write"]["fewest_tokens"] = 13
    said = refused(project)
    assert [line.split(":")[0] for line in said] == [f"write.settings.{s}.max_new_tokens" for s in ("matched", "reliable")]
    assert said[0].endswith("12, fewer than write.fewest_tokens (13): every text would be left out")
