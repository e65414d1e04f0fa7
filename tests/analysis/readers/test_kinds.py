"""What kind of pair two readers are: counted by hand."""

import pytest

from analysis.readers import kinds
from analysis.readers.kinds import Kinds
from analysis.readers.readers import Reader

MODELS = {"q": "qwen", "l31": "llama", "l32": "llama", "twin": "llama", "twin2": "qwen"}
KINDS = Kinds(MODELS, MODELS, frozenset({"twin", "twin2"}), dict.fromkeys(MODELS, "fp32"))
Q, L31, L32 = (Reader(m, None, "fp32") for m in ("q", "l31", "l32"))
EMBEDDINGS, TFIDF = Reader("q", None, "fp32", "input_embeddings"), Reader("tfidf", None, None)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Q, L31, kinds.TWO_LINEAGES),
        (L31, L32, kinds.ONE_LINEAGE),
        (Q, Reader("q", None, "int8"), kinds.ONE_MODEL),
        (Q, EMBEDDINGS, kinds.ONE_MODEL),
        (L31, EMBEDDINGS, kinds.WORDS),
        (L31, TFIDF, kinds.WORDS),
        (TFIDF, EMBEDDINGS, kinds.TWO_WORDS),
        (Q, Reader("twin", 0, "fp32"), kinds.UNTRAINED),
        (Reader("twin", 0, "fp32"), Reader("twin", 1, "fp32"), kinds.TWO_UNTRAINED),
        (Reader("twin", 0, "fp32"), TFIDF, kinds.UNTRAINED_AND_WORDS),
    ],
)
def test_a_pair_is_of_one_kind_in_either_order(a, b, expected):
    assert KINDS.kind(a, b) == KINDS.kind(b, a) == expected


def test_words_have_no_other_precision_and_a_model_has_one_that_stands_for_it():
    assert KINDS.is_reference(TFIDF)
    assert KINDS.is_reference(Q)
    assert not KINDS.is_reference(Reader("q", None, "int8"))
