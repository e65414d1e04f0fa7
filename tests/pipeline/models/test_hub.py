import json
from fnmatch import fnmatch

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

from pipeline.errors import InputError
from pipeline.models import hub, inspection
from pipeline.models.entries import Hub

A, B = Hub(id="org/a", revision="a" * 40, gated=True), Hub(id="org/b", revision="b" * 40)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def put(of, *names):
        folder = tmp_path / f"models--{of.id.replace('/', '--')}/snapshots/{of.revision}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_text(json.dumps({"weight_map": {"x": "1.safetensors", "y": "2.safetensors"}}))

    return put


def test_a_revision_is_missing_until_all_its_weights_are_there(cache):
    assert hub.missing([A, B, A]) == [A, B]
    cache(A, "config.json", "model.safetensors")
    cache(B, "config.json", "model.safetensors.index.json", "1.safetensors")
    assert hub.missing([A, B]) == [B]
    cache(B, "2.safetensors")
    assert hub.missing([A, B]) == []
    assert hub.missing([A.model_copy(update={"revision": "c" * 40})])


def test_without_a_token_all_gated_models_are_named_and_the_hub_is_not_asked(monkeypatch):
    monkeypatch.setattr(hub, "get_token", lambda: None)
    monkeypatch.setattr(HfApi, "auth_check", lambda *_: pytest.fail("asked"))
    with pytest.raises(InputError, match=r"(?s)no token for 1 of the models:\n  https://huggingface.co/org/a\n"):
        hub.check_access([A, B])
    hub.check_access([B])


def made(kind):
    """An error of the hub's client without the answer that it usually carries."""
    error = kind.__new__(kind)
    Exception.__init__(error, "no")
    return error


@pytest.mark.parametrize(
    ("error", "refused"),
    [(GatedRepoError, ["org/a", "org/b"]), (HfHubHTTPError, []), (ConnectionError, []), (None, [])],
)
def test_a_token_that_may_not_read_is_found_out_and_a_silent_hub_says_nothing(monkeypatch, error, refused):
    def auth_check(self, repo_id):
        if error is not None:
            raise made(error)

    monkeypatch.setattr(hub, "get_token", lambda: "a token")
    monkeypatch.setattr(HfApi, "auth_check", auth_check)
    assert hub.refused([A, B]) == refused
    if refused:
        with pytest.raises(InputError, match="this HF_TOKEN may not read 2 of the models"):
            hub.check_access([A, B])


def test_the_hub_and_a_folder_give_the_same_files():
    """A tokenizer of vocab.json and merges.txt alone once lacked its merges where it came from the hub."""
    known = ("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "generation_config.json")
    known += ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja")
    for patterns in (hub.FILES, inspection.READ):
        assert [name for name in known if not any(fnmatch(name, p) for p in patterns)] == []
        assert not any(fnmatch(name, p) for name in ("pytorch_model.bin", "modeling_own.py", "README.md") for p in patterns)
