"""Other emotions that count: the same numbers as where nothing else was read, from what is stored."""

import shutil

import numpy as np
import pytest

from analysis.readers import counted
from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.vectors import Vectors
from pipeline.store import arrays
from tests.conftest import CONCLUDE, Project

SOME = ["angry", "calm", "sad"]


@pytest.fixture
def copied(finished, tmp_path, monkeypatch, model_folders):
    shutil.copytree(finished.folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    project = object.__new__(Project)
    project.folder, project.models, project.params = tmp_path / "copy", model_folders, finished.params | {}
    return project


def test_a_choice_of_emotions_is_concluded_from_what_is_stored_as_if_no_other_had_been_read(copied, monkeypatch):
    copied.params["vectors"] = copied.params["vectors"] | {"emotions": SOME}
    copied.save()
    monkeypatch.setattr("pipeline.reading.read.main", lambda *_: pytest.fail("nothing is read anew"))
    copied.run("vectors", *CONCLUDE)
    compared = (
        "geometry",
        "layers",
        "corpus",
        "pairs",
        "choices",
        "beyond",
        "paper",
    )
    from_store = {name: opening.table(name) for name in compared}
    assert set(opening.vectors_of("tiny-llama-3.2")["emotion"].values) == {*SOME, "neutral"}
    assert set(opening.vectors_of("tiny-llama-3.2", "generation")["emotion"].values) == {*SOME, "neutral"}
    assert set(opening.table("emotion_pairs")["emotion_a"]) | set(opening.table("emotion_pairs")["emotion_b"]) == set(SOME)
    # the truth: a project that has no other emotions
    monkeypatch.undo()
    monkeypatch.chdir(copied.folder)
    stored = arrays.activations

    def of_some(model, precision, reading, **only):
        found = stored(model, precision, reading, **only)
        return found.isel(stimulus=np.isin(np.array(found["emotion"].values.tolist()), [*SOME, "neutral", ""]))

    monkeypatch.setattr(arrays, "activations", of_some)
    monkeypatch.setattr("pipeline.texts.stimuli.were_read", lambda *_: None)  # of all that was read, some is given
    copied.params["vectors"] = copied.params["vectors"] | {"emotions": "all"}
    copied.params["readings"] = dict(copied.params["readings"])
    copied.params["readings"]["stories"] = dict(copied.params["readings"]["stories"]) | {"emotions": [*SOME, "neutral"]}
    copied.save()
    copied.run(*CONCLUDE[: CONCLUDE.index("paper") + 1])
    for name, table in from_store.items():
        assert table.equals(opening.table(name)), name


def test_an_emotion_that_was_not_read_is_named(in_finished):
    vectors = Vectors(emotions=["angry", "calm", "grateful"])
    with pytest.raises(InputError, match=r"vectors.emotions: 'grateful' is not in data/activations/.*there are angry, calm"):
        counted.activations(vectors, "tiny-llama-3.2", "fp32", "stories")
    some = counted.activations(Vectors(emotions=SOME), "tiny-llama-3.2", "fp32", "neutral")
    assert some.sizes["stimulus"] == arrays.activations("tiny-llama-3.2", "fp32", "neutral").sizes["stimulus"]
