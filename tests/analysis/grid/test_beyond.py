"""What is left beyond a control: d against numpy on the halves, and in the small project."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from analysis.grid.beyond import beyond_rows
from analysis.readers.kinds import Kinds
from analysis.rsa import gram, pairwise, split_half
from analysis.rsa.split_half import Halves
from pipeline import opening
from pipeline.schemas.pairs import PAIRS
from tests.conftest import crossed

NAMES = (("a", "fp32"), ("b", "fp32"), ("tfidf", None))
KINDS = Kinds({"a": "a", "b": "b"}, {"a": "a", "b": "b"}, frozenset(), {"a": "fp32", "b": "fp32"})


def of_grid(found, names=NAMES):
    """Rows of `pairs` of a comparison of all readers."""
    rows = []
    for i, j in combinations(range(len(names)), 2):
        row = PAIRS.blank() | {"rho_dis": found.rho_dis.value[i, j]}
        row["rho_dis_jackknife"] = found.rho_dis.without_topic[:, i, j].tolist()
        for side, (model, precision) in zip("ab", (names[i], names[j]), strict=True):
            row |= {f"model_{side}": model, f"precision_{side}": precision, f"setting_{side}": "stories"}
        rows.append(row)
    return rows


def test_what_is_left_beyond_words_is_d_with_its_interval_also_where_they_explain_everything(rng):
    """Both sides are the control and noise: the partial correlation would be undefined, d is 0 within its interval."""
    design = crossed(20, 24)
    first = split_half.halvings(24, 100, 0)
    shared = rng.normal(size=(20, 30))[design.label]
    grams = [gram.gram(shared + 0.7 * rng.normal(size=(480, 30))) for _ in range(3)]
    found = pairwise.pairwise([Halves.of(gram.cells(k, design), design, first) for k in grams])
    (row,) = beyond_rows(of_grid(found), KINDS)
    d = [m[0, 1] - m[0, 2] * m[1, 2] for m in (found.rho_dis.value, *found.rho_dis.without_topic)]
    half = t.ppf(0.975, 23) * np.sqrt(23 / 24 * np.square(d[1:] - np.mean(d[1:])).sum())
    assert (row["control"], row["n_readers"], row["reason"]) == ("words:tfidf", 1, None)
    assert (row["left"], row["left_low"], row["left_high"]) == pytest.approx((d[0], d[0] - half, d[0] + half))
    assert row["left_jackknife"] == pytest.approx(d[1:])
    assert row["left_high"] < 0.1


def test_several_draws_of_a_control_stand_for_it_by_their_mean(rng):
    values = rng.uniform(0.2, 0.9, size=(4, 4))
    values = (values + values.T) / 2

    class Found:
        class rho_dis:
            value = values
            without_topic = np.stack([values + 0.01 * k for k in range(6)])

    names = (("a", "fp32"), ("b", "fp32"), ("twin", "fp32"), ("twin2", "fp32"))
    kinds = Kinds(
        {n: "x" for n, _ in names}, {n: n for n, _ in names}, frozenset({"twin", "twin2"}), {n: "fp32" for n, _ in names}
    )
    rows = beyond_rows(of_grid(Found, names), kinds)
    row = next(r for r in rows if (r["model_a"], r["model_b"]) == ("a", "b"))
    assert (row["control"], row["n_readers"]) == ("untrained", 2)
    assert row["left"] == pytest.approx(np.mean([r_of(values, c) for c in (2, 3)]))
    # one draw whose geometry is noise is no reason to do without the control
    pairs = of_grid(Found, names)
    noise = [p | ({"rho_dis": None, "rho_dis_jackknife": None} if p["model_b"] == "twin2" else {}) for p in pairs]
    row = next(r for r in beyond_rows(noise, kinds) if (r["model_a"], r["model_b"]) == ("a", "b"))
    assert (row["left"], row["n_readers"]) == (pytest.approx(r_of(values, 2)), 1)
    assert row["reason"] == "1 of 2 have no geometry that could be told from noise"


def r_of(r, control):
    return r[0, 1] - r[0, control] * r[1, control]


def test_readers_of_words_stand_together_too(rng):
    values = np.array([[1, 0.9, 0.8, 0.7], [0.9, 1, 0.6, 0.8], [0.8, 0.6, 1, 0.5], [0.7, 0.8, 0.5, 1]])

    class Found:
        class rho_dis:
            value = values
            without_topic = np.stack([values + 0.01 * k * (1 - np.eye(4)) for k in range(6)])

    names = (*NAMES, ("char_ngrams", None))
    rows = {r["control"]: r for r in beyond_rows(of_grid(Found, names), KINDS)}
    assert [*rows] == ["words:tfidf", "words:char_ngrams", "words:all_words"]
    own = rows["words:all_words"]
    d = [m[0, 1] - m[0, 2:] @ np.linalg.inv(m[2:, 2:]) @ m[2:, 1] for m in (values, *Found.rho_dis.without_topic)]
    assert (own["left"], own["n_readers"], own["reason"]) == (pytest.approx(d[0]), 2, None)
    assert own["left_jackknife"] == pytest.approx(d[1:])
    assert own["left"] < min(rows[f"words:{name}"]["left"] for name in ("tfidf", "char_ngrams"))
    noise = [
        r | ({"rho_dis": None, "rho_dis_jackknife": None} if r["model_b"] == "char_ngrams" else {})
        for r in of_grid(Found, names)
    ]
    assert next(r for r in beyond_rows(noise, KINDS) if r["control"] == "words:all_words")["n_readers"] == 1


def test_a_reader_of_words_that_is_another_once_more_changes_nothing():
    """The embeddings of a base model beside those of its tuned twin: nearly one, and by chance more than one."""
    values = np.array([[1, 0.9, 0.8, 0.7], [0.9, 1, 0.6, 0.8], [0.8, 0.6, 1, 1.01], [0.7, 0.8, 1.01, 1]])

    class Found:
        class rho_dis:
            value = values
            without_topic = np.stack([values] * 6)

    rows = {r["control"]: r for r in beyond_rows(of_grid(Found, (*NAMES, ("char_ngrams", None))), KINDS)}
    own = rows["words:all_words"]
    assert (own["left"], own["n_readers"]) == (pytest.approx(rows["words:tfidf"]["left"]), 1)
    assert own["reason"] == "1 of 2 have no geometry that could be told from noise or from another's"


def test_a_control_whose_geometry_is_noise_has_a_reason_and_no_number():
    values = np.full((3, 3), 0.5)

    class Found:
        class rho_dis:
            value = values
            without_topic = np.stack([values] * 6)

    rows = of_grid(Found)
    rows[1] |= {"rho_dis": None, "rho_dis_jackknife": None}  # a with tfidf
    (row,) = beyond_rows(rows, KINDS)
    assert row["left"] is row["left_low"] is None
    assert row["reason"] == "no rho_dis of a and tfidf"


def test_every_pair_of_models_has_each_control_of_its_own(in_finished):
    table = opening.table("beyond").filter(position="last")
    models = 6  # two at two precisions, two draws of a twin
    pairs = models * (models - 1) // 2
    assert table.filter(control="words:tfidf").height == table.filter(control="words:char_ngrams").height == pairs
    both = table.filter(control="words:input_embeddings", precision_a="fp32", precision_b="fp32")
    both = both.filter(model_a="tiny-llama-3.2", model_b="tiny-qwen2.5")
    assert both["n_readers"].to_list() == [2]
    one = table.filter(control="words:input_embeddings", model_a="tiny-llama-3.2", model_b="tiny-untrained", seed_b=0)
    assert one["n_readers"].to_list() == [1, 1]
    assert table.filter(pl.col("left").is_null())["reason"].null_count() == 0
