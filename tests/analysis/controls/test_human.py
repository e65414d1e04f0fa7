"""The stage `human` against numpy and scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from pipeline import opening
from pipeline.params.whole import Params
from pipeline.texts import labels
from tests.reference import cosine_rdm

EMOTIONS = ["angry", "calm", "happy", "sad"]


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
