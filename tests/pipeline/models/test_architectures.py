"""Some of the architectures of `docs/architectures.md` are tried, and the page says of them what comes of it; `make docs` tries
all."""

import pytest
import torch
from transformers import CONFIG_MAPPING

from pipeline.plan import trial
from tests import architectures
from tests.architectures import ARCHITECTURES, ENCODERS, PAGE, SHORT, built, rows


@pytest.mark.parametrize("kind", SHORT)
def test_an_architecture_does_what_the_page_says(kind, tmp_path):
    verdict = architectures.tried(kind, tmp_path / kind)
    assert verdict is not None
    assert rows(PAGE.read_text())[kind] == verdict.row


def test_the_page_has_forty_architectures_and_more_each_read_or_refused_with_a_reason():
    found = rows(PAGE.read_text())
    assert len(found) >= 40
    assert found.keys() <= ARCHITECTURES.keys()
    for row in found.values():
        _, _, reads, writes, why, _ = (cell.strip() for cell in row.split("|"))
        assert (reads, writes) != ("no", "yes")
        assert bool(why) == (writes == "no")


def test_the_page_begins_as_its_command_writes_it():
    assert PAGE.read_text().startswith(architectures.HEAD)


@pytest.mark.parametrize("kind", [*ENCODERS, "modernbert-decoder", "llama", "gpt_neox", "opt", "falcon"])
def test_an_encoder_is_one_whose_first_token_sees_the_last(kind, tmp_path):
    """By its states, where the plan goes by its config."""
    whole = built(kind, tmp_path)
    body = getattr(whole, "base_model", whole)
    with torch.inference_mode():
        one, other = (body(input_ids=torch.tensor([[5, 17, 300, last]])).last_hidden_state[0, 0] for last in (42, 8))
    sees = not torch.allclose(one, other, atol=1e-6)
    assert sees == (kind in ENCODERS)
    assert trial.looks_both_ways(whole.config) == sees


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_same_architecture_is_causal_where_its_config_says_so(kind):
    config = CONFIG_MAPPING[kind]
    assert trial.looks_both_ways(config())
    assert not trial.looks_both_ways(config(is_decoder=True))
