"""Banks of others: their form, their digest, and what is refused."""

import hashlib
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.banks import load as banks
from pipeline.errors import InputError
from tests.conftest import write_yaml

VECTORS = {
    f"layer_{n}__{e}": np.arange(4, dtype=np.float32) + n + len(e) for n in (1, 3) for e in ("joyful", "sad", "proud", "calm")
}


@pytest.fixture
def bank(tmp_path, monkeypatch):
    """A bank of a form, written and named; returns its name."""
    monkeypatch.chdir(tmp_path)

    def make(arrays=VECTORS, form="npz", **entry):
        file = tmp_path / f"bank.{form}"
        if form == "npz":
            np.savez(file, **arrays)
        elif form == "safetensors":
            save_file(arrays, file)
        else:
            file.write_bytes(arrays)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        write_yaml(
            tmp_path / "data/banks/theirs.yaml",
            {"model": "Their-1B", "path": str(file), "sha256": digest, "n_layers": 4} | entry,
        )
        return "theirs"

    return make


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_both_forms_give_vectors_by_layer_and_label_in_our_names(bank, form):
    found = banks.load(bank(form=form, labels={"joyful": "happy"}))
    assert sorted(found.vectors) == [1, 3]
    assert sorted(found.vectors[1]) == ["calm", "happy", "proud", "sad"]
    assert np.array_equal(found.vectors[3]["happy"], VECTORS["layer_3__joyful"])
    assert found.bank.position is None  # unknown stays unknown


@pytest.mark.parametrize(
    ("arrays", "entry", "said"),
    [
        (VECTORS | {"layer_1__sad": np.array([0, np.nan, 1, 2], dtype=np.float32)}, {}, "'layer_1__sad' holds NaN"),
        (VECTORS | {"layer_1__sad": np.zeros(3, dtype=np.float32)}, {}, r"'layer_1__sad' is float32 \(3,\)"),
        (VECTORS | {"layer_1__sad": np.zeros(4, dtype=np.int64)}, {}, r"'layer_1__sad' is int64"),
        (VECTORS | {"sad": np.zeros(4, dtype=np.float32)}, {}, "key 'sad' is not of the form"),
        (VECTORS | {"layer_1__x": np.array([{}, 1, 2, 3], dtype=object)}, {}, "neither .npz nor safetensors"),
        (VECTORS, {"n_layers": 3}, "has layer 3; layers are counted from 0"),
        (VECTORS, {"labels": {"glad": "happy"}}, "'glad' is no label"),
        (VECTORS, {"labels": {"joyful": "sad"}}, "two of .* become 'sad'"),
        (VECTORS, {"sha256": "0" * 64}, "its sha256 is .*another version, or damaged"),
        (VECTORS, {"path": "nowhere.npz"}, "nowhere.npz is not there"),
        (VECTORS, {"url": "https://example.org/x"}, "give either path or url"),
        (VECTORS, {"modle": "x"}, "unknown key 'modle'; did you mean 'model'"),
    ],
)
def test_what_is_wrong_is_one_line(bank, arrays, entry, said):
    with pytest.raises(InputError, match=said) as error:
        banks.load(bank(arrays, **entry))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"PK nothing", b"not a bank", b"", b"\x80\x04."])
def test_another_file_is_refused_unread(bank, content):
    with pytest.raises(InputError, match="neither .npz nor safetensors"):
        banks.load(bank(content, form="bin"))


def test_the_banks_of_the_repository_name_a_digest_and_a_licence():
    from pipeline.params.base import load_yaml
    from pipeline.params.imported import Bank
    from tests.conftest import ROOT

    files = sorted((ROOT / "data/banks").glob("*.yaml"))
    assert len(files) == 5
    for path in files:
        bank = load_yaml(path, Bank)
        assert re.fullmatch("[0-9a-f]{64}", bank.sha256)
        assert bank.license == "MIT"
