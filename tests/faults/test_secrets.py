"""A token of the hub, planted in the environment and in its file, is nowhere in what a run leaves or says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.models import hub
from pipeline.models.entries import Hub
from tests.conftest import CONCLUDE, ROOT

TOKENS = ("hf_PlantedInTheEnvironment0123456789", "hf_PlantedInItsFile0123456789abcdef")


def holding(folder: Path) -> list[Path]:
    """Files that hold one of the tokens, in whole."""
    return [p for p in folder.rglob("*") if p.is_file() and any(token.encode() in p.read_bytes() for token in TOKENS)]


@pytest.mark.parametrize("planted", TOKENS)
def test_no_token_is_in_what_a_run_leaves_or_says(project, planted, tmp_path_factory, monkeypatch, capfd):
    home = tmp_path_factory.mktemp("hf")
    (home / "token").write_text(TOKENS[1])
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "token"))
    if planted == TOKENS[0]:
        monkeypatch.setenv("HF_TOKEN", planted)
    assert hub.get_token() == planted  # it is what the hub would be asked with
    project.params["read"] |= {"models": ["tiny-llama-3.2"], "precisions": ["fp32"]}
    project.params["varied"], project.params["read_untrained"]["models"] = [], []
    project.writes("tiny-llama-3.2")
    project.params["writings"], project.params["writings_read"] = (
        project.params["writings"][:1],
        project.params["writings_read"][:1],
    )
    project.save()
    project.run("read", "write", "vectors", "geometry", *(CONCLUDE[1:] if planted == TOKENS[0] else ()))
    with pytest.raises(InputError) as refused:
        hub.snapshot(Hub(id="org/no-such-model", revision="0" * 40), Path("data/models/m.yaml"))
    said = capfd.readouterr()
    assert planted not in said.out + said.err + str(refused.value)
    assert holding(project.folder) == []
    assert len([p for p in project.folder.rglob("*") if p.is_file()]) > 50


def test_the_search_would_find_one(tmp_path):
    (tmp_path / "a").write_text(f"x{TOKENS[0]}y")
    assert holding(tmp_path) == [tmp_path / "a"]


def test_no_code_reads_a_token_itself():
    """The hub's library alone looks for it."""
    sources = [p for name in ("pipeline", "analysis") for p in (ROOT / name).rglob("*.py")]
    assert len(sources) > 100
    reading = [p.name for p in sources if "get_token" in p.read_text() or 'environ["HF_TOKEN' in p.read_text()]
    assert reading == ["hub.py"]
