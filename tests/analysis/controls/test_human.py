"""The stage `controls` against numpy, and against data in which the truth was planted."""

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, t

from analysis.controls import controls
from analysis.rsa import gram, names, pairwise, split_half
from analysis.rsa.split_half import Halves
from pipeline import opening
from pipeline.params.whole import Params
from pipeline.texts import labels
from tests.conftest import crossed
from tests.reference import cosine_rdm

EMOTIONS = ["angry", "calm", "happy", "sad"]


def test_a_partial_value_is_the_correlation_of_residuals(rng):
    data = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    data -= data.mean(0)
    c = data[:, 3]
    residuals = data[:, :3] - np.outer(c, c @ data[:, :3] / (c @ c))
    found = pairwise.partial(np.corrcoef(data.T), 3)
    assert np.allclose(found[:3, :3], np.corrcoef(residuals.T))
    assert np.isnan(pairwise.partial(np.array([[1, 0.5, 1.2], [0.5, 1, 0.1], [1.2, 0.1, 1]]), 2)[0, 1])


def test_what_is_left_given_words_is_on_disattenuated_values_with_a_jackknife(rng):
    design = crossed(8, 6)
    first = split_half.halvings(6, 100, 0)
    shared = rng.normal(size=(8, 30))[design.label]
    sides = []
    for _ in range(3):
        x = shared + rng.normal(size=(8, 30))[design.label] + 0.3 * rng.normal(size=(48, 30))
        sides.append(Halves.of(gram.cells(gram.gram(x), design), design, first))
    found = pairwise.pairwise(sides)
    row = controls._given(found, 0, 1, [2], [])

    def left(dis):
        r = [dis[0, 1], dis[0, 2], dis[1, 2]]
        return (r[0] - r[1] * r[2]) / np.sqrt((1 - r[1] ** 2) * (1 - r[2] ** 2))

    assert row["rho_dis_given"] == pytest.approx(left(found.rho_dis.value))
    theta = np.array([left(dis) for dis in found.rho_dis.without_topic])
    assert row["rho_dis_given_se"] == pytest.approx(np.sqrt(5 / 6 * np.square(theta - theta.mean()).sum()))


def test_what_is_left_beyond_words_is_d_with_its_interval_also_where_they_explain_everything(rng):
    """Both sides are the control and noise: the partial is undefined, d is 0 within its interval."""
    design = crossed(20, 24)
    first = split_half.halvings(24, 100, 0)
    shared = rng.normal(size=(20, 30))[design.label]
    grams = [gram.gram(shared + 0.7 * rng.normal(size=(480, 30))) for _ in range(3)]
    found = pairwise.pairwise([Halves.of(gram.cells(k, design), design, first) for k in grams])
    row = controls._given(found, 0, 1, [2], [])
    d = [m[0, 1] - m[0, 2] * m[1, 2] for m in (found.rho_dis.value, *found.rho_dis.without_topic)]
    half = t.ppf(0.975, 23) * np.sqrt(23 / 24 * np.square(d[1:] - np.mean(d[1:])).sum())
    assert (row["left"], row["left_low"], row["left_high"]) == pytest.approx((d[0], d[0] - half, d[0] + half))
    assert row["left_high"] < 0.1
    both = controls._given(found, 0, 1, [2, 2], [])
    assert both["left_high"] == pytest.approx(row["left_high"])
    assert "rho_dis_given" not in row  # undefined: a disattenuated value with the control is 1 or more
    assert row["reason"].startswith("a disattenuated value with the control is 1 or more")


def test_every_pair_has_its_floor_and_what_is_left_given_each_control(in_finished):
    table = opening.table("controls").filter(position="mean50")
    assert table.filter(control="stimulus_floor").height == 10 * 9 // 2
    assert table.filter(control="words:tfidf").height == table.filter(control="words:char_ngrams").height == 9 * 8 // 2
    assert table.filter(control="untrained").height == 8 * 7 // 2
    same = opening.table("rsa").filter(position="mean50", variant="centred", layer_rule=names.CV, pairs="all")
    keys = [
        k for k in same.columns if k.endswith(("_a", "_b")) and k.split("_")[0] in ("model", "seed", "precision", "setting")
    ]
    joined = table.filter(control="stimulus_floor").join(same, on=keys, nulls_equal=True)
    assert joined.height == same.height
    assert (joined["rho_same"] - joined["rho_same_right"]).abs().max() < 1e-12
    twins = table.filter(
        (pl.col("model_a") == pl.col("model_b")) & (pl.col("precision_a") != pl.col("precision_b")),
        setting_a="stories",
        setting_b="stories",
    )
    assert (twins.filter(control="stimulus_floor")["floor_mean"] > 0.9).all()  # two precisions: any labels agree


def test_a_pair_is_held_against_the_input_embeddings_of_its_own_models(in_finished):
    own = opening.table("controls").filter(position="mean50", control="words:input_embeddings", setting_a="stories")
    one = own.filter(model_a="tiny-llama-3.2", model_b="tiny-untrained", precision_a="fp32", seed_b=0)
    both = own.filter(model_a="tiny-llama-3.2", model_b="tiny-qwen2.5", precision_a="fp32", precision_b="fp32")
    assert one["n_draws"].to_list() in ([1], [None])
    assert both["n_draws"].to_list() in ([2], [None])
    assert one.height == both.height == 1
    assert (one["rho_dis_given"].is_null() == one["reason"].is_not_null()).all()


def test_human_norms_are_compared_at_every_layer(in_finished):
    params = Params.load()
    norms = labels.emotions(params.corpus.emotions, EMOTIONS)
    found = opening.activations("tiny-qwen2.5", "fp32", "stories").sel(position="mean50", layer=2)
    keep = found["emotion"].values != "neutral"
    x = found["activation"].values[keep].astype(float)
    label = np.array([EMOTIONS.index(e) for e in found["emotion"].values[keep]])
    own = opening.table("human").filter(model="tiny-qwen2.5", precision="fp32", position="mean50", layer=2)
    own = own.filter(setting="stories")
    values = norms.select("valence", "arousal", "dominance").to_numpy()
    z = (values - values.mean(0)) / values.std(0)
    for name, distance in (("valence", pdist(values[:, :1])), ("all", pdist(z))):
        row = own.filter(norm=name).row(0, named=True)
        assert row["spearman"] == pytest.approx(spearmanr(cosine_rdm(x, label), distance).statistic)
        left = [np.delete(np.arange(4), n) for n in range(4)]
        theta = []
        for k in left:
            inner = np.isin(label, k)
            part = pdist(values[k][:, :1]) if name == "valence" else pdist(z[k])
            theta.append(spearmanr(cosine_rdm(x[inner], np.searchsorted(k, label[inner])), part).statistic)
        assert row["se_label"] == pytest.approx(np.sqrt(3 / 4 * np.square(np.array(theta) - np.mean(theta)).sum()))
        assert row["ci_low"] < row["spearman"] < row["ci_high"]
    assert opening.table("human").filter(position="mean50").height == (6 * 4 + 4) * 4
