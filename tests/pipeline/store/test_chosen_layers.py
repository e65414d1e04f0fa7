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
    table = chosen_layers.read()
    assert {path.stem for path in layout.CHOSEN_LAYERS.iterdir()} == {*params.models, *params.words} == {*table["model"]}
    assert opening.table("layers").equals(table)
    for model in params.models:
        assert opening.layers(model).equals(table.filter(model=model))
    with pytest.raises(InputError, match="no model 'tiny-qwen25'; did you mean 'tiny-qwen2.5'"):
        opening.layers("tiny-qwen25")


def test_of_each_rule_the_choice_on_all_topics_stands_first(in_finished):
    """`pipeline.steering.directions` takes the first row."""
    own = opening.layers("tiny-llama-3.2")
    first = own.unique([c for c in LAYERS.keys if c not in ("halving", "half")], keep="first", maintain_order=True)
    assert first["halving"].null_count() == first.height
    assert own["halving"].null_count() < own.height


def test_a_dropped_model_has_no_file_and_no_file_is_an_error(in_finished, tmp_path, monkeypatch):
    rows = chosen_layers.read()
    monkeypatch.setattr(layout, "CHOSEN_LAYERS", tmp_path / "layers")
    with pytest.raises(InputError, match="layers: not there; make it with `dvc repro`"):
        chosen_layers.read()
    chosen_layers.write(rows.to_dicts())
    assert chosen_layers.read().equals(rows)
    chosen_layers.write(rows.filter(pl.col("model") != "tiny-qwen2.5").to_dicts())
    assert "tiny-qwen2.5" not in chosen_layers.read()["model"].to_list()
