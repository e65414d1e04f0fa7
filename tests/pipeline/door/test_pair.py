"""One pair in one call: in any order, from any folder, with the names that there are."""

import numpy as np
import pytest
import xarray as xr

from pipeline import opening
from pipeline.errors import InputError

A, B, TWIN = "tiny-llama-3.2", "tiny-qwen2.5", "tiny-untrained"
HERE = {"precision_a": "fp32", "precision_b": "fp32", "setting_a": "stories", "setting_b": "stories"}


def test_a_pair_is_the_row_of_the_table(in_finished):
    found = opening.pair(A, B)
    rows = opening.table("pairs").filter(model_a=A, model_b=B, **HERE)
    assert found.equals(rows.filter(position="mean50"))
    assert opening.pair(A, B, position="last").equals(rows.filter(position="last"))
    with pytest.raises(InputError, match="no position 'mean5'; did you mean 'mean50'"):
        opening.pair(A, B, position="mean5")
    assert found["rho_same_low"].item() < found["rho_same"].item() < found["rho_same_high"].item()


def test_the_other_order_is_the_same_pair_with_its_sides_exchanged(in_finished):
    one, other = opening.pair(A, B), opening.pair(B, A)
    assert (other["model_a"].item(), other["model_b"].item()) == (B, A)
    assert other["reliability_a"].item() == one["reliability_b"].item()
    for column in ("rho_same", "rho_cross", "rho_dis", "rho_same_low", "rho_same_high"):
        assert one[column].item() == other[column].item()


def test_a_name_may_say_precision_seed_and_setting(in_finished):
    row = opening.pair(f"{A}/fp16", f"{A}/fp32").row(0, named=True)
    assert (row["precision_a"], row["precision_b"], row["model_b"]) == ("fp16", "fp32", A)
    assert opening.pair("tiny-untrained#1", A)["seed_a"].item() == 1
    assert opening.pair("tiny-untrained", A)["seed_a"].item() == 0
    assert opening.pair("tfidf", A)["precision_a"].item() is None
    assert opening.pair(f"{A}/fp32/input_embeddings", B)["setting_a"].item() == "input_embeddings"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("tiny-lama", B, "no model 'tiny-lama'; did you mean 'tiny-llama-3.2'\\? there are char_ngrams, tfidf, tiny-llama"),
        (f"{A}/int8", B, "no precision of 'tiny-llama-3.2' 'int8'; there are fp16, fp32"),
        (A, A, "not compared with itself; name two precisions, e.g. 'tiny-llama-3.2/fp.*' and 'tiny-llama-3.2/fp"),
        (TWIN, TWIN, "not compared with itself; name two seeds, e.g. 'tiny-untrained#0' and 'tiny-untrained#1'$"),
        (f"{TWIN}#1", f"{TWIN}#1", "not compared with itself; name two seeds, e.g. 'tiny-untrained#1' and 'tiny-untrained#0'$"),
        ("tfidf", "tfidf", "'tfidf' is not compared with itself; name two readers$"),
        ("tiny-lama", "tiny-lama", "no model 'tiny-lama'; did you mean"),
        (f"{A}/fp32/stories/x", B, "names no reader"),
        ("tiny-untrained#²", B, "'tiny-untrained#²' names no reader; write model, model#seed"),
        (None, B, "'None' names no reader"),
        (A, "", "'' names no reader"),
        (f"{A}#0", B, "'tiny-llama-3.2#0': 'tiny-llama-3.2' has no seed; leave it out"),
        ("tfidf/fp32", B, "'tfidf/fp32': 'tfidf' has no precision; leave it out"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(in_finished, a, b, said):
    with pytest.raises(InputError, match=said):
        opening.pair(a, b)


def test_everything_opens_from_another_folder_when_the_repository_is_given(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = finished.folder
    assert opening.pair(A, B, root=root).height == 1
    assert opening.table("layers", root=root).height > 0
    assert set(opening.vectors_of(A, root=root).data_vars) >= {"vector", "finite"}
    assert "activation" in opening.activations(A, "fp32", "stories", root=root, layer=[0])
    assert opening.writing(A, "fp32", "matched", root=root).height > 0
    assert "tiny-qwen2.5" in opening.vectors(root=root).children


def test_what_is_not_there_is_answered_with_what_to_do(finished, project, tmp_path):
    with pytest.raises(InputError, match=r"pairs.parquet: not there; .* is no checkout of this project"):
        opening.table("pairs")
    with pytest.raises(InputError, match="no such folder"):
        opening.table("pairs", root=tmp_path / "nowhere")
    with pytest.raises(InputError, match="no table 'pair'; did you mean 'pairs'"):
        opening.table("pair", root=finished.folder)
    with pytest.raises(InputError, match="no activations of 'tiny-lama'; did you mean 'tiny-llama-3.2'"):
        opening.activations("tiny-lama", "fp32", "stories", root=finished.folder)
    with pytest.raises(InputError, match="no precision 'fp64'; did you mean"):
        opening.activations(A, "fp64", "stories", root=finished.folder)
    with pytest.raises(InputError, match="no reading 'storys'; did you mean 'stories'"):
        opening.activations(A, "fp32", "storys", root=finished.folder)
    with pytest.raises(InputError, match="no group of 'tiny-llama-3.2' 'comprehensio'; did you mean 'comprehension'"):
        opening.vectors_of(A, "comprehensio", root=finished.folder)


def test_what_a_lock_records_is_to_be_pulled_and_what_it_does_not_is_to_be_made(project):
    root = project.folder
    (root / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(InputError, match="run `dvc repro` in"):
        opening.table("pairs")
    out = "  - path: {}\n    md5: a\n"
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n s:\n  cmd: x\n  outs:\n"
        + out.format("data/tables/pairs.parquet")
        + out.format("data/activations/tiny-qwen2.5/fp32/stories.zarr")
    )
    with pytest.raises(InputError, match="run `make pull` in"):
        opening.table("pairs")
    with pytest.raises(InputError, match="run `dvc repro` in"):
        opening.activations("tiny-qwen2.5", "fp32", "stories")


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"lyer": [0]}, "no dimension of activations 'lyer'; did you mean 'layer'?"),
        ({"emotion": ["sad"]}, "no dimension of activations 'emotion'; .*there are hidden, layer, position, seed, stimulus"),
        ({"layer": ["1"]}, r"layer=\['1'\]: give whole numbers, as in layer=\[0\]; without it all are opened"),
        ({"layer": []}, r"layer=\[\]: give whole numbers"),
        ({"layer": None}, "layer=None: give whole numbers"),
        ({"layer": [[0], [1, 2]]}, "give whole numbers"),
        ({"position": 3}, "position=3: give names"),
        ({"seed": 0}, "'tiny-llama-3.2' is no untrained twin: its readings have no seed"),
        ({"layer": 99}, "no layer 99; there are 0, 1, 2, 3"),
        ({"position": "mean5"}, "no position mean5; there are"),
    ],
)
def test_a_mistake_in_a_call_is_never_told_to_remove_readings(in_finished, only, said):
    with pytest.raises(InputError, match=said) as caught:
        opening.activations(A, "fp32", "stories", **only)
    assert "remove it" not in str(caught.value)


def test_one_value_stands_for_a_list_of_it(in_finished):
    one = opening.activations(A, "fp32", "stories", layer=np.int64(1), position="mean50")
    assert one.identical(opening.activations(A, "fp32", "stories", layer=[1], position=["mean50"]))
    assert opening.activations("tiny-untrained", "fp32", "stories", seed=1, layer=range(2)).sizes["seed"] == 1
    assert set(opening.open_vectors(models=A).children) == {A}
    with pytest.raises(InputError, match="no model 'tiny-lama'; did you mean"):
        opening.open_vectors(models="tiny-lama")
    with pytest.raises(InputError, match="no model .3.; "):
        opening.open_vectors(models=[3])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: opening.validate("data/vectors.zarr"), "tree='data/vectors.zarr': give a DataTree"),
        (lambda: opening.validate(xr.Dataset({"a": 1})), r"tree=<xarray.Dataset> Size: \d+B: give a DataTree"),
        (lambda: opening.open_vectors(5), "path_or_repo=5: give a path or an address"),
        (lambda: opening.open_vectors(rev=3), "rev=3: give a tag or a commit"),
        (lambda: opening.open_vectors(models=5), "models=5: give names"),
        (lambda: opening.table("pairs", root=5), "root=5: give a path"),
        (lambda: opening.activations(A, 32, "stories"), "precision=32: give a name"),
        (lambda: opening.writing(A, "fp32", None), "setting=None: give a name"),
        (lambda: opening.steered([A], "fp32"), r"model=\['tiny-llama-3.2'\]: give a name"),
        (lambda: opening.layers(5), "model=5: give a name"),
    ],
)
def test_an_argument_of_another_type_is_named(in_finished, call, said):
    with pytest.raises(InputError, match=f"^{said}"):
        call()


@pytest.mark.parametrize("address", ["https:/example.org/x", "https:example.org/x", "https:///x", "ssh:/x", "file:/x"])
def test_a_malformed_address_is_called_that(address):
    with pytest.raises(InputError, match="a malformed address; write it as https://example.org/name.git"):
        opening.open_vectors(address)
