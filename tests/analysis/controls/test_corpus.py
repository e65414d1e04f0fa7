"""The stage `corpus` against a few lines of numpy on the stored activations."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from analysis.controls import corpus
from analysis.readers import words
from analysis.rsa import split_half
from pipeline import opening
from pipeline.params.whole import Params
from pipeline.schemas.choices import CHOICES, TOPICS
from pipeline.store import parts
from pipeline.texts import labels, stimuli
from tests.reference import cosine_rdm

WHO = {"model": "tiny-qwen2.5", "precision": "fp32", "position": "mean50", "setting": "stories", "words": "tfidf"}
READER = {key: value for key, value in WHO.items() if key != "words"}
EMOTIONS = ["angry", "calm", "happy", "sad"]


@pytest.fixture
def stored(in_finished):
    """Activations at the layer that the table names, with labels and topics as numbers; and TF-IDF features."""
    layer = opening.table("corpus").filter(**WHO)["layer"][0]
    found = opening.activations("tiny-qwen2.5", "fp32", "stories").sel(position="mean50", layer=layer)
    keep = found["emotion"].values != "neutral"
    x = found["activation"].values[keep].astype(np.float64)
    label = np.array([EMOTIONS.index(e) for e in found["emotion"].values[keep]])
    topic = np.unique(found["topic"].values[keep], return_inverse=True)[1]
    texts = stimuli.load(Params.load().readings["stories"])["text"].to_list()
    features = words.features("tfidf", texts, texts[:1])[0]
    return x, features[keep].astype(np.float64), label, topic


def guesses(x, label, topic):
    """Nearest centroid by cosine, centroids and mean from the other topics."""
    made = np.full(len(x), -1)
    for t in np.unique(topic):
        train, test = topic != t, topic == t
        centroids = np.stack([x[train & (label == e)].mean(0) for e in range(4)])
        centre = centroids.mean(0)
        c, y = centroids - centre, x[test] - centre
        made[test] = ((y @ c.T) / np.linalg.norm(c, axis=1)).argmax(1)
    return made


def test_confusion_counts_the_guesses_on_held_out_topics(stored):
    x, _, label, topic = stored
    table = opening.table("emotion_pairs").filter(**READER)
    expected = np.zeros((4, 4), int)
    np.add.at(expected, (label, guesses(x, label, topic)), 1)
    got = np.zeros((4, 4), int)
    for row in table.iter_rows(named=True):
        a, b = (EMOTIONS.index(row[f"emotion_{side}"]) for side in "ab")
        assert a < b
        assert row["n_stimuli_a"] == row["n_stimuli_b"] == 6
        got[a, b], got[b, a] = row["n_a_as_b"], row["n_b_as_a"]
    got[np.diag_indices(4)] = np.diag(expected)
    assert np.array_equal(got, expected)
    assert (expected.sum(1) == 6).all()


def jackknife(theta):
    return np.sqrt((len(theta) - 1) / len(theta) * np.square(theta - theta.mean()).sum())


def test_accuracy_stands_beside_that_of_words_with_a_jackknife_over_topics(stored):
    x, w, label, topic = stored
    row = opening.table("corpus").filter(**WHO).row(0, named=True)

    def both(keep):
        return [guesses(z[keep], label[keep], topic[keep]) == label[keep] for z in (x, w)]

    own, other = both(np.ones(len(x), bool))
    assert row["accuracy"] == pytest.approx(own.mean())
    assert row["words_accuracy"] == pytest.approx(other.mean())
    assert row["n_where_words_fail"] == (~other).sum()
    assert row["where_words_fail"] == pytest.approx(own[~other].mean())
    without = [both(topic != t) for t in range(6)]
    assert row["over_words_se"] == pytest.approx(jackknife(np.array([a.mean() - b.mean() for a, b in without])))
    assert row["where_words_fail_se"] == pytest.approx(jackknife(np.array([a[~b].mean() for a, b in without])))


def test_components_are_the_principal_components_of_the_label_vectors(stored):
    x, _, label, _ = stored
    row = opening.table("corpus").filter(**WHO).row(0, named=True)
    means = np.stack([x[label == e].mean(0) for e in range(4)])
    u, s, _ = np.linalg.svd(means - means.mean(0), full_matrices=False)
    norms = labels.emotions(Params.load().corpus.emotions, EMOTIONS)
    assert row["pc1_share"] == pytest.approx(s[0] ** 2 / (s**2).sum())
    assert row["pc1_valence"] == pytest.approx(abs(pearsonr(u[:, 0], norms["valence"].to_numpy()).statistic))
    assert row["pc3_valence"] == pytest.approx(abs(pearsonr(u[:, 2], norms["valence"].to_numpy()).statistic))
    assert row["pc2_arousal"] == pytest.approx(abs(pearsonr(u[:, 1], norms["arousal"].to_numpy()).statistic))


def test_growth_at_half_of_the_topics_averages_over_disjoint_sets(stored):
    x, _, label, topic = stored
    both = {f"{key}_{side}": READER[key] for side in "ab" for key in ("model", "precision", "setting")}
    table = parts.read_part(CHOICES, TOPICS).filter(**both, position="mean50", n_units=3)
    row = table.filter(emotions="all").row(0, named=True)
    assert row["layer_a"] == row["layer_b"] == opening.table("corpus").filter(**WHO)["layer"][0]
    # with 6 topics there are 10 halvings: the mean over 100 random ones is a weighted mean of these
    from itertools import combinations

    values = []
    for half in combinations(range(1, 6), 2):
        m = np.isin(topic, (0, *half))
        values.append(spearmanr(*(cosine_rdm(x[k], label[k], np.ones(k.sum(), bool)) for k in (m, ~m))).statistic)
    assert min(values) <= row["rho_cross"] <= max(values)
    assert row["rho_cross_low"] < row["rho_cross"] < row["rho_cross_high"]
    assert row["rho_cross"] == pytest.approx(np.mean(values), abs=3 * np.std(values) / 10 + 0.02)
    # of 4 emotions 2 pairs are of one sign: no rank order, and said so
    within = table.filter(emotions="within_sign").row(0, named=True)
    assert within["rho_cross"] is None
    assert within["reason"] == "2 pairs of labels of the same sign of valence: no rank order"


def test_a_reader_without_a_best_layer_has_no_rows(in_finished):
    assert opening.table("corpus").filter(position="mean50").height == (6 + 4) * 2  # two readers of words beside each
    assert corpus.all_rows([], Params.load()) == {"corpus": [], "emotion_pairs": [], "choices": []}


def test_distances_are_the_rdm_at_the_best_layer_and_its_cross_validated_twin(stored):
    x, _, label, topic = stored
    own = opening.table("emotion_pairs").filter(**READER).sort("emotion_a", "emotion_b")
    assert own.select("emotion_a", "emotion_b").rows() == [(a, b) for n, a in enumerate(EMOTIONS) for b in EMOTIONS[n + 1 :]]
    assert np.allclose(own["cosine_distance"], cosine_rdm(x, label))
    squared = []
    for half in split_half.halvings(6, 100, 20260):
        one, two = (np.stack([x[(label == e) & m[topic]].mean(0) for e in range(4)]) for m in (half, ~half))
        i, j = np.triu_indices(4, 1)
        squared.append(((one[i] - one[j]) * (two[i] - two[j])).sum(1))
    assert np.allclose(own["euclid_cv"], np.mean(squared, axis=0))
    assert (own["cos_cv"].is_null() == own["reason"].is_not_null()).all()
