"""Stores say what they are: title, licence, references, and of every array its meaning and units."""

import numpy as np
import xarray as xr

from pipeline import opening
from pipeline.store import layout, writer


def test_every_store_and_array_says_what_it_is(in_finished):
    tree = opening.open_vectors()
    assert {"title", "summary", "Conventions", "license", "references"} <= set(tree.attrs)
    for model in tree.children.values():
        assert {"title", "Conventions", "license", "references"} <= set(model.attrs)
        assert model.attrs["title"] == f"Emotion vectors of {model.name}"
        assert "positions" not in model.attrs
        for group in model.children.values():
            rules = [rule.split(" = ")[0] for rule in group.attrs["positions"].split("; ")]
            assert rules == group["position"].values.tolist()
        for group in model.children.values():
            for name, array in group.variables.items():
                assert array.attrs["long_name"] == layout.MEANING[name]
                assert array.attrs.get("units") == ("1" if array.dtype.kind in "if" else None)
    read = opening.activations("tiny-llama-3.2", "fp32", "stories")
    assert {"title", "license"} <= set(read.attrs)
    assert read["activation"].attrs["units"] == "1"


def test_numbers_stay_as_they_are_and_the_callers_dataset_too():
    dataset = xr.Dataset({"vector": ("layer", np.arange(3.0)), "other": ("layer", np.arange(3))}, coords={"layer": [0, 1, 2]})
    made = writer.with_meaning(dataset)
    assert made.equals(dataset)
    assert not dataset["vector"].attrs
    assert not made["other"].attrs
