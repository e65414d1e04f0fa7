"""Directions and prompts of steering."""

import numpy as np
import pytest
import xarray as xr

from pipeline.errors import InputError
from pipeline.steering import directions

LABELS = ["calm", "neutral", "sad"]


def stored(rng):
    """A group of the store whose vectors are centred over the two emotions, as the stage `vectors` makes them."""
    means = rng.standard_normal((1, 1, 1, 2, 3, 8)).astype(np.float32)
    vector = means - means[..., [0, 2], :].mean(axis=-2, keepdims=True)
    dims = ("precision", "variant", "position", "layer", "emotion", "hidden")
    coords = {"precision": ["fp32"], "variant": ["centred"], "position": ["last"], "layer": [0, 1], "emotion": LABELS}
    return means[0, 0, 0], xr.Dataset({"vector": (dims, vector)}, coords=coords)


def test_published_directions_are_centred_over_all_labels_and_ours_over_the_emotions(rng):
    means, dataset = stored(rng)
    paper = directions.directions(dataset, "fp32", "last", 1, "neutral", over_all=True)
    ours = directions.directions(dataset, "fp32", "last", 1, "neutral", over_all=False)
    for found, baseline in ((paper, means[1].mean(axis=0)), (ours, means[1][[0, 2]].mean(axis=0))):
        for name, mean in zip(LABELS, means[1], strict=True):
            expected = mean - baseline
            np.testing.assert_allclose(found[name], expected / np.sqrt((expected**2).sum()), rtol=1e-5, atol=1e-6)
        assert (found.layer, found.reason, found.emotions) == (1, None, ["calm", "sad"])


def test_random_directions_are_unit_vectors_of_their_own_seed(rng):
    _, dataset = stored(rng)
    two = directions.directions(dataset, "fp32", "last", 0, "neutral", over_all=False, random=2, seed=5)
    one = directions.directions(dataset, "fp32", "last", 0, "neutral", over_all=False, random=1, seed=5)
    assert two.names == [*LABELS, "random#0", "random#1"]
    np.testing.assert_array_equal(two["random#0"], one["random#0"])
    np.testing.assert_allclose(np.linalg.norm(two.units, axis=1), 1)
    assert abs(two["random#0"] @ two["random#1"]) < 1 - 1e-6
    assert two.emotions == ["calm", "sad"]


def test_a_layer_that_cannot_be_had_is_a_reason_not_a_number(rng):
    _, dataset = stored(rng)
    none = directions.directions(dataset, "fp32", "last", None, "neutral", over_all=False, random=1)
    assert (none.layer, none.reason) == (None, "no layer could be chosen at last, fp32")
    dataset["vector"][0, 0, 0, 1] = np.nan
    lost = directions.directions(dataset, "fp32", "last", 1, "neutral", over_all=True)
    assert (lost.layer, lost.reason) == (1, "layer 1 has no finite vectors at last, fp32")


def test_prompts_come_by_set_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text('id,set,prompt,note\nb,ours,"One, two",x\na,paper,Three,\nc,ours, Four ,\n')
    assert directions.load_prompts(path) == {"ours": {"b": "One, two", "c": "Four"}, "paper": {"a": "Three"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,prompt\na,b\n", "no column set; it has id, prompt"),
        ("id,set,prompt\na,ours,\n", "row 1: an empty cell"),
        ("id,set,prompt\na,ours,x\na,paper,y\n", "row 2: the id 'a' stands twice"),
    ],
)
def test_a_mistake_in_the_prompts_is_named_with_its_row(tmp_path, content, message):
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        directions.load_prompts(path)
    with pytest.raises(InputError, match="absent.csv: no such file; steering.prompts in params.yaml"):
        directions.load_prompts(tmp_path / "absent.csv")
