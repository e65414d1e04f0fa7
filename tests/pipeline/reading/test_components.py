"""Principal components of neutral texts against an SVD."""

import numpy as np
import pytest

from pipeline.reading.components import neutral_components


def test_neutral_components_equal_an_svd_and_hold_the_share(rng):
    neutral = rng.normal(size=(20, 50)) * np.linspace(3, 0.1, 50)
    _, s, vt = np.linalg.svd(neutral - neutral.mean(0), full_matrices=False)
    held = np.cumsum(s**2) / (s**2).sum()
    for share in (0.1, 0.5, 0.9):
        found = neutral_components(neutral, share)
        count = int(np.argmax(held >= share)) + 1
        assert found.shape == (count, 50)
        assert np.allclose(found.T @ found, vt[:count].T @ vt[:count], atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_edges_of_the_neutral_share(rng, share):
    found = neutral_components(rng.normal(size=(6, 9)), share)
    assert len(found) == (0 if share == 0 else 5)  # six centred texts span five dimensions


def test_identical_neutral_texts_have_no_components():
    assert neutral_components(np.ones((5, 8)), 0.5).shape == (0, 8)
