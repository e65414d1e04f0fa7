import json
import os
import socket
from fnmatch import fnmatch
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from pydantic import ValidationError

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


@pytest.fixture
def unreachable(monkeypatch):
    """The hub at a port of this machine that nobody listens at: what its library raises without a network."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


def test_a_hub_out_of_reach_is_said_in_one_line(unreachable):
    with pytest.raises(InputError, match=r"^HUB=org/model: the hub does not say its revision: .+"):
        hub.revision_of("org/model", None)
    assert hub.revision_of("org/model", "a" * 40) == "a" * 40


def test_with_a_token_a_hub_out_of_reach_refuses_nothing(unreachable, monkeypatch):
    monkeypatch.setattr(hub, "get_token", lambda: "a token")
    assert hub.refused([A, B]) == []
    hub.check_access([A, B])


def without_xet():
    HfApi().model_info("org/a")


def with_xet():
    """What hf_xet 1.8 raises, after minutes of trying."""
    raise RuntimeError("Task error: File reconstruction error: CAS Client Error: Request middleware error")


@pytest.mark.parametrize("download", [without_xet, with_xet])
def test_a_download_that_breaks_off_is_said_in_one_line(unreachable, download, monkeypatch):
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: download())
    with pytest.raises(InputError, match=r"^m.yaml: org/a could not be fetched: .+"):
        hub.snapshot(A, Path("m.yaml"))


@pytest.mark.parametrize(("own", "seen"), [(None, "60s"), ("300s", "300s")])
def test_a_hub_that_refuses_weights_is_asked_for_a_minute_or_as_long_as_one_says(monkeypatch, own, seen):
    """hf_xet 1.8 heeds a time with its unit alone: on a port that refuses, 20s took 40 seconds, and 20, like nothing at all, 4
    to 5 minutes."""
    name, _ = hub.PATIENCE
    monkeypatch.setenv(name, own or "")
    if own is None:
        monkeypatch.delenv(name)
    said = []
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: said.append(os.environ[name]) or ".")
    hub.snapshot(A, Path("m.yaml"))
    assert said == [seen]


@pytest.mark.parametrize("wanted", [None, "a" * 40])
@pytest.mark.parametrize("id_", ["https://huggingface.co/org/model", "huggingface.co/org/model", "org/model/", "a..b", ""])
def test_the_address_of_a_model_is_not_its_id(id_, wanted):
    with pytest.raises(InputError, match=rf"^HUB={id_}: no id of a model of the hub; write HUB=org/model"):
        hub.revision_of(id_, wanted)
    with pytest.raises(ValidationError, match=f"'{id_}' is no id of a model of the hub; write org/model"):
        Hub(id=id_, revision="a" * 40)


def test_the_hub_and_a_folder_give_the_same_files():
    """A tokenizer of vocab.json and merges.txt alone once lacked its merges where it came from the hub."""
    known = ("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "generation_config.json")
    known += ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja")
    for patterns in (hub.FILES, inspection.READ):
        assert [name for name in known if not any(fnmatch(name, p) for p in patterns)] == []
        assert not any(fnmatch(name, p) for name in ("pytorch_model.bin", "modeling_own.py", "README.md") for p in patterns)
