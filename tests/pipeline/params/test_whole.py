import subprocess
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.models.entries import load_entries, load_entry
from pipeline.params.base import load_yaml
from pipeline.params.whole import Params
from tests.conftest import ROOT, write_yaml


def changed(tmp_path, **sections):
    """profiles/default.yaml with `section__key=value` changes, loaded."""
    data = YAML(typ="safe").load((ROOT / "profiles/default.yaml").read_text())
    for path, value in sections.items():
        *parents, key = path.split("__")
        place = data
        for parent in parents:
            place = place[parent]
        place[key] = value
    write_yaml(tmp_path / "params.yaml", data)
    return Params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("profile", sorted(p.name for p in (ROOT / "profiles").glob("*.yaml")))
def test_every_profile_and_its_model_entries_are_valid(profile):
    params = Params.load(ROOT / "profiles" / profile)
    assert params.profile == profile.removesuffix(".yaml")
    assert list(load_entries(params, ROOT / "data/models")) == params.models


def test_params_yaml_is_the_default_profile():
    """As committed: whoever chose another profile, or edits the file, has a suite that passes."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git: params.yaml may be anybody's")
    committed = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert committed == (ROOT / "profiles/default.yaml").read_text()


def seconds(precision, **changes):
    """A second source, at fp16 and at another precision."""
    one = {"name": "s", "precision": "fp16", "path": "second.csv", "positions": ["last"]}
    return [one, one | {"precision": precision} | changes]


def varied(precision, **changes):
    one = {"name": "v", "precision": "fp16", "positions": ["last"]}
    return [one, one | {"precision": precision} | changes]


def test_what_differs_in_precision_and_positions_alone_may_have_one_name(tmp_path):
    params = changed(tmp_path, second=seconds("fp32", positions=["mean50"]), varied=varied("fp32", positions=["mean50"]))
    assert [(r.name, r.precision) for r in params.more] == [("v", "fp16"), ("v", "fp32"), ("s", "fp16"), ("s", "fp32")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read__precission": ["fp32"]}, r"params.yaml: read: unknown key 'precission'; did you mean 'precisions'\?"),
        ({"maturiti": {}}, r"params.yaml: unknown key 'maturiti'; did you mean 'maturity'\?"),
        ({"read__precisions": ["fp32", "fp8"]}, "read.precisions.1: Input should be 'fp32', 'bf16', 'fp16', 'int8' or 'nf4'"),
        ({"read__precisions": ["fp32", "fp32"]}, "named twice: fp32"),
        ({"readings__stories__positions": ["lst"]}, "'lst' is not among positions"),
        ({"readings__neutral__positions": ["last"]}, "readings.neutral.positions: 'mean50' is read in the stories"),
        ({"report__position": "middle"}, "report.position: 'middle' is not among"),
        ({"report__variant": "centered"}, "report.variant: Input should be 'centred' or 'denoised'"),
        ({"positions__last": {"rule": "last", "start": 3}}, "'start' belongs to the rule 'mean'"),
        ({"positions__last": {"rule": "word"}}, "the rule 'word' needs a 'word'"),
        ({"positions__last": {"rule": "last", "word": 3}}, "'word' belongs to the rules 'word' and 'mean'"),
        (
            {"positions__last": {"rule": "mean", "start": 2, "word": 3}},
            "'start' counts tokens and 'word' words: one of the two",
        ),
        ({"write__positions": ["last", "middle", "mean0", "word40"]}, "write.positions: 'word40' counts words"),
        ({"read__models": ["a/b"]}, "'a/b' may hold letters"),
        ({"read__models": ["smollm2-135m-untrained"]}, "in read.models and in read_untrained.models"),
        (
            {"write__positions": ["last", "middle", "mean0", "mean25"]},
            "'mean25' needs 26 tokens, more than write.fewest_tokens",
        ),
        (
            {"readings__neutral__positions": ["last", "mean50", "mean0"], "readings__stories__positions": ["last", "mean50"]},
            "write.positions: 'middle' is not among readings.neutral.positions",
        ),
        ({"write__models": ["gpt"]}, "write.models: gpt: not among read.models"),
        ({"writings": []}, "writings_read: 'loose' is not written at fp16; add it to writings"),
        (
            {
                "write__settings__loose_prompted": {"prompts": "story", "samples": 1, "max_new_tokens": 9, "template": False}
                | {"position": "last", "layer": "middle"}
            },
            "write.settings: 'loose_prompted': vectors after the prompt have names that end so; give it another",
        ),
        (
            {"confounds__published": {"a": ["loose", "matched"], "b": ["loose", "matched"]}, "confounds__bias": None},
            "confounds: published: 'a' and 'b' compare the same two experiments",
        ),
        ({"behaviour__mentions": ["{wrong}"] * 5}, "behaviour.mentions: .*named twice"),
        ({"behaviour__mentions": ["{wrong}", "a {wrong}"]}, "behaviour.mentions: List should have at least 5 items"),
        ({"behaviour__mentions": [f"{n}" for n in range(5)]}, "behaviour.mentions: none of the sentences has {wrong}"),
        ({"behaviour__mentions": ["{wrong} {wrong}", *"1234"]}, "behaviour.mentions: '{wrong} {wrong}' has {wrong} twice"),
        ({"steering__models": ["gpt"]}, "steering.models: 'gpt' is not among read.models"),
        ({"steering__precisions": ["nf4"]}, "steering.precisions: 'nf4' is not among read.precisions"),
        ({"steering__ours__position": "mean0"}, "steering.ours.position: 'mean0' is not among geometry.positions"),
        ({"steering__ours__strengths": [0.2, 0.1]}, "each strength stands once, from the weakest to the strongest"),
        ({"second": seconds("fp32", path="other.csv")}, "'s' at fp16 and at fp32 differ in path, and tables know them by"),
        ({"second": seconds("fp32", bos="never", emotions=["calm"])}, "'s' at fp16 and at fp32 differ in bos, emotions"),
        ({"second": seconds("fp32", columns={"topic": None})}, "'s' at fp16 and at fp32 differ in columns"),
        ({"second": seconds("fp16", path="other.csv")}, "'s' at fp16 is read twice"),
        ({"varied": varied("fp32", bos="never")}, "'v' at fp16 and at fp32 differ in bos"),
        ({"varied": varied("fp32", batch_texts=4)}, "'v' at fp16 and at fp32 differ in batch_texts"),
        (
            {"varied": varied("fp32")[:1], "second": [s | {"name": "v"} for s in seconds("fp32")[1:]]},
            "'v' at fp16 and at fp32 differ in their section, varied and second",
        ),
        ({"rsa__equivalence": 1.0}, "rsa.equivalence: Input should be less than 1"),
        ({"rsa__depths": [1.5]}, "rsa.depths.0: Input should be less than or equal to 1"),
    ],
)
def test_a_mistake_in_params_is_named_with_its_key(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        changed(tmp_path, **change)


def test_an_emptied_list_whose_rows_still_stand_beneath_it_is_named_with_its_line(tmp_path):
    """`writings: []` alone, the first thing that one tries."""
    text = (ROOT / "profiles/default.yaml").read_text(encoding="utf-8")
    n = next(n for n, line in enumerate(text.splitlines(), start=1) if line.startswith("writings:"))
    (tmp_path / "params.yaml").write_text(text.replace("\nwritings: ", "\nwritings: []  "), encoding="utf-8")
    with pytest.raises(InputError, match=rf"^.*params.yaml: not readable as YAML: .*line {n + 1}, column 3") as caught:
        Params.load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


TEXTS = ("x: yes", "x: 010", "x: 0o10", "x: 1e3", "x: 1_000", "x: .5", "x: 12:30", "x: ~", "x: on", "x: 2024-01-01", "x: 0x1F")


@pytest.mark.parametrize("text", [*TEXTS, "%YAML 1.1\n---\nx: yes", "x: &a [1]", "x: |\n  a\n", "x: 'é\U0001f600'", "x: .nan"])
def test_a_value_means_here_what_it_means_to_dvc(text, tmp_path):
    class Any_(BaseModel):
        x: Any

    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    assert repr(load_yaml(path, Any_).x) == repr(parse_yaml(text, "params.yaml")["x"])


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_text("profile: a\nprofile: b\n")
    with pytest.raises(InputError, match=r"params.yaml: not readable as YAML: .*duplicate key"):
        Params.load(tmp_path / "params.yaml")


ENTRY = {"family": "f", "lineage": "l", "tuning": "base", "bos": True, "parameters": 1e9}


def write_entry(tmp_path, name="m", **more):
    write_yaml(tmp_path / f"{name}.yaml", ENTRY | more)
    return load_entry(name, tmp_path)


def test_one_form_of_entry_serves_every_source_and_names_may_have_dots(tmp_path):
    hub = {"id": "Qwen/Qwen2.5-1.5B", "revision": "a" * 40}
    assert write_entry(tmp_path, "qwen2.5-1.5b", hub=hub).hub.id == "Qwen/Qwen2.5-1.5B"
    assert write_entry(tmp_path, folder={"path": "/models/x"}).folder.path.name == "x"
    assert write_entry(tmp_path, gguf={"file": "x.gguf", "sha256": "0" * 64}).gguf.package is None
    twin = write_entry(tmp_path, folder={"path": "/models/x"}, seeds=[3, 4])
    assert twin.untrained
    assert twin.draws == [3, 4]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "exactly one of hub, folder, gguf"),
        ({"hub": {"id": "a/b", "revision": "main"}}, r"m.yaml: hub.revision: String should match pattern"),
        ({"folder": {"path": "x"}, "seeds": [1, 1]}, "a seed stands twice"),
        ({"folder": {"path": "x"}, "tuning": "chat"}, "tuning: Input should be 'base' or 'instruct'"),
        ({"folder": {"path": "x"}, "lineag": "x"}, "unknown key 'lineag'; did you mean 'lineage'"),
    ],
)
def test_a_mistake_in_an_entry_is_named(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        write_entry(tmp_path, **more)


def test_an_unknown_model_names_the_nearest(tmp_path):
    write_entry(tmp_path, "smollm2-135m", folder={"path": "x"})
    with pytest.raises(InputError, match="smolm2-135m.yaml: no such model entry; did you mean 'smollm2-135m'"):
        load_entry("smolm2-135m", tmp_path)


def test_a_twin_among_the_trained_is_refused(project):
    project.params["read"]["models"].append("tiny-untrained")
    project.params["read_untrained"]["models"] = []
    project.save()
    with pytest.raises(InputError, match=r"read.models: tiny-untrained: .* has seeds .* move it"):
        load_entries(Params.load())


def test_an_untrained_twin_cannot_be_quantised(project):
    project.params["read_untrained"]["precisions"] = ["fp32", "int8"]
    project.save()
    with pytest.raises(InputError, match="read_untrained.precisions: int8 needs trained weights"):
        load_entries(Params.load())
