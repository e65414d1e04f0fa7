"""Shares of the same questions: against scipy and published worked examples."""

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.rsa import proportions


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 7), (7, 7), (12, 30)])
def test_the_score_interval_is_wilsons(hits, n):
    found = binomtest(hits, n).proportion_ci(method="wilson")
    assert proportions.wilson(hits, n) == pytest.approx((found.low, found.high))


def test_the_paired_interval_is_newcombes():
    """Newcombe 1998 (Statistics in Medicine 17, 2635), table II, method 10: 36, 12, 2, 0 gives .0569 to .3404."""
    one = np.repeat([True, True, False, False], [36, 12, 2, 0])
    other = np.repeat([True, False, True, False], [36, 12, 2, 0])
    assert proportions.paired_difference(one, other) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)
    down = proportions.paired_difference(other, one)
    assert down == pytest.approx((-0.2, -0.3404, -0.0569), abs=5e-5)
