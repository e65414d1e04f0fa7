"""How `pipeline.writing.sampling` draws a token, against a sampler of a few lines."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from pipeline.writing.sampling import Decoding, choose, choose_there, draw, draw_together, nucleus

SAMPLED = Decoding(0.9, top_p=0.95)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def nucleus_by_hand(p, top_p):
    kept, mass = [], 0.0
    for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        kept.append(token)
        mass += p[token]
        if mass >= top_p:
            break
    return kept


def drawn_by_hand(p, top_p, u):
    kept = sorted(nucleus_by_hand(p, top_p)) if top_p < 1 else range(len(p))
    left = u * sum(p[token] for token in kept)
    for token in kept:
        left -= p[token]
        if left < 0:
            return token
    raise AssertionError("u is below 1")


probability = st.lists(st.integers(0, 6), min_size=1, max_size=200).filter(any).map(lambda x: np.array(x) / sum(x))


@given(probability, st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.999, 1.0]))
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(p, top_p):
    # Multiples of 1/64 in place of shares: sums are then exact, and ties and sums that just reach top_p are frequent.
    p = np.round(p * 64) / 64
    if p.any():
        assert nucleus(torch.tensor(p), top_p).tolist() == nucleus_by_hand(p, top_p)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.0, [1]), (0.5, [1]), (0.51, [1, 0]), (0.75, [1, 0]), (0.76, [1, 0, 3]), (0.999, [1, 0, 3])]
)
def test_top_p_keeps_the_first_token_and_takes_equals_in_order(top_p, kept):
    assert nucleus(torch.tensor([0.25, 0.5, 0.0, 0.25], dtype=torch.float64), top_p).tolist() == kept


def test_a_nucleus_may_be_nearly_the_whole_vocabulary():
    p = torch.full((4096,), 1 / 4096, dtype=torch.float64)
    assert nucleus(p, 0.75).tolist() == list(range(3072))
    assert len(nucleus(p - 1e-15, 1 - 1e-16)) == 4096  # rounding may leave the sum short of it


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3])
def test_draws_have_the_frequencies_of_the_nucleus(top_p, rng):
    p = rng.dirichlet(np.full(12, 0.7))
    n = 20_000
    drawn = Counter(draw(torch.tensor(p), top_p, (k + 0.5) / n) for k in range(n))
    kept = nucleus_by_hand(p, top_p)
    expected = np.zeros(12)
    expected[kept] = p[kept] / p[kept].sum()
    # Over an even grid of u a token's share is its probability up to one grid step at either end of its interval.
    assert max(abs(drawn[token] / n - expected[token]) for token in range(12)) <= 1 / n
    assert set(drawn) <= set(kept)


def test_a_token_without_probability_is_never_drawn():
    p = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0], dtype=torch.float64)
    assert [draw(p, top_p, u) for top_p in (1.0, 0.99) for u in (0.0, 0.4999, 0.5, 1 - 2**-53)] == [1, 1, 3, 3] * 2


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (2.0, 0.6)])
def test_tokens_of_many_seeds_have_the_distribution_of_the_model(temperature, top_p, rng):
    logits, n = rng.normal(0, 1.5, 10).astype(np.float32), 8000
    p = softmax(logits.astype(float) / temperature)
    kept = nucleus_by_hand(p, top_p)
    expected = n * p[kept] / p[kept].sum()
    generators = [torch.Generator().manual_seed(seed) for seed in range(n)]
    drawn = Counter(choose(torch.tensor(logits).expand(n, -1), Decoding(temperature, top_p), generators))
    assert set(drawn) <= set(kept)
    statistic = sum((drawn[token] - e) ** 2 / e for token, e in zip(kept, expected, strict=True))
    assert statistic < chi2.ppf(0.999, len(kept) - 1)


def test_one_number_is_drawn_for_each_token():
    generator, twin = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    found = [choose(logits, SAMPLED, [generator])[0] for _ in range(20)]
    p = softmax(logits[0].double().numpy() / SAMPLED.temperature)
    draws = torch.rand(20, dtype=torch.float64, generator=twin)
    assert found == [drawn_by_hand(p, SAMPLED.top_p, u) for u in draws.tolist()]


@given(
    st.lists(probability, min_size=1, max_size=4), st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.999, 1.0]), st.floats(0, 1 - 2**-53)
)
def test_texts_that_draw_together_draw_what_each_draws(ps, top_p, u):
    # Multiples of 1/64 in place of shares, and of u: sums are then exact, ties are frequent and no order of summation matters.
    n = max(map(len, ps))
    rows = torch.tensor(np.stack([np.pad(np.round(p * 64) / 64, (0, n - len(p))) for p in ps]))
    rows = rows[rows.sum(-1) > 0]
    u = np.floor(u * 64) / 64
    tokens, found = draw_together(rows, top_p, torch.full((len(rows),), u, dtype=torch.float64), n)
    assert found.all()
    assert tokens.tolist() == [draw(p, top_p, u) for p in rows]


def test_a_nucleus_that_is_wider_than_what_is_looked_at_is_said_to_be():
    p = torch.tensor([[0.25] * 4, [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
    assert draw_together(p, 0.6, torch.tensor([0.5, 0.5]), 2)[1].tolist() == [False, True]


def test_a_draw_from_a_wide_nucleus_is_that_of_the_whole_vocabulary(rng):
    logits = torch.tensor(rng.normal(0, 0.1, (3, 5000)), dtype=torch.float32)
    u = [0.1, 0.5, 0.93]
    p = torch.softmax(logits.double() / 0.9, dim=-1)
    assert choose_there(logits, SAMPLED, u) == [draw(row, 0.95, x) for row, x in zip(p, u, strict=True)]
