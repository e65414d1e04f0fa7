"""Banks of others: their form, their digest, and what is refused."""

import hashlib
import http.client
import io
import json
import re
import warnings
import zipfile

import numpy as np
import pytest
import torch
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
        (VECTORS | {"layer_1__sad": np.zeros(4, dtype=np.float32)}, {}, r"'layer_1__sad' is all zeros"),
        (VECTORS | {"layer_1__sad": np.full(4, 1e300)}, {}, r"'layer_1__sad' has values beyond float32"),
        ({"layer_1__sad": np.ones(1, dtype=np.float32)}, {}, r"'layer_1__sad' has 1 number,"),
        ({"layer_1__sad": np.ones(0, dtype=np.float32)}, {}, r"'layer_1__sad' has 0 numbers,"),
        (VECTORS | {"layer_\u0661__sad": np.ones(4, dtype=np.float32)}, {}, "is not of the form"),
        (VECTORS | {"sad": np.ones(4, dtype=np.float32)}, {}, "key 'sad' is not of the form"),
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


def of_members(*members, method=zipfile.ZIP_STORED):
    """A .npz file of members (name, array or bytes), as numpy or another program writes it."""
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, what in members:
            content = what if isinstance(what, bytes) else io.BytesIO()
            if not isinstance(content, bytes):
                np.save(content, what)
                content = content.getvalue()
            archive.writestr(name, content)
    return made.getvalue()


def marked(content, flag=0, method=0):
    """A zip file whose members say that they are encrypted, or packed in a way that nobody knows."""
    made = bytearray(content)
    for sign, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = made.find(sign)
        made[place + at] |= flag
        made[place + at + 2] |= method
    return bytes(made)


def tensor(dtype, data, shape):
    header = json.dumps({"layer_1__sad": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


SAD = ("layer_1__sad.npy", VECTORS["layer_1__sad"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (of_members(SAD, SAD), "'layer_1__sad' stands twice"),
        (of_members(SAD, ("layer_1__calm", b"a note")), "'layer_1__calm' is no array"),
        (of_members(("layer_1__sad.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': (4,,".ljust(140))), "neither .npz nor"),
        (marked(of_members(SAD), flag=1), "neither .npz nor safetensors .*encrypted"),
        (marked(of_members(SAD), method=77), "neither .npz nor safetensors .*compression"),
        (tensor("F8_E4M3", b"1234", [4]), "'layer_1__sad' is F8_E4M3; save it as float32"),
        (tensor("I8", b"1234", [4]), "'layer_1__sad' is I8; save it as float32"),
    ],
)
def test_an_odd_file_is_one_line(bank, content, said):
    with pytest.raises(InputError, match=said) as error:
        banks.load(bank(content, form="bin"))
    assert "\n" not in str(error.value)


def test_half_precisions_are_read_as_what_they_stand_for(bank):
    true = torch.tensor([1.0, -2.5, 3.1415927, 1e30])
    for dtype, name in ((torch.bfloat16, "BF16"), (torch.float64, "F64"), (torch.float32, "F32")):
        content = tensor(name, true.to(dtype).view(torch.uint8).numpy().tobytes(), [4])
        assert banks.load(bank(content, form="bin")).vectors[1]["sad"].tolist() == true.to(dtype).float().tolist()
    half = tensor("F16", np.array([1.0, -2.5, 3.14], "<f2").tobytes(), [3])
    assert banks.load(bank(half, form="bin")).vectors[1]["sad"].tolist() == [1.0, -2.5, 3.140625]


class Answer:
    """What a server says that breaks off, or does not end."""

    def __init__(self, content):
        self.content = content

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, most):
        if self.content is None:
            raise http.client.IncompleteRead(b"half")
        return self.content[:most]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "not to be had"), (b"12345", "more than 4 bytes"), (b"123", "its sha256 is")]
)
def test_what_a_server_gives_wrongly_is_one_line_and_is_not_kept(bank, monkeypatch, content, said):
    monkeypatch.setattr(banks, "LARGEST_BYTES", 4)
    monkeypatch.setattr(banks.urllib.request, "urlopen", lambda url, timeout: Answer(content))
    with pytest.raises(InputError, match=said) as error:
        banks.load(bank(path=None, url="https://example.org/bank", sha256="0" * 64))
    assert "\n" not in str(error.value)
    assert not (banks.SCRATCH / "banks").exists()


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
