"""params.yaml and model entries as nobody should write them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.models.entries import load_entries, load_entry
from pipeline.params.base import load_yaml
from pipeline.params.imported import Bank
from pipeline.params.whole import Params
from pipeline.plan import names
from pipeline.reading.vectors import positions_of
from pipeline.texts import stimuli
from tests.conftest import ROOT
from tests.faults.hostile import accepted_or_said, cases, changed, spoilt, values

PARAMS = YAML(typ="safe").load((ROOT / "profiles/default.yaml").read_text())
ENTRIES = {
    "hub": {"id": "org/model", "revision": "0" * 40},
    "folder": {"path": "/models/m", "sha256": "0" * 64},
    "gguf": {"file": "x.gguf", "sha256": "0" * 64, "package": "some-package", "version": "1.0"},
}
ENTRY = {"family": "f", "lineage": "l", "tuning": "base", "bos": True, "parameters": 1e6, "note": "a note"}
ENTRY |= {
    "shape": {"layers": 2, "hidden": 8, "vocabulary": 100},
    "licence": {"name": "MIT", "text": "LICENSE"},
    "seeds": [0, 1],
}
BANK = {"model": "m", "path": "bank.npz", "sha256": "0" * 64, "n_layers": 4, "labels": {"joyful": "happy"}}
MANY = 40
"""Mistakes of one file: a line for each."""


def written(path: Path, tree: object) -> None:
    """As YAML, whatever it holds."""
    buffer = io.StringIO()
    YAML(typ="safe").dump(tree, buffer)
    path.write_text(buffer.getvalue(), encoding="utf-8")


def can_be_written(path: Path, tree: object) -> bool:
    """Whether YAML in UTF-8 can say it; then the file holds it."""
    try:
        written(path, tree)
    except ValueError:  # UnicodeEncodeError is one
        return False
    return True


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("params")


def used(path: Path) -> None:
    """What the plan asks of params before it looks at models."""
    params = Params.load(path)
    load_entries(params, ROOT / "data/models")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        texts = {name: stimuli.load(reading) for name, reading in params.readings.items()}
        for name, reading in params.readings.items():
            stimuli.have_words(texts[name], {p: params.positions[p] for p in reading.positions}, reading.path)
        names.check(params, texts)
        positions_of(params.readings["stories"].positions, params.vectors)


@cases(0.2)
@given(changed(PARAMS))
def test_params_are_accepted_or_named(repository, tree):
    path = repository / "params.yaml"
    if not can_be_written(path, tree):
        return
    texts = (
        [str(r.get("path")) for r in tree["readings"].values() if isinstance(r, dict)]
        if isinstance(tree.get("readings"), dict)
        else []
    )
    accepted_or_said(lambda: used(path), "params.yaml", "data/models/", *texts, lines=MANY)


@cases(0.06)
@given(spoilt((ROOT / "profiles/default.yaml").read_bytes(), 3000) | st.binary(max_size=200) | values.map(repr).map(str.encode))
def test_a_params_file_of_any_bytes_is_accepted_or_named(repository, content):
    path = repository / "params.yaml"
    path.write_bytes(content)
    accepted_or_said(lambda: Params.load(path), path, lines=MANY)


@cases(0.1)
@given(st.sampled_from(list(ENTRIES)).flatmap(lambda kind: changed(ENTRY | {kind: ENTRIES[kind]})))
def test_an_entry_is_accepted_or_named(repository, tree):
    path = repository / "m.yaml"
    if not can_be_written(path, tree):
        return
    accepted_or_said(lambda: load_entry("m", repository), path, lines=MANY)


@cases(0.04)
@given(changed(BANK))
def test_the_entry_of_a_bank_is_accepted_or_named(repository, tree):
    path = repository / "bank.yaml"
    if not can_be_written(path, tree):
        return
    accepted_or_said(lambda: load_yaml(path, Bank), path, lines=MANY)


@pytest.mark.parametrize("name", ["../../params", "..", ".", "", "a/b", "/etc/passwd", "a\0b", "a b", "-x/..", "~"])
@pytest.mark.parametrize("place", [("read", "models"), ("read_untrained", "models"), ("write", "models"), ("imported",)])
def test_a_name_cannot_lead_out_of_its_folder(repository, name, place):
    """Names become paths: of entries, of outs, of banks."""
    tree = YAML(typ="safe").load((ROOT / "profiles/default.yaml").read_text())
    *way, last = place
    inner = tree
    for key in way:
        inner = inner[key]
    inner[last] = [name]
    written(repository / "params.yaml", tree)
    with pytest.raises(InputError, match="may hold letters, digits"):
        Params.load(repository / "params.yaml")


@pytest.mark.parametrize("key", ["readings", "positions"])
def test_a_key_that_becomes_a_path_cannot_either(repository, key):
    tree = YAML(typ="safe").load((ROOT / "profiles/default.yaml").read_text())
    tree[key]["../out"] = next(iter(tree[key].values()))
    written(repository / "params.yaml", tree)
    with pytest.raises(InputError, match="may hold letters, digits"):
        Params.load(repository / "params.yaml")


def test_a_part_of_a_package_cannot_lie_outside_of_it(repository):
    """`file` of a package is a path within it."""
    entry = ENTRY | {"gguf": ENTRIES["gguf"] | {"file": "../../secret"}}
    written(repository / "m.yaml", entry)
    with pytest.raises(InputError, match="'../../secret' leads out of its package"):
        load_entry("m", repository)
