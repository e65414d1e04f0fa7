import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from analysis.rsa import rdm


def test_the_order_of_an_rdm_is_that_of_scipy(rng):
    x = rng.normal(size=(6, 9))
    found = rdm.rdms(x @ x.T)
    assert np.allclose(found, pdist(x, "cosine"))
    full = np.zeros((6, 6))
    full[rdm.pairs(6)] = found
    assert np.allclose(full + full.T, squareform(pdist(x, "cosine")))


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None)
def test_spearman_equals_scipy_with_and_without_ties(seed, ties):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, 45))
    if ties:
        a, b = np.round(a), np.round(b)
    true = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert np.allclose(rdm.spearman(a, b), true, atol=1e-12)


def test_what_has_no_direction_or_no_order_is_nan_without_a_warning(rng):
    x = rng.normal(size=(4, 5))
    x[2] = 0
    assert np.isnan(rdm.rdms(x @ x.T)).sum() == 3
    assert np.isnan(rdm.ranks(np.ones(10))).all()
    assert np.isnan(rdm.ranks(np.array([1.0, np.nan, 2.0]))).all()


def test_the_order_of_emotions_does_not_matter_to_rho(rng):
    x, y = rng.normal(size=(2, 7, 20))
    order = rng.permutation(7)
    products = [z @ z.T for z in (x, y, x[order], y[order])]
    a, b, c, d = (rdm.rdms(p) for p in products)
    assert np.isclose(rdm.spearman(a, b), rdm.spearman(c, d))
