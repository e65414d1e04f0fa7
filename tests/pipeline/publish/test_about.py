"""What is said of data to others is true of them: this study's licence, language and name are said of its own data alone."""

import csv
import hashlib
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline import opening
from pipeline.params.reading import ReadingSections
from pipeline.publish import about, card
from pipeline.texts import stimuli
from tests.conftest import ROOT, write_yaml


def git(root, *arguments):
    subprocess.run(["git", "-c", "user.email=a@example.org", "-c", "user.name=a", *arguments], cwd=root, check=True)


@pytest.fixture
def study(tmp_path):
    """A clone of this study, by the files that say what its data are."""
    for name in ("params.yaml", "dvc.lock", "profiles/default.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "data/models", tmp_path / "data/models")
    shutil.copytree(ROOT / "data/stimuli", tmp_path / "data/stimuli")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "published")
    return tmp_path


@pytest.fixture
def own(finished, tmp_path):
    """The finished project, which read stories of its own, and can be changed."""
    shutil.copy(finished.folder / "params.yaml", tmp_path)
    for name in ("data/models", "data/stimuli", "data/vectors.zarr"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    return tmp_path


def head(root):
    return YAML(typ="safe").load(card.dataset_card([], about.about(root)).split("---\n")[1])


def test_the_texts_that_are_taken_for_this_projects_are_those_that_it_has():
    files = ["stories.csv", "second.csv", "neutral.csv"]
    assert list(about.ENGLISH) == [hashlib.sha256((ROOT / "data/stimuli" / name).read_bytes()).hexdigest() for name in files]


def test_of_this_study_all_is_said_that_is_known(study):
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    found = about.about(study)
    assert (found.version, found.published) == (cited["version"], str(cited["date-released"]))
    assert found.licence.upper() == cited["license"]
    assert found.summary.startswith(" ".join(cited["abstract"].split())[:-1])
    assert {"license": "cc-by-4.0", "language": ["en"]}.items() <= head(study).items()
    assert found.weights["gemma-3-270m"] == YAML(typ="safe").load(ROOT / "data/models/gemma-3-270m.yaml")["licence"]["name"]


def test_params_that_were_edited_after_a_pull_change_nothing_of_what_was_pulled(study):
    before = about.about(study)
    params = YAML(typ="safe").load(study / "params.yaml")
    params["read"]["models"] = ["qwen2.5-1.5b"]
    write_yaml(study / "params.yaml", params)
    assert about.about(study) == before
    assert set(before.weights) == {"smollm2-135m-instruct", "gemma-3-270m"}


@pytest.mark.parametrize("is_committed", [False, True])
def test_of_a_run_of_ones_own_nothing_of_this_study_is_said(study, is_committed):
    params = YAML(typ="safe").load(study / "params.yaml")
    params["read"]["models"] = ["smollm2-135m-instruct"]
    write_yaml(study / "params.yaml", params)
    (study / "dvc.lock").write_text("stages: {}\n")
    if is_committed:
        git(study, "commit", "-qam", "mine")
    found = about.about(study)
    assert (found.licence, found.language, found.url, found.version, found.published) == (None,) * 5
    assert found.title == "Emotion vectors of smollm2-135m-instruct"
    assert not {"license", "language"} & {*head(study)}


def test_a_run_of_ones_own_is_described_by_what_it_read(own):
    with (own / "data/stimuli/stories.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = about.about(own)
    assert f" of 2 language models on the {len(rows)} texts of stories.csv " in found.summary
    assert f" with {len({row['emotion'] for row in rows})} labels, " in found.summary
    assert found.title == "Emotion vectors of tiny-llama-3.2, tiny-qwen2.5"
    assert (found.licence, found.language) == (None, None)


def test_texts_that_were_not_read_are_not_spoken_of(own):
    path = own / "data/stimuli/stories.csv"
    path.write_text(path.read_text().replace("the", "der"))
    assert " on texts, Gram" in about.about(own).summary


def test_english_is_said_where_every_text_that_was_read_is_known_to_be(study, monkeypatch):
    monkeypatch.chdir(study)
    params = YAML(typ="safe").load(study / "params.yaml")
    write_yaml(study / "params.yaml", params | {"profile": "mine"})
    (study / "dvc.lock").write_text("stages: {}\n")
    digest = stimuli.digest(stimuli.load(ReadingSections.load().readings["stories"]))
    attributes = {"stimuli_sha256": {"fp32": digest}}
    monkeypatch.setattr(opening, "vectors_of", lambda model, root: SimpleNamespace(attrs=attributes))
    found = about.about(study)
    assert (found.language, found.licence) == ("en", None)
    assert "on the 504 texts of stories.csv with 21 labels" in found.summary
    second = study / "data/stimuli/second.csv"
    second.write_text(second.read_text().replace("the ", "der "))
    assert about.about(study).language is None
