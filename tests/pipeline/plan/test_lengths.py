"""Texts longer than a model has positions for, and than the length at which its positions begin to depend on a batch."""

from types import SimpleNamespace

import pytest
from transformers import GPT2Config, LlamaConfig, Phi3Config

from benchmarks.gpu.tiny import LLAMA3_ROPE
from pipeline.plan.lengths import too_long

LONG = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}


@pytest.mark.parametrize(
    ("config", "most", "said"),
    [
        (LlamaConfig(max_position_embeddings=64), 64, r"positions for 64 \(max_position_embeddings in its config\)"),
        (GPT2Config(n_positions=32), 32, "positions for 32"),
        (LlamaConfig(max_position_embeddings=64, rope_parameters=LLAMA3_ROPE), 64, "positions for 64"),
        (
            Phi3Config(
                hidden_size=32,
                num_attention_heads=2,
                max_position_embeddings=64,
                original_max_position_embeddings=16,
                rope_parameters=LONG,
            ),
            16,
            r"beyond 16 its positions \(rope_type longrope\) depend on the longest text that is read beside it",
        ),
        (
            LlamaConfig(
                max_position_embeddings=64,
                rope_parameters={
                    "rope_type": "dynamic",
                    "rope_theta": 1e4,
                    "factor": 2.0,
                    "original_max_position_embeddings": 24,
                },
            ),
            24,
            "rope_type dynamic",
        ),
    ],
)
def test_the_most_tokens_that_are_read_as_they_are_meant(config, most, said):
    assert too_long(most, config) is None
    with pytest.raises(AssertionError, match=said):
        assert too_long(most + 1, config) is None, too_long(most + 1, config)


def test_positions_of_each_kind_of_layer_are_looked_at():
    nested = {"full_attention": {"rope_type": "dynamic", "original_max_position_embeddings": 8}}
    config = SimpleNamespace(max_position_embeddings=None, rope_parameters=nested)
    assert too_long(8, config) is None
    assert "beyond 8" in too_long(9, config)
    assert too_long(10**6, object()) is None
