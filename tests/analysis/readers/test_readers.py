"""Stages that know both the stories' file and what was read hold one against the other."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.readers import readers
from analysis.readers.sections import ReaderSections
from pipeline.errors import InputError
from pipeline.models.entries import load_entries
from tests.conftest import Project


def first_readout():
    params = ReaderSections.load()
    return next(readers.readouts(params, load_entries(params)))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("stories", lambda rows: [rows[0] | {"emotion": rows[-1]["emotion"]}, *rows[1:]]),
        ("stories", lambda rows: [r for r in rows if r["emotion"] != "calm"]),
        ("neutral", lambda rows: rows[:-1]),
    ],
)
def test_texts_that_are_not_those_that_were_read_are_refused(finished, tmp_path, monkeypatch, name, how):
    for path in ("data/activations", "data/models", "data/stimuli"):
        shutil.copytree(finished.folder / path, tmp_path / path)
    shutil.copy(finished.folder / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert first_readout().reader.model == "tiny-llama-3.2"
    path = Path(f"data/stimuli/{name}.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    here = Project.__new__(Project)
    here.folder = tmp_path
    here.write_csv(f"{name}.csv", how(rows))
    with pytest.raises(
        InputError, match=f"{path}: its texts are not those that tiny-llama-3.2/fp32/{name} has read; run `dvc repro`"
    ):
        first_readout()


@pytest.mark.parametrize("neutral", [np.ones((1, 1, 4)), np.zeros((3, 1, 4)), np.eye(4)[:1, None].repeat(1, axis=0)])
def test_neutral_texts_without_two_directions_have_no_anisotropy_and_raise_nothing(neutral, rng):
    states = rng.standard_normal((6, 1, 4)).astype(np.float32)
    finite = np.ones((6, 1), dtype=bool)
    readout = readers.Readout(
        reader=readers.Reader("tfidf", None, None),
        position="last",
        emotions=["a", "b"] * 3,
        topics=[""] * 6,
        stimuli=list("abcdef"),
        n_tokens=np.ones(6, dtype=np.int64),
        states=states,
        finite=finite,
        neutral=neutral.astype(np.float32),
        neutral_finite=np.ones((len(neutral), 1), dtype=bool),
    )
    layer = readout.layer(0, 0.5)
    assert layer.anisotropy is None
    assert layer.n_neutral_components == 0
    assert np.array_equal(layer.grams["centred"], layer.grams["denoised"])


def test_input_embeddings_are_of_the_whole_text_at_every_position(in_finished):
    """What a state at a last token knows of the words is more than the embedding of a full stop."""
    params = ReaderSections.load()
    made = [r for r in readers.readouts(params, load_entries(params)) if r.reader.reading == "input_embeddings"]
    assert {r.position for r in made} == set(params.geometry.positions) > {"mean50"}
    for each in made:
        store = xr.open_zarr(f"data/activations/{each.reader.model}/fp32/stories.zarr", consolidated=False)
        assert np.array_equal(each.states[:, 0], store["embedding"].sel(position="mean0").values)


def test_where_no_whole_text_was_read_embeddings_are_of_the_position_itself(in_finished):
    params = ReaderSections.load()
    stories = params.readings["stories"].model_copy(update={"positions": ["last", "mean50"]})
    few = params.model_copy(update={"readings": params.readings | {"stories": stories}})
    assert readers.of_whole_texts(params) == "mean0"
    assert readers.of_whole_texts(few) is None
