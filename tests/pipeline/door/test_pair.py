"""One pair in one call: in any order, from any folder, with the names that there are."""

import polars as pl
import pytest

from pipeline import opening
from pipeline.door.pair import PAIRS
from pipeline.errors import InputError

A, B = "tiny-llama-3.2", "tiny-qwen2.5"
AT = {"layer_rule": "best_layer_cv", "pairs": "all", "position": "mean50", "variant": "centred"}
HERE = AT | {"precision_a": "fp32", "precision_b": "fp32", "setting_a": "stories", "setting_b": "stories"}


def test_a_pair_is_the_row_of_the_table_with_its_intervals(in_finished):
    found = opening.pair(A, B)
    row = opening.table(PAIRS.name).filter(model_a=A, model_b=B, **HERE)
    assert found.select(row.columns).equals(row)
    ends = opening.table("intervals").filter(model_a=A, model_b=B, **HERE, over="topics")
    for estimator, low, high in ends.select("estimator", "ci_low", "ci_high").iter_rows():
        assert found[f"{estimator}_ci_low"].item() == low
        assert found[f"{estimator}_ci_high"].item() == high
    assert ends.height > 0


def test_the_other_order_is_the_same_pair_with_its_sides_exchanged(in_finished):
    one, other = opening.pair(A, B), opening.pair(B, A)
    assert (other["model_a"].item(), other["model_b"].item()) == (B, A)
    assert other["reliability_a"].item() == one["reliability_b"].item()
    for column in ("rho_same", "rho_cross", "rho_dis", "rho_same_ci_low", "rho_same_ci_high"):
        assert one[column].item() == other[column].item()


def test_a_name_may_say_precision_seed_and_setting(in_finished):
    row = opening.pair(f"{A}/fp16", f"{A}/fp32").row(0, named=True)
    assert (row["precision_a"], row["precision_b"], row["model_b"]) == ("fp16", "fp32", A)
    assert opening.pair("tiny-untrained#1", A)["seed_a"].item() == 1
    assert opening.pair("tiny-untrained", A)["seed_a"].item() == 0
    assert opening.pair("tfidf", A)["precision_a"].item() is None
    assert opening.pair(f"{A}/fp32/input_embeddings", B)["setting_a"].item() == "input_embeddings"


def test_over_and_readout_can_be_chosen(in_finished):
    wide, labels = opening.pair(A, B), opening.pair(A, B, over="labels", position="last", variant="denoised")
    assert labels["position"].item() == "last"
    assert wide["rho_same_ci_low"].item() != labels["rho_same_ci_low"].item()


@pytest.mark.parametrize(
    ("a", "b", "options", "said"),
    [
        ("tiny-lama", B, {}, "no model 'tiny-lama'; did you mean 'tiny-llama-3.2'\\? there are char_ngrams, tfidf, tiny-llama"),
        (f"{A}/int8", B, {}, "no precision of 'tiny-llama-3.2' 'int8'; there are fp16, fp32"),
        (A, A, {}, "not compared with itself"),
        (f"{A}/fp32/stories/x", B, {}, "names no reader"),
        (A, B, {"over": "topic"}, "no interval over 'topic'; did you mean 'topics'"),
        (A, B, {"position": "mean5"}, "no position 'mean5'; did you mean 'mean50'"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(in_finished, a, b, options, said):
    with pytest.raises(InputError, match=said):
        opening.pair(a, b, **options)


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
    with pytest.raises(InputError, match=r"rsa.parquet: not there; .* is no checkout of this project"):
        opening.table("rsa")
    with pytest.raises(InputError, match="no such folder"):
        opening.table("rsa", root=tmp_path / "nowhere")
    with pytest.raises(InputError, match="no table 'rsaa'; did you mean 'rsa'"):
        opening.table("rsaa", root=finished.folder)
    with pytest.raises(InputError, match="no model 'tiny-lama'; did you mean 'tiny-llama-3.2'"):
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
        opening.table("rsa")
    out = "  - path: {}\n    md5: a\n"
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n s:\n  cmd: x\n  outs:\n"
        + out.format("data/tables/rsa.parquet")
        + out.format("data/activations/tiny-qwen2.5/fp32/stories.zarr")
    )
    with pytest.raises(InputError, match="run `dvc pull --allow-missing` in"):
        opening.table("rsa")
    with pytest.raises(InputError, match="run `dvc repro` in"):
        opening.activations("tiny-qwen2.5", "fp32", "stories")


def test_a_pair_has_the_columns_of_the_table_first(in_finished):
    assert opening.pair(A, B).columns[: len(PAIRS.columns)] == list(PAIRS.columns)
    assert opening.pair(A, B).schema["rho_dis_ci_high"] == pl.Float64
