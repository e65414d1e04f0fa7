"""Vectors of others beside ours: against a few lines of numpy, and the five published banks against one another in form."""

import hashlib

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from analysis.grid import imported
from pipeline import opening
from pipeline.schemas.choices import CHOICES, IMPORTED
from pipeline.store import parts
from tests.conftest import write_yaml

LABELS = ["angry", "calm", "happy", "sad"]


def published(folder, name, arrays, n_layers, **entry):
    file = folder / f"{name}.npz"
    np.savez(file, **arrays)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    write_yaml(
        folder / f"data/banks/{name}.yaml", {"model": name, "path": str(file), "sha256": digest, "n_layers": n_layers} | entry
    )


@pytest.fixture
def compared(project, finished, rng):
    """Two banks beside the finished project's readings."""
    (project.folder / "data/activations").symlink_to(finished.folder / "data/activations")
    one = {f"layer_{n}__{e}": rng.standard_normal(16).astype(np.float32) for n in (2, 6) for e in [*LABELS, "grim"]}
    two = {f"layer_{n}__{e}": rng.standard_normal(12).astype(np.float32) for n in (0, 3) for e in [*LABELS, "grim"]}
    published(project.folder, "one", one, 8)
    published(project.folder, "two", two, 4, labels={"angry": "cross", "calm": "still"}, stories="stories")
    project.params["imported"] = ["one", "two"]
    project.save()
    imported.main([])
    return one, two, parts.read_part(CHOICES, IMPORTED)


def rdm(vectors):
    x = np.stack(vectors).astype(np.float64)
    return pdist(x - x.mean(axis=0), "cosine")


def test_a_model_beside_a_bank_is_spearmans_rho_at_matched_depth(compared):
    one, _, table = compared
    row = table.filter(model_a="tiny-llama-3.2", model_b="one", layer_b=6).row(0, named=True)
    assert (row["layer_a"], row["n_emotions"], row["depth"]) == (3, 4, 0.75)  # of 4 layers, 0.75 is layer 3
    read = opening.activations("tiny-llama-3.2", "fp32", "stories", position=["mean50"]).isel(position=0)
    names = np.array(read["emotion"].values.tolist())
    own = [read["activation"].values[names == e, 3].mean(axis=0, dtype=np.float64) for e in LABELS]
    truth = spearmanr(rdm(own), rdm([one[f"layer_6__{e}"] for e in LABELS])).statistic
    assert row["rho_whole"] == pytest.approx(truth, abs=1e-12)
    assert row["rho_same"] is None  # its makers' stories are not known
    assert (row["setting_a"], row["setting_b"], row["method_b"]) == ("stories", None, "imported")
    assert row["reason"] == "rho_cross: of a bank there are means alone, no stories, so no halves"


def test_labels_are_mapped_and_too_few_in_common_are_said(compared):
    _, _, table = compared
    rows = table.filter(model_b="two", model_a="tiny-qwen2.5").to_dicts()
    assert {row["n_emotions"] for row in rows} == {2}
    assert all(
        row["rho_whole"] is None and row["reason"].startswith("rho_same: 2 labels in common, 4 are needed") for row in rows
    )
    banks = table.filter(model_a="one", model_b="two")
    assert banks["n_emotions"].to_list() == [3, 3]
    assert set(banks["method_a"]) == set(banks["method_b"]) == {"imported"}


def test_the_neutral_label_of_banks_is_no_emotion_and_positions_are_their_own(project, finished, rng):
    (project.folder / "data/activations").symlink_to(finished.folder / "data/activations")
    labels = [*LABELS, "grim", "neutral"]
    arrays = {
        name: {f"layer_2__{e}": rng.standard_normal(16).astype(np.float32) for e in labels} for name in ("one", "two", "three")
    }
    for n, name in enumerate(arrays):
        arrays[name]["layer_2__neutral"] += 100  # far off, as what is no emotion is
        published(project.folder, name, arrays[name], 8, position="mean50" if n else None)
    project.params["imported"] = list(arrays)
    project.save()
    imported.main([])
    table = parts.read_part(CHOICES, IMPORTED)
    rows = table.filter(model_a="two", model_b="three").to_dicts()
    one, two = ([arrays[name][f"layer_2__{e}"] for e in [*LABELS, "grim"]] for name in ("two", "three"))
    assert [row["n_emotions"] for row in rows] == [5]
    assert rows[0]["rho_whole"] == pytest.approx(spearmanr(rdm(one), rdm(two)).statistic, abs=1e-12)
    assert rows[0]["position"] == "mean50"  # both say so
    assert table.filter(model_a="one", model_b="two")["position"].to_list() == [None]  # of one nothing is known
    assert set(table.filter(model_a="tiny-llama-3.2")["position"]) == {"mean50"}
    project.params["vectors"]["emotions"] = LABELS
    project.save()
    imported.main([])
    chosen = parts.read_part(CHOICES, IMPORTED).filter(model_a="two", model_b="three").row(0, named=True)
    truth = spearmanr(rdm(one[:4]), rdm(two[:4])).statistic
    assert (chosen["n_emotions"], chosen["rho_whole"]) == (4, pytest.approx(truth, abs=1e-12))


def test_no_bank_is_no_row(in_finished):
    assert parts.read_part(CHOICES, IMPORTED).height == 0
