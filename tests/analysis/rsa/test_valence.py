import numpy as np
import pytest

from analysis.rsa import rdm, valence
from pipeline.errors import InputError
from pipeline.texts import labels

HEAD = "emotion,family,sign,rated_word,valence,arousal,dominance\n"


@pytest.fixture
def norms(tmp_path):
    path = tmp_path / "emotions.csv"
    path.write_text(HEAD + "a,f,positive,,8,,\nb,f,positive,,6.5,,\nc,f,negative,,2,,\nd,f,negative,,,,\ne,f,negative,,3,,\n")
    return path


def test_pairs_of_one_sign_and_pairs_with_norms_are_kept(norms):
    made, reasons = valence.entries(labels.emotions(norms, list("abcdex")))
    assert reasons == {}
    i, j = rdm.pairs(6)
    within = {("abcdex"[p], "abcdex"[q]) for p, q, k in zip(i, j, made["within_sign"].kept, strict=True) if k}
    assert within == {("a", "b"), ("c", "d"), ("c", "e"), ("d", "e")}  # x has no row, d no norm
    rated = made["valence_removed"]
    assert rated.kept.sum() == 6
    assert np.allclose(rated.removed[rated.kept], [1.5, 6, 5, 4.5, 3.5, 1])


def test_too_few_pairs_are_said_not_ranked(norms):
    made, reasons = valence.entries(labels.emotions(norms, list("abx")))
    assert list(made) == ["all"]
    assert reasons["within_sign"] == "1 pairs of labels of the same sign of valence: no rank order"
    with pytest.raises(InputError, match="no such file"):
        valence.entries(labels.emotions(norms.with_name("none.csv"), list("ab")))
