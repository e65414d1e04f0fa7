"""The rule of maturity on planted reliabilities, both sides of every border, and what the first rule made of them."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.claims.mature import Draw, Measured, is_mature

DRAWS = tuple(Draw(seed, (0.03, 0.10, 0.32 + 0.04 * seed, 0.20)) for seed in range(5))  # to .48 at their best layer
SOUND = Measured(30, 30, 0.88, 0.03, 24, DRAWS, 0.81)


@pytest.mark.parametrize(
    ("change", "mature", "reason"),
    [
        ({}, True, None),
        ({"reliability": 0.86}, False, "its interval begins at 0.80; its input embeddings: 0.81"),
        ({"embeddings": 0.3, "reliability": 0.55}, True, None),
        ({"embeddings": 0.3, "reliability": 0.53}, False, "its interval begins at 0.47; the best of its untrained draws: 0.48"),
        ({"n_finite_layers": 12}, False, "18 of 30 layers are not finite"),
        ({"n_layers": None}, None, "read at neither bf16 nor fp32"),
        ({"reliability": None}, None, "no reliability at best_layer_cv"),
        ({"embeddings": None}, None, "its input embeddings were not read"),
        ({"draws": DRAWS[:4]}, None, "4 untrained draws with its tokenizer; 5 are needed"),
        ({"draws": DRAWS[:4], "reliability": 0.6}, False, "its interval begins at 0.54; its input embeddings: 0.81"),
    ],
)
def test_the_rule(change, mature, reason):
    found = is_mature(replace(SOUND, **change))
    assert (found.mature, found.reason) == (mature, reason)


def test_three_seeds_at_two_precisions_are_three():
    """They counted as six."""
    twice = (*DRAWS[:3], *DRAWS[:3])
    assert len(twice) >= 5
    assert is_mature(replace(SOUND, draws=twice)).mature is None


def test_a_bag_of_words_is_not_mature():
    """Reliability .61, above what an untrained network has at the same depth (.035), and so it was."""
    at_its_depth = max(d.reliabilities[0] for d in DRAWS)
    assert at_its_depth < 0.61 - 2 * 0.04  # the first rule
    assert is_mature(replace(SOUND, reliability=0.61, se=0.04, embeddings=0.61)).mature is False


def test_the_interval_is_students():
    assert is_mature(SOUND).low == pytest.approx(0.88 - 2.0687 * 0.03, abs=1e-4)
    assert is_mature(replace(SOUND, draws=[Draw(0, np.array([]))], embeddings=None)).mature is None
