"""The stage `human` against numpy and scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, t

from analysis.rsa import split_half
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
    topic = np.unique(found["topic"].values[keep].tolist(), return_inverse=True)[1]
    table = opening.table("choices").filter(choice="human")
    own = table.filter(model_a="tiny-qwen2.5", precision_a="fp32", setting_a="stories", position="mean50", layer_a=2)
    values = norms.select("valence", "arousal", "dominance").to_numpy()
    z = (values - values.mean(0)) / values.std(0)
    for name, distance in (("valence", pdist(values[:, :1])), ("all", pdist(z))):
        row = own.filter(setting_b=name).row(0, named=True)
        assert row["rho_whole"] == pytest.approx(spearmanr(cosine_rdm(x, label), distance).statistic)
        draws = split_half.bootstrap(6, params.human.bootstrap, params.geometry.seed)
        drawn = []
        for times in draws:  # each topic's stories as often as it is drawn
            k = np.repeat(np.arange(len(x)), times[topic])
            drawn.append(spearmanr(cosine_rdm(x[k], label[k]), distance).statistic)
        half = t.ppf(0.975, 5) * np.std(drawn, ddof=1)
        assert row["rho_whole_high"] - row["rho_whole"] == pytest.approx(half)
        assert row["rho_whole"] - row["rho_whole_low"] == pytest.approx(half)
        assert (row["model_b"], row["layer_b"], row["depth"]) == ("human", None, 0.5)
    assert table.filter(position="mean50").height == (6 * 4 + 4) * 4
