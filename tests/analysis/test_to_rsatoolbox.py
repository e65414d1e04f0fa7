"""Our numbers against rsatoolbox's, on the objects that we hand to it. Skipped, but for refusals, where it is not installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis import to_rsatoolbox
from analysis.rsa import distances, gram, pairwise, rdm, split_half
from analysis.rsa.ceilings import same_story_noise_ceiling
from analysis.rsa.split_half import Halves
from pipeline.errors import InputError
from pipeline.store import arrays, layout
from tests.conftest import crossed
from tests.reference import cosine_rdm

E, T, H, LAYERS = 6, 8, 24, 2


@pytest.fixture
def rsatoolbox():
    return pytest.importorskip("rsatoolbox")


@pytest.fixture
def dataset(rng):
    """A reading as the store holds it, its stimuli in no order of labels or topics."""
    design = crossed(E, T)
    order = rng.permutation(E * T)
    means = rng.normal(size=(E, 1, LAYERS, H))
    states = means[design.label[order]] + rng.normal(size=(E * T, 2, LAYERS, H)) + 20 * rng.normal(size=H)

    def words(values):
        return np.array(values, dtype=layout.STRING)

    made = xr.Dataset(
        {
            "activation": (layout.ACTIVATION_DIMS, states.astype(np.float32)),
            "finite": (layout.FINITE_DIMS, np.ones((E * T, 2, LAYERS), dtype=bool)),
            "embedding": (layout.EMBEDDING_DIMS, np.zeros((E * T, 2, H), dtype=np.float32)),
        },
        coords={
            "stimulus": ("stimulus", words([f"id{i}" for i in order])),
            "emotion": ("stimulus", words([design.labels[design.label[i]] for i in order])),
            "topic": ("stimulus", words([design.units[design.unit[i]] for i in order])),
            "position": ("position", words(["last", "mean50"])),
            "layer": ("layer", np.arange(LAYERS)),
        },
    )
    arrays.check_activations(made, Path("made here"))
    return made


def design_of(dataset):
    return gram.Design.of(dataset["emotion"].values.tolist(), dataset["topic"].values.tolist())


def states_of(dataset, position="mean50", layer=1):
    return dataset["activation"].sel(position=position, layer=layer).values.astype(np.float64)


def rdms_of(rng, n_models):
    """RDMs over E labels of models that share some of their geometry, from one crossed design; and their sides."""
    design = crossed(E, T)
    means = rng.normal(size=(E, H))
    first = split_half.halvings(T, 20, 0)
    cells = [
        gram.cells(gram.gram((means + rng.normal(size=(E, H)))[design.label] + rng.normal(size=(E * T, H))), design)
        for _ in range(n_models)
    ]
    products = [gram.label_products(c, design, np.ones((1, T))) for c in cells]
    rdms = np.concatenate([rdm.rdms(gram.centred_products(p)) for p in products])
    return rdms, [Halves.of(c, design, first) for c in cells], design.labels


def test_label_means_and_descriptors_are_those_of_the_store(rsatoolbox, dataset):
    found = to_rsatoolbox.to_rsatoolbox(dataset, "mean50", 1, centred=False)
    assert np.array_equal(found.measurements, states_of(dataset))
    for name in ("emotion", "topic", "stimulus"):
        assert found.obs_descriptors[name].tolist() == dataset[name].values.tolist()
    assert found.descriptors == {"position": "mean50", "layer": 1}
    assert found.n_channel == H
    some = found.subset_obs("topic", "t03")
    assert sorted(some.obs_descriptors["emotion"]) == design_of(dataset).labels


def test_the_cosine_rdm_comes_out_of_rsatoolboxs_distances_of_the_centred_patterns(rsatoolbox, dataset):
    from rsatoolbox.data import Dataset, average_dataset_by
    from rsatoolbox.rdm import calc_rdm

    kept = ["e00", "e02", "e03", "e05"]
    found = to_rsatoolbox.to_rsatoolbox(dataset, "mean50", 1, emotions=kept)
    means, labels, _ = average_dataset_by(found, "emotion")
    assert np.allclose(np.mean(means, axis=0), 0, atol=1e-9)
    design, states = design_of(dataset), states_of(dataset)
    inside = np.isin(design.label, [design.labels.index(label) for label in kept])
    ours = gram.Design.of(*(dataset[name].values[inside].tolist() for name in ("emotion", "topic")))
    products = gram.label_products(gram.cells(gram.gram(states[inside]), ours), ours, np.ones((1, T)))
    cosine = rdm.rdms(gram.centred_products(products))[0]
    # Squared distances of unit vectors are twice the cosine distance; rsatoolbox divides by the number of dimensions.
    units = Dataset(
        means / np.linalg.norm(means, axis=1, keepdims=True), obs_descriptors={"emotion": np.array(labels, dtype=str)}
    )
    squared = calc_rdm(units, method="euclidean", descriptor="emotion")
    assert list(squared.pattern_descriptors["emotion"]) == ours.labels
    assert np.allclose(squared.get_vectors()[0] * H / 2, cosine, atol=1e-9)
    # Its correlation distance is the cosine distance of patterns whose mean over the hidden dimensions is away.
    flat = states[inside] - states[inside].mean(axis=1, keepdims=True)
    correlation = calc_rdm(found, method="correlation", descriptor="emotion").get_vectors()[0]
    assert np.allclose(correlation, cosine_rdm(flat, ours.label), atol=1e-9)
    assert not np.allclose(correlation, cosine, atol=1e-3)


def test_centring_changes_no_distance(rsatoolbox, dataset):
    from rsatoolbox.rdm import calc_rdm

    one, other = (
        calc_rdm(to_rsatoolbox.to_rsatoolbox(dataset, "last", 0, centred=c), method="euclidean", descriptor="emotion")
        for c in (True, False)
    )
    assert np.allclose(one.get_vectors(), other.get_vectors(), rtol=1e-9)


def test_the_crossvalidated_distance_is_crossnobis_without_a_whitening(rsatoolbox, dataset):
    from rsatoolbox.rdm import calc_rdm

    design = design_of(dataset)
    cells = gram.cells(gram.gram(states_of(dataset)), design)
    every = split_half.halvings(T, 100, 0)
    data = to_rsatoolbox.to_rsatoolbox(dataset, "mean50", 1)
    by_topic = calc_rdm(data, method="crossnobis", descriptor="emotion", cv_descriptor="topic").get_vectors()[0]
    assert np.allclose(distances.cross_validated(cells, design, every).euclid_cv, by_topic * H, rtol=1e-9)
    half = every[3]
    data.obs_descriptors["half"] = np.where(half[design.unit], "first", "second")
    by_half = calc_rdm(data, method="crossnobis", descriptor="emotion", cv_descriptor="half").get_vectors()[0]
    assert np.allclose(distances.cross_validated(cells, design, half[None]).euclid_cv, by_half * H, rtol=1e-9)


def test_rdms_keep_their_order_and_names(rsatoolbox, rng):
    rdms, _, labels = rdms_of(rng, 2)
    found = to_rsatoolbox.rdms_to_rsatoolbox(rdms, labels, readers={"model": ["a", "b"]})
    assert np.array_equal(found.get_vectors(), rdms)
    assert found.dissimilarity_measure == "cosine"
    i, j = rdm.pairs(E)
    assert np.array_equal(found.subset("model", "b").get_matrices()[0][i, j], rdms[1])
    kept = found.subset_pattern("emotion", labels[1:])
    assert np.array_equal(kept.get_vectors(), rdms[:, i > 0])


def test_our_spearman_matrix_is_rsatoolboxs(rsatoolbox, rng):
    from rsatoolbox.rdm import compare

    rdms, sides, labels = rdms_of(rng, 5)
    theirs = to_rsatoolbox.rdms_to_rsatoolbox(rdms, labels)
    ours = pairwise.pairwise(sides).rho_same.value
    for method in ("spearman", "rho-a"):  # one and the same where no entries of an RDM are tied
        assert np.allclose(compare(theirs, theirs, method=method), ours, atol=1e-12)
    tied = np.round(rdms, 1)
    assert all(len(np.unique(row)) < len(row) for row in tied)
    theirs, ranks = to_rsatoolbox.rdms_to_rsatoolbox(tied, labels), rdm.ranks(tied)
    assert np.allclose(compare(theirs, theirs, method="spearman"), ranks @ ranks.T, atol=1e-12)
    assert not np.allclose(compare(theirs, theirs, method="rho-a"), ranks @ ranks.T, atol=1e-3)


@pytest.mark.parametrize("method", ["spearman", "rho-a"])
def test_our_same_story_noise_ceiling_is_rsatoolboxs(rsatoolbox, rng, method):
    from rsatoolbox.inference import boot_noise_ceiling, cv_noise_ceiling
    from rsatoolbox.inference.crossvalsets import sets_leave_one_out_rdm

    rdms, _, labels = rdms_of(rng, 6)
    theirs = to_rsatoolbox.rdms_to_rsatoolbox(rdms, labels)
    ours = same_story_noise_ceiling(rdm.ranks(rdms))
    _, test_set, ceil_set = sets_leave_one_out_rdm(theirs)
    # Where mean ranks are tied, rho-a does not divide by their shorter norm.
    exact = 1e-12 if method == "spearman" else 5e-3
    assert np.allclose(boot_noise_ceiling(theirs, method=method), ours, atol=exact)
    assert np.allclose(cv_noise_ceiling(theirs, ceil_set, test_set, method=method), ours, atol=exact)


def test_what_is_not_there_is_refused_by_name(rsatoolbox, dataset):
    for wrong, message in (
        ({"position": "first"}, "no position 'first'; there are last, mean50"),
        ({"layer": 2}, "no layer '2'; there are 0, 1"),
        ({"emotions": ["e00", "joy"]}, "no emotion 'joy'; there are e00, e01"),
    ):
        with pytest.raises(InputError, match=message):
            to_rsatoolbox.to_rsatoolbox(dataset, **({"position": "last", "layer": 0} | wrong))
    with pytest.raises(InputError, match="select one, as in"):
        to_rsatoolbox.to_rsatoolbox(dataset.expand_dims(seed=[0, 1]), "last", 0)
    dataset["finite"][{"stimulus": [2, 3], "position": 0, "layer": 1}] = False
    with pytest.raises(InputError, match="layer 1 at 'last' is not finite in 2 of 48 stimuli"):
        to_rsatoolbox.to_rsatoolbox(dataset, "last", 1)
    assert to_rsatoolbox.to_rsatoolbox(dataset, "last", 0).n_obs == E * T


def test_sizes_that_do_not_fit_are_refused(rsatoolbox, rng):
    with pytest.raises(ValueError, match=r"over 4 labels have shape \(C, 6\), not \(2, 5\)"):
        to_rsatoolbox.rdms_to_rsatoolbox(rng.random((2, 5)), list("abcd"))
    with pytest.raises(ValueError, match="'model' describes 3 RDMs, and there are 2"):
        to_rsatoolbox.rdms_to_rsatoolbox(rng.random((2, 6)), list("abcd"), readers={"model": ["x", "y", "z"]})


def test_without_rsatoolbox_one_is_told_how_to_get_it(dataset, rng, monkeypatch):
    for name in ("rsatoolbox", "rsatoolbox.data", "rsatoolbox.rdm"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="pip install rsatoolbox"):
        to_rsatoolbox.to_rsatoolbox(dataset, "last", 0)
    with pytest.raises(InputError, match="pip install rsatoolbox"):
        to_rsatoolbox.rdms_to_rsatoolbox(rng.random((2, 6)), list("abcd"))


def test_a_library_that_rsatoolbox_misses_is_named_itself(dataset, monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr(to_rsatoolbox, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        to_rsatoolbox.to_rsatoolbox(dataset, "last", 0)
