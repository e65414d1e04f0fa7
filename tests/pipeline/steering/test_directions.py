"""Directions and prompts of steering."""

from itertools import product

import numpy as np
import pytest
import xarray as xr

from pipeline.errors import InputError
from pipeline.steering import directions

LABELS = ["calm", "neutral", "sad"]


def stored(rng, n_topics=4, topics=None):
    """A reading of stories: three labels on a few topics, two layers."""
    label, topic = zip(*product(LABELS, topics or [f"t{t}" for t in range(n_topics)]), strict=True)
    states = rng.standard_normal((len(label), 1, 2, 8)).astype(np.float32)
    coords = {"position": ["last"], "layer": [0, 1], "emotion": ("stimulus", list(label)), "topic": ("stimulus", list(topic))}
    dims = ("stimulus", "position", "layer", "hidden")
    return xr.Dataset({"activation": (dims, states)}, coords=coords, attrs={"precision": "fp32"})


def means_of(dataset, layer, kept=None):
    label = np.array(dataset["emotion"].values.tolist())
    kept = np.ones(len(label), bool) if kept is None else kept
    x = dataset["activation"].values[:, 0, layer].astype(float)
    return np.stack([x[kept & (label == e)].mean(0) for e in LABELS])


def test_published_directions_are_centred_over_all_labels_and_ours_over_the_emotions(rng):
    dataset = stored(rng)
    half = directions.first_half(dataset, 0)
    paper = directions.directions(dataset, "last", 1, "neutral", over_all=True)
    ours = directions.directions(dataset, "last", 1, "neutral", over_all=False, chosen=half)
    every, some = means_of(dataset, 1), means_of(dataset, 1, half)
    for found, means, baseline in ((paper, every, every.mean(axis=0)), (ours, some, some[[0, 2]].mean(axis=0))):
        for name, mean in zip(LABELS, means, strict=True):
            expected = mean - baseline
            np.testing.assert_allclose(found[name], expected / np.sqrt((expected**2).sum()), rtol=1e-5, atol=1e-6)
        assert (found.layer, found.reason, found.emotions) == (1, None, ["calm", "sad"])


def test_a_half_is_of_topics_the_same_for_every_label(rng):
    dataset = stored(rng, 7)
    half = directions.first_half(dataset, 3)
    by_label = half.reshape(3, 7)
    assert (by_label == by_label[0]).all()
    assert by_label[0].sum() == 3
    assert np.array_equal(directions.first_half(dataset, 3), half)
    assert len({directions.first_half(dataset, seed).tobytes() for seed in range(8)}) > 3


def test_stories_that_are_not_crossed_are_halved_within_their_label(rng):
    dataset = stored(rng, 5)
    dataset = dataset.assign_coords(topic=("stimulus", [f"own {n}" for n in range(15)]))
    for own in (dataset, dataset.isel(stimulus=[0, 1, 2, 3, 4, 5, 6, 10, 11, 12])):
        half, label = directions.first_half(own, 1), np.array(own["emotion"].values.tolist())
        for e in LABELS:
            assert 0 < half[label == e].sum() < (label == e).sum()


def test_one_topic_has_no_halves(rng):
    with pytest.raises(InputError, match="fewer than two topics, or stories of a label: steering needs one half"):
        directions.first_half(stored(rng, 1), 0)


def test_no_word_of_a_topic_that_steers_is_in_the_score(rng):
    """A text that is a passage of the steering half scores no higher on the other half's direction than chance has it: with
    one direction for both, noise alone scored."""
    own, other = [], []
    for _ in range(200):
        dataset = stored(rng, 6)  # noise: no label means anything
        half = directions.first_half(dataset, 0)
        steers, scores = (
            directions.directions(dataset, "last", 0, "neutral", over_all=False, chosen=part) for part in (half, ~half)
        )
        own.append(steers["calm"] @ steers["calm"])
        other.append(steers["calm"] @ scores["calm"])
    assert np.mean(own) == pytest.approx(1)
    assert abs(np.mean(other)) < 3 * np.std(other) / np.sqrt(200)


def test_random_directions_are_unit_vectors_of_their_own_seed(rng):
    dataset = stored(rng)
    two = directions.directions(dataset, "last", 0, "neutral", over_all=False, random=2, seed=5)
    one = directions.directions(dataset, "last", 0, "neutral", over_all=False, random=1, seed=5)
    assert two.names == [*LABELS, "random#0", "random#1"]
    np.testing.assert_array_equal(two["random#0"], one["random#0"])
    np.testing.assert_allclose(np.linalg.norm(two.units, axis=1), 1)
    assert abs(two["random#0"] @ two["random#1"]) < 1 - 1e-6
    assert two.emotions == ["calm", "sad"]


def test_a_layer_that_cannot_be_had_is_a_reason_not_a_number(rng):
    dataset = stored(rng)
    none = directions.directions(dataset, "last", None, "neutral", over_all=False, random=1)
    assert (none.layer, none.reason) == (None, "no layer could be chosen at last, fp32")
    dataset["activation"][0, 0, 1] = np.nan
    lost = directions.directions(dataset, "last", 1, "neutral", over_all=True)
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
