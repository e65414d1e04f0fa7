import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from pipeline.errors import InputError
from pipeline.params.reading import Position
from pipeline.reading import residual
from tests.conftest import FAMILIES, stories
from tests.reference import residual_stream

LAST, MEAN, MEAN5 = Position(rule="last"), Position(rule="mean"), Position(rule="mean", start=5)
MIDDLE = Position(rule="middle")
POSITIONS = [LAST, MEAN, MEAN5]
TOLERANCE = 2e-6


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """Largest error of a state relative to the length of that state, over all but the hidden dimension."""
    return float((np.linalg.norm(found - true, axis=-1) / np.linalg.norm(true, axis=-1)).max())


def load(folder):
    body = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    return body, AutoTokenizer.from_pretrained(folder)


def tokenised(tokenizer, family, n=5):
    texts = [s["text"][: 40 + 60 * i] for i, s in enumerate(stories()[:n])]  # of very different lengths
    return residual.tokenise(texts, tokenizer, FAMILIES[family][1], "native")


def pooled_by_hand(states: np.ndarray, bos: bool) -> np.ndarray:
    """(layer, token, hidden) -> (position, layer, hidden) for POSITIONS."""
    text = states[:, int(bos) :]
    return np.stack([text[:, -1], text.mean(1), text[:, 5:].mean(1)])


@pytest.mark.parametrize("family", FAMILIES)
def test_batched_reading_equals_a_float64_reference_one_at_a_time(family, model_folders):
    body, tokenizer = load(model_folders[family])
    ids, bos = tokenised(tokenizer, family)
    found, finite, embedding = residual.read_batch(body, ids, POSITIONS, bos)
    true = np.stack([pooled_by_hand(residual_stream(body, text), bos) for text in ids])
    assert finite.all()
    assert found.dtype == np.float32
    assert relative_error(found, true) < TOLERANCE
    table = body.get_input_embeddings().weight.detach().double().numpy()
    scale = table.shape[1] ** 0.5 if family == "gemma-3" else 1.0  # Gemma enters block 0 with scaled embeddings
    words = np.stack([pooled_by_hand(scale * table[text][None], bos)[:, 0] for text in ids])
    assert relative_error(embedding, words) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_hooks_equal_output_hidden_states_for_every_block_but_the_last(family, model_folders):
    # The last entry of output_hidden_states is after the final norm: there, and only there, the two must differ.
    body, tokenizer = load(model_folders[family])
    ids, bos = tokenised(tokenizer, family, n=1)
    found, *_ = residual.read_batch(body, ids, [LAST], bos)
    with torch.inference_mode():
        states = body(input_ids=torch.tensor(ids), output_hidden_states=True).hidden_states
    theirs = np.stack([s[0, -1].numpy() for s in states[1:]])
    assert relative_error(found[0, 0, :-1], theirs[:-1]) < TOLERANCE
    assert relative_error(found[0, 0, -1:], theirs[-1:]) > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_reads_the_same_alone_and_in_a_batch(family, model_folders):
    body, tokenizer = load(model_folders[family])
    ids, bos = tokenised(tokenizer, family)
    together, *_ = residual.read_batch(body, ids, POSITIONS, bos)
    alone = np.concatenate([residual.read_batch(body, [text], POSITIONS, bos)[0] for text in ids])
    assert relative_error(together, alone) < TOLERANCE


@pytest.mark.real
def test_the_real_model_equals_the_float64_reference(real_folder):
    body, tokenizer = load(real_folder)
    texts = [s["text"] for s in stories()]
    ids, bos = residual.tokenise([min(texts, key=len), max(texts, key=len)], tokenizer, False, "native")
    found, *_ = residual.read_batch(body, ids, POSITIONS, bos)
    true = np.stack([pooled_by_hand(residual_stream(body, text), bos) for text in ids])
    assert found.shape == (2, 3, 30, 576)
    assert relative_error(found, true) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("policy", ["native", "other", "always", "as_published", "never"])
def test_bos_stands_once_or_not_at_all(family, policy, model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders[family])
    native = FAMILIES[family][1]
    ids, bos = residual.tokenise(["A plain sentence.", "Another."], tokenizer, native, policy)
    expected = {"native": native, "other": not native, "never": False}.get(policy, True)
    assert bos == expected
    assert [text.count(tokenizer.bos_token_id) for text in ids] == [int(expected)] * 2
    if policy == "native":
        assert ids == tokenizer(["A plain sentence.", "Another."]).input_ids


def test_a_tokenizer_without_bos_begins_with_its_end_token_and_one_without_both_is_refused(model_folders):
    tokenizer = AutoTokenizer.from_pretrained(model_folders["qwen2.5"])
    tokenizer.bos_token = None
    ids, bos = residual.tokenise(["text"], tokenizer, False, "always")
    assert bos
    assert ids[0][0] == tokenizer.eos_token_id
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="neither a BOS nor an end token; set bos: native"):
        residual.tokenise(["text"], tokenizer, False, "always")


@given(st.lists(st.tuples(st.integers(7, 40), st.integers(0, 9)), min_size=1, max_size=6))
def test_pooling_weights_sum_to_one_and_never_touch_what_is_skipped_or_padding(texts):
    lengths, skip = [own + first for own, first in texts], [first for _, first in texts]
    weights = residual.pooling_weights(lengths, [*POSITIONS, MIDDLE], skip).numpy()
    assert np.allclose(weights.sum(-1), 1)
    for row, length, first in zip(weights, lengths, skip, strict=True):
        assert not row[:, length:].any()
        assert not row[:, :first].any()
        assert np.count_nonzero(row[2]) == length - first - 5
        assert np.flatnonzero(row[3]).tolist() == [first + (length - first) // 2]


def test_what_does_not_count_cannot_spoil_what_does():
    states = torch.ones(1, 8, 3)
    states[0, 0] = torch.inf  # BOS
    states[0, 7:] = torch.nan  # padding
    weights = residual.pooling_weights([7], POSITIONS, skip=[1])
    pooled, finite = residual.pool(states, torch.nn.functional.pad(weights, (0, 1)))
    assert finite.all()
    assert torch.allclose(pooled, torch.ones(1, 3, 3))


def test_a_state_that_counts_and_is_not_finite_is_recorded():
    states = torch.ones(1, 8, 3)
    states[0, 2, 1] = torch.inf
    pooled, finite = residual.pool(states, residual.pooling_weights([8], POSITIONS, skip=[0]))
    assert finite.tolist() == [[True, False, True]]
    assert torch.isnan(pooled[0, 1]).all()


def test_hooks_go_away_even_when_the_pass_fails(model_folders):
    body, _ = load(model_folders["smollm2"])
    with pytest.raises(IndexError):
        residual.read_batch(body, [[10**6]], [LAST], skip=0)
    assert not any(m._forward_hooks for m in body.modules())


def test_an_architecture_without_known_blocks_is_refused():
    class Body(torch.nn.Module):
        config = type("Config", (), {"num_hidden_layers": 2})

    with pytest.raises(InputError, match="0 lists of 2 attention blocks found"):
        residual.blocks(Body())


@given(st.integers(0, 10**6))
def test_pooling_without_asking_the_host_is_pooling(seed):
    # What a GPU does in place of `pool`, on a CPU: the same numbers, and NaN and inf wherever they may stand.
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(3, 12, 4, generator=generator)
    lengths = [12, 9, 8]
    for value, k in ((torch.nan, 0), (torch.inf, 1), (-torch.inf, 2), (3e38, 3)):
        if seed >> k & 1:
            states.view(-1)[torch.randint(0, states.numel(), (2,), generator=generator)] = value
    weights = residual.pooling_weights(lengths, [*POSITIONS, MIDDLE], [1, 0, 2])
    found, expected = residual._pool_without_asking(states, weights), residual.pool(states, weights)
    assert torch.equal(found[1], expected[1])
    assert torch.equal(found[0].nan_to_num(7.0), expected[0].nan_to_num(7.0))


@pytest.mark.parametrize("family", ["llama-3.2", "gemma-3"])
def test_a_batch_that_is_started_gives_what_a_batch_gives(family, model_folders):
    body, tokenizer = load(model_folders[family])
    ids, bos = tokenised(tokenizer, family)
    started = [residual.start_batch(body, [text], POSITIONS, bos) for text in ids]
    for text, pending in zip(ids, started, strict=True):
        assert all(map(np.array_equal, pending.result(), residual.read_batch(body, [text], POSITIONS, bos)))
    room = residual.room_for(body, 2, 3)
    parts = residual.read_batch(body, ids[:2], POSITIONS, bos)
    assert [(a.shape, a.dtype) for a in room] == [(a.shape, a.dtype) for a in parts]
