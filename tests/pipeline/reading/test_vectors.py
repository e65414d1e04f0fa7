import numpy as np
import pytest

from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.reading import read, vectors
from pipeline.store import layout, roots
from tests.conftest import Project


def by_hand(model, precision, position, layer, seed=None):
    """Vectors of one layer, centred and without neutral components, in a few lines of float64 numpy."""
    at = {"position": position, "layer": layer} | ({} if seed is None else {"seed": seed})
    stories, neutral = (opening.activations(model, precision, r).sel(at) for r in ("stories", "neutral"))
    x, emotions = stories["activation"].values.astype(np.float64), np.array(stories["emotion"].values.tolist())
    labels = sorted(set(emotions))
    means = np.stack([x[emotions == e].mean(0) for e in labels])
    centred = means - np.stack([m for m, e in zip(means, labels, strict=True) if e != "neutral"]).mean(0)
    n = neutral["activation"].values.astype(np.float64)
    _, s, vt = np.linalg.svd(n - n.mean(0), full_matrices=False)
    count = int(np.argmax(np.cumsum(s**2) / (s**2).sum() >= 0.5)) + 1
    return centred, centred - centred @ vt[:count].T @ vt[:count], count


@pytest.mark.parametrize(("model", "seed"), [("tiny-llama-3.2", None), ("tiny-untrained", 1)])
@pytest.mark.parametrize("position", ["last", "mean50"])
def test_vectors_are_label_means_minus_the_emotions_mean(model, seed, position, in_finished):
    dataset = opening.vectors()[f"{model}/comprehension"].to_dataset()
    for layer in range(4):
        at = {"precision": "fp32", "position": position, "layer": layer} | ({} if seed is None else {"seed": seed})
        centred, denoised, count = by_hand(model, "fp32", position, layer, seed)
        found = dataset["vector"].sel(at)
        assert np.allclose(found.sel(variant="centred"), centred, rtol=1e-5, atol=1e-6)
        assert np.allclose(found.sel(variant="denoised"), denoised, rtol=1e-5, atol=1e-6)
        assert int(dataset["n_neutral_components"].sel(at)) == count
        assert bool(dataset["finite"].sel(at))


def test_the_emotions_sum_to_zero_and_the_neutral_label_does_not_count(in_finished):
    dataset = opening.vectors()["tiny-qwen2.5/comprehension"].to_dataset()
    emotions = [e for e in Project.emotions if e != "neutral"]
    scale = float(np.abs(dataset["vector"]).mean())
    assert float(np.abs(dataset["vector"].sel(emotion=emotions).mean("emotion")).max()) < 1e-5 * scale
    assert dataset.attrs["baseline"] == "mean of the label means without 'neutral'"


def test_the_models_node_says_the_convention_in_words(in_finished):
    attributes = opening.vectors()["tiny-llama-3.2"].attrs
    assert attributes["weights"] == "float32"
    assert attributes["layer"].startswith("layer l = residual stream after block l, counted from 0")
    assert attributes["precisions"]["fp16"]["compute_dtype"] == "float16"
    assert attributes["bos"].startswith("prepended")
    assert len(attributes["read_code_sha256"]) == len(attributes["weights_sha256"]) == 64
    assert attributes["torch_version"].startswith("2.")


def test_an_overflowing_layer_is_flagged_and_the_others_stay(project, monkeypatch):
    project.params["read"] |= {"models": ["tiny-llama-3.2"], "precisions": ["fp32", "fp16"]}
    project.save()
    true_pool = read.residual.pool
    calls = []

    def third_layer_overflows(states, weights):
        pooled, finite = true_pool(states, weights)
        calls.append(1)
        if states.dtype == np.float16 or str(states.dtype) == "torch.float16":
            place = (len(calls) - 1) % 5  # the input embeddings come first
            if place == 3:
                pooled[0, 0], finite[0, 0] = np.nan, False
        return pooled, finite

    monkeypatch.setattr(read.residual, "pool", third_layer_overflows)
    for precision in ("fp32", "fp16"):
        calls.clear()
        read.main(["tiny-llama-3.2", precision, "stories", "neutral"])
    vectors.main(["tiny-llama-3.2"])
    roots.main([])
    dataset = opening.vectors()["tiny-llama-3.2/comprehension"].to_dataset()
    finite = dataset["finite"]
    assert not finite.sel(precision="fp16", position="last", layer=2)
    assert int(finite.sum()) == finite.size - 1
    nan = np.isnan(dataset["vector"]).any(["variant", "emotion", "hidden"])
    assert np.array_equal(nan, ~finite)


def test_one_emotion_is_nothing_to_compare(project):
    project.params["readings"]["stories"]["emotions"] = ["calm", "neutral"]
    project.save()
    read.main(["tiny-qwen2.5", "fp32", "stories", "neutral"])
    project.params |= {"read": project.params["read"] | {"precisions": ["fp32"]}, "varied": []}
    project.save()
    with pytest.raises(InputError, match="fewer than two emotions beside the neutral label"):
        params = Params.load()
        vectors.of_group("tiny-qwen2.5", vectors.groups_of("tiny-qwen2.5", params)["comprehension"], params)


def test_writing_the_vectors_twice_gives_the_same_bytes(in_finished, tmp_path, monkeypatch):
    made = []
    for name in ("once", "twice"):
        monkeypatch.setattr(layout, "VECTORS", tmp_path / name)
        monkeypatch.setattr(layout, "SCRATCH", tmp_path / "scratch")
        vectors.main(["tiny-qwen2.5"])
        made.append({p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()})
    assert made[0] == made[1]
    assert len(made[0]) > 5


@pytest.mark.parametrize(
    ("name", "reading"), [("matched", "matched-fp16/alone"), ("matched_prompted", "matched-fp16/prompted")]
)
def test_what_a_model_wrote_has_vectors_alone_and_after_the_prompt(name, reading, in_finished):
    tree = opening.vectors()["tiny-llama-3.2"]
    assert set(tree.children) == {"comprehension", "generation", "generation_prompted", "matched", "matched_prompted"}
    assert set(opening.vectors()["tiny-qwen2.5"].children) == {"comprehension"}
    group = tree[name].to_dataset()
    assert group["precision"].values.tolist() == ["fp32", "fp16"]
    assert group["position"].values.tolist() == ["middle"]  # its own
    read_ = opening.activations("tiny-llama-3.2", "fp16", reading).sel(position="middle", layer=2)
    x, labels = read_["activation"].values.astype(float), read_["emotion"].values
    means = {e: x[labels == e].mean(0) for e in ("angry", "calm", "happy", "sad")}
    expected = means["sad"] - np.mean(list(means.values()), axis=0)
    at = {"precision": "fp16", "variant": "centred", "position": "middle", "layer": 2, "emotion": "sad"}
    assert np.allclose(group["vector"].sel(at), expected, atol=1e-5)
    assert (tree["generation"].attrs["setting"], tree["generation"].attrs["context"]) == ("reliable", "the text alone")
    assert tree["generation_prompted"].attrs["context"] == "after the prompt that was answered, which names the label"


def test_vectors_are_kept_at_the_positions_that_params_name(project):
    params = vectors.Params.load()
    read = params.readings["stories"].positions
    assert vectors.positions_of(read, params.vectors) == ["last", "mean50"]
    every = params.vectors.model_copy(update={"positions": "all"})
    assert vectors.positions_of(read, every) == read
    wrong = params.vectors.model_copy(update={"positions": ["mean5"]})
    with pytest.raises(InputError, match="vectors.positions: 'mean5' is not read; there are last, mean50"):
        vectors.positions_of(read, wrong)


def test_vectors_of_a_writing_are_kept_of_the_settings_that_params_name_and_at_every_position_when_asked(in_finished):
    params = Params.load()
    chosen = params.vectors.model_copy(update={"settings": ["reliable"], "positions": "all"})
    few = vectors.groups_of("tiny-llama-3.2", params.model_copy(update={"vectors": chosen}))
    assert set(few) == {"comprehension", "generation", "generation_prompted"}
    assert few["generation"].positions == params.write.positions


def test_vectors_of_a_twin_are_kept_of_its_first_draws(in_finished):
    params = Params.load()
    group = vectors.groups_of("tiny-untrained", params)["comprehension"]
    every = vectors.of_group("tiny-untrained", group, params)
    one = params.model_copy(update={"vectors": params.vectors.model_copy(update={"draws": 1})})
    first = vectors.of_group("tiny-untrained", group, one)
    assert (every["seed"].values.tolist(), first["seed"].values.tolist()) == ([0, 1], [0])
    assert first["vector"].equals(every["vector"].isel(seed=[0]))


def test_a_setting_that_nobody_knows_is_named(in_finished):
    project = in_finished.params | {"vectors": in_finished.params["vectors"] | {"settings": ["reliabel"]}}
    with pytest.raises(ValueError, match="vectors.settings: 'reliabel' is not among write.settings"):
        Params.model_validate(project)
