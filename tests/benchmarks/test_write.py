"""The small form of `benchmarks.write`: a tiny model."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmarks import bench, ways, write
from benchmarks.write import KEPT, OURS, POSITIONS, TWICE
from pipeline.models import loading
from pipeline.reading.batches import BatchPlan
from pipeline.writing.sampling import Decoding

ASKED, DECODING, PLAN = [[5, 9, 200, 31], [7, 8], [90, 91, 92, 93, 94, 95]], Decoding(0.7, 0.9, 6), BatchPlan(64, 2)


def loaded(folder, dtype):
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    return loading.Model("tiny", whole.model, None, torch.device("cpu"), {}, whole.lm_head)


@pytest.fixture(scope="module")
def model(model_folders):
    return loaded(model_folders["llama-3.2"], torch.float32)


@pytest.fixture(scope="module")
def whole(model_folders):
    return bench.opened(model_folders["llama-3.2"])[0]


def test_every_way_gives_states_of_its_texts_and_ours_is_the_measure(model, whole):
    three = write.three_ways(model, whole, ASKED, DECODING, PLAN)
    assert list(three) == [OURS, TWICE, KEPT]
    assert all(way().shape == (3, len(POSITIONS), *model_shape(model)) for way in three.values())
    ratios = write.times(three, 2)
    assert ratios[OURS] == 1
    assert all(ratio > 0 for ratio in ratios.values())


def model_shape(model):
    return model.body.config.num_hidden_layers, model.body.config.hidden_size


def test_states_of_a_second_pass_of_transformers_are_ours_of_the_same_text(model, whole, monkeypatch):
    texts = []
    kept = ways.padded

    def padded(ids, batch):
        texts.extend((i, ids[i]) for i in batch)
        return kept(ids, batch)

    monkeypatch.setattr(ways, "padded", padded)
    found = write.theirs(whole, ASKED, DECODING, PLAN, kept=False)
    written = [dict(texts)[i][len(asked) :] for i, asked in enumerate(ASKED)]
    assert all(len(text) == DECODING.max_new_tokens for text in written)
    again = write.read(model, ASKED, written, PLAN)
    np.testing.assert_allclose(found[:, :, :-1], again[:, :, :-1], rtol=1e-3, atol=1e-5)  # the last is after the norm


def test_what_is_seen_while_writing_is_a_second_pass_at_fp32_and_no_more_at_16_bits(model, model_folders):
    texts = [[33, 12, 450, 7, 8, 20], [300, 5, 5], [11, 12, 13, 14]]
    for prompt, text in zip(ASKED, texts, strict=True):
        np.testing.assert_allclose(
            write.seen(model, prompt, text), write.read(model, [prompt], [text], PLAN)[0], rtol=1e-3, atol=1e-5
        )
    half = loaded(model_folders["llama-3.2"], torch.bfloat16)
    fp32, bf16 = write.distances({"fp32": model, "bf16": half}, ASKED, texts, PLAN)
    assert max(fp32.by_writing) < 1e-5
    assert fp32.by_precision == [0.0] * len(POSITIONS)
    assert min(bf16.by_writing) > 1e-4
    assert min(bf16.by_precision) > 1e-4


def test_a_missed_target_is_said_with_its_size(capsys):
    write.show({OURS: 1.0, TWICE: 0.75, KEPT: 0.9}, [write.Distances("fp32", [1e-6] * 3, [0.0] * 3)])
    said = capsys.readouterr().out
    assert "0.75 of the time of generate, read again; target 0.70: MISSED by 0.05" in said
