"""The layers that each rule chooses: a file of each model, and all of them as one table."""

import polars as pl
import pytest

from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.schemas.geometry import LAYERS
from pipeline.store import chosen_layers, layout


def test_every_model_and_reader_of_words_has_a_file_and_together_they_are_one_table(in_finished):
    params = Params.load()
    table = chosen_layers.read([*params.models, *params.words])
    assert {path.stem for path in layout.CHOSEN_LAYERS.iterdir()} == {*params.models, *params.words} == {*table["model"]}
    assert opening.table("layers").equals(table)
    for model in params.models:
        assert opening.layers(model).equals(table.filter(model=model))
    with pytest.raises(InputError, match="no layers of 'tiny-qwen25'; did you mean 'tiny-qwen2.5'"):
        opening.layers("tiny-qwen25")


def test_of_each_rule_the_choice_on_all_topics_stands_first(in_finished):
    """`pipeline.steering.directions` takes the first row."""
    own = opening.layers("tiny-llama-3.2")
    first = own.unique([c for c in LAYERS.keys if c not in ("halving", "half")], keep="first", maintain_order=True)
    assert first["halving"].null_count() == first.height
    assert own["halving"].null_count() < own.height


@pytest.fixture
def elsewhere(in_finished, tmp_path, monkeypatch) -> pl.DataFrame:
    """All rows; they are written to, and read from, a folder that does not hold them yet."""
    rows = opening.table("layers")
    monkeypatch.setattr(layout, "CHOSEN_LAYERS", tmp_path / "layers")
    return rows


def test_a_dropped_model_has_no_file(elsewhere):
    everyone = elsewhere["model"].unique().to_list()
    chosen_layers.write(elsewhere.to_dicts())
    assert chosen_layers.read(everyone).equals(elsewhere)
    chosen_layers.write(elsewhere.filter(pl.col("model") != "tiny-qwen2.5").to_dicts())
    assert not layout.chosen_layers_path("tiny-qwen2.5").exists()


def test_of_nobody_there_are_no_rows(elsewhere):
    assert chosen_layers.read([]).schema == LAYERS.columns


def test_a_reader_whose_file_is_missing_is_never_left_out(elsewhere):
    """It was: `corpus` and others came to an end without a model, and without a word."""
    everyone = elsewhere["model"].unique().to_list()
    with pytest.raises(InputError, match=r"layers/.*parquet: not there; make it with `dvc repro`"):
        chosen_layers.read(everyone)
    chosen_layers.write(elsewhere.to_dicts())
    layout.chosen_layers_path("tfidf").unlink()
    with pytest.raises(InputError, match=r"layers/tfidf.parquet: not there; make it with `dvc repro`"):
        chosen_layers.read(everyone)


def test_a_file_in_anothers_place_is_named(elsewhere):
    """Every digest in it is right."""
    chosen_layers.write(elsewhere.to_dicts())
    own, other = map(layout.chosen_layers_path, ("tiny-qwen2.5", "tiny-llama-3.2"))
    own.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=r"qwen2.5.parquet: its rows are of tiny-llama-3.2; remove it and run `dvc repro`"):
        chosen_layers.of("tiny-qwen2.5")
