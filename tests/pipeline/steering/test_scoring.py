"""Perplexity against transformers' own loss, norms and scores against numpy."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from pipeline.steering import scoring
from tests.conftest import FAMILIES

PROMPTS = [[0, 17, 230, 41], [5, 99, 301, 7, 450, 12, 88], [13], [13]]
TEXTS = [[4, 5, 6], [400], [9, 9, 9, 9, 9, 9, 9, 9, 9], []]


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_surprisal_is_the_loss_of_transformers(family, model_folders):
    model = load(model_folders[family])
    found = scoring.mean_surprisal(model.model, model.lm_head, PROMPTS, TEXTS)
    for prompt, text, surprisal in list(zip(PROMPTS, TEXTS, found, strict=True))[:3]:
        labels = torch.tensor([[-100] * len(prompt) + text])
        with torch.inference_mode():
            loss = model(torch.tensor([prompt + text]), labels=labels).loss
        assert surprisal == pytest.approx(float(loss), rel=1e-5)
    assert np.isnan(found[3])


def test_surprisal_of_states_that_overflow_is_nan(model_folders):
    model = load(model_folders["qwen2.5"])
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(torch.inf)
    assert np.isnan(scoring.mean_surprisal(model.model, model.lm_head, PROMPTS[:1], TEXTS[:1])).all()


def states(model, ids):
    with torch.inference_mode():
        found = model.model(torch.tensor([ids]), output_hidden_states=True, use_cache=False).hidden_states
    return torch.stack(found[1:-1])[:, 0].double().numpy()  # (layer, token, hidden); the last is after the final norm


def test_mean_norms_leave_out_the_first_tokens_and_padding(model_folders):
    model = load(model_folders["mistral"])
    ids = PROMPTS[:3]
    sums, counts = scoring.mean_norms(model.model, ids, 1)
    expected = [np.sqrt((states(model, x)[:, 1:] ** 2).sum(-1)) for x in ids]
    np.testing.assert_allclose(sums[:3], np.sum([x.sum(1) for x in expected], axis=0), rtol=1e-5)
    assert counts.tolist() == [3 + 6 + 0] * 4


def test_norms_of_a_layer_that_overflows_are_nan_and_those_before_it_are_not(model_folders):
    model = load(model_folders["qwen2.5"])
    with torch.no_grad():
        model.model.layers[2].mlp.down_proj.weight.fill_(torch.inf)
    sums, _ = scoring.mean_norms(model.model, PROMPTS[:2], 1)
    assert np.isfinite(sums).tolist() == [True, True, False, False]


def test_mean_states_are_means_of_hidden_states_without_the_first_token(model_folders):
    model = load(model_folders["gemma-3"])
    found = scoring.mean_states(model.model, PROMPTS[:3], 2, 1)
    for row, ids in zip(found[:2], PROMPTS[:2], strict=True):
        np.testing.assert_allclose(row, states(model, ids)[2, 1:].mean(0), rtol=1e-4, atol=1e-5)
    assert np.isnan(found[2]).all()  # BOS alone
    assert np.isnan(scoring.mean_states(model.model, [[13]], 2, 1)).all()


def test_a_score_is_a_z_on_the_neutral_texts_projections(rng):
    units = np.linalg.qr(rng.standard_normal((16, 3)))[0].T
    neutral, texts = rng.standard_normal((40, 16)) * 3 + 5, rng.standard_normal((6, 16))
    found = scoring.Scale.of(units, neutral).scores(texts)
    for i in range(6):
        for j in range(3):
            along = [float(np.dot(x, units[j])) for x in neutral]
            spread = (sum((a - sum(along) / 40) ** 2 for a in along) / 39) ** 0.5
            assert found[i, j] == pytest.approx((float(np.dot(texts[i], units[j])) - sum(along) / 40) / spread)
    moved = scoring.Scale.of(units, neutral).scores(texts + 7 * units[1])
    assert (moved[:, 1] > found[:, 1]).all()
    np.testing.assert_allclose(moved[:, [0, 2]], found[:, [0, 2]])
