"""Weights in packages: real installed packages (folders with their metadata, made here), and a real GGUF file in parts."""

import hashlib
import sys

import gguf as library
import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.models import gguf as gguf_module
from pipeline.models import inspection, loading, packages
from pipeline.models.entries import MODELS, Gguf, load_entry
from tests.conftest import ROOT

WHERE = MODELS / "m.yaml"
PARTS = [b"GGUF the first part", b"the second part", b"and the last"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def install(site, name, version, files):
    """A package as pip leaves it: its folder, whose code must never run, and its metadata."""
    folder = site / name.replace("-", "_")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("raise SystemExit('code of a package with weights ran')")
    for file, data in files.items():
        (folder / file).write_bytes(data)
    for old in site.glob(f"{folder.name}-*.dist-info"):
        (old / "METADATA").unlink()
        old.rmdir()
    info = site / f"{folder.name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def carried(parts=PARTS, **changes):
    listed = [{"package": f"weights-part{i}", "file": f"data/part{i}.bin", "sha256": sha256(p)} for i, p in enumerate(parts)]
    whole = {"file": "m.gguf", "version": "1.0.0", "parts": listed, "sha256": sha256(b"".join(parts))}
    return Gguf.model_validate(whole | changes)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A place that Python finds packages in, with three parts of a file."""
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site"
    for i, data in enumerate(PARTS):
        install(site, f"weights-part{i}", "1.0.0", {f"data/part{i}.bin": data})
    monkeypatch.syspath_prepend(str(site))
    return site


def both_refuse(gguf, message):
    """The plan and the load say the same one line, and leave nothing behind."""
    said = []
    for refuse in (lambda: packages.check({WHERE: gguf}), lambda: gguf_module.dequantised(gguf, WHERE)):
        with pytest.raises(InputError, match=message) as caught:
            refuse()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(f"{WHERE}: ")
    assert "\n" not in said[0]
    assert not list(packages.SCRATCH.rglob("*.gguf"))


def test_parts_are_put_together_in_order_and_no_code_of_theirs_runs(site):
    packages.check({WHERE: carried()})
    with gguf_module._whole_file(carried(), WHERE) as path:
        assert path.name == "m.gguf"
        assert path.read_bytes() == b"".join(PARTS)
    assert not path.exists()  # it has been dequantised: the parts are still there
    assert not [m for m in sys.modules if m.startswith("weights_part")]


def test_a_file_is_put_together_by_one_process_at_a_time(site):
    """The second once took the file away from under the first."""
    with gguf_module._whole_file(carried(), WHERE) as path:
        with pytest.raises(InputError, match="another process does the same work now"):
            gguf_module._whole_file(carried(), WHERE).__enter__()
        assert path.read_bytes() == b"".join(PARTS)


def test_packages_that_lack_are_named_with_the_command_that_installs_them(site):
    more = carried([*PARTS, b"x", b"y"])
    both_refuse(more, "2 packages .* python -m pip install --no-deps weights-part3==1.0.0 weights-part4==1.0.0$")
    two = {WHERE: more, MODELS / "n.yaml": carried([*PARTS, b"x"], version="1.0.0")}
    with pytest.raises(InputError, match=r"m.yaml, data/models/n.yaml: 2 packages .*part3==1.0.0 weights-part4==1.0.0$"):
        packages.check(two)


def test_another_version_of_a_package_is_named(site):
    install(site, "weights-part1", "2.0.0", {"data/part1.bin": PARTS[1]})
    both_refuse(carried(), r"version: 1.0.0, but weights-part1 is 2.0.0: .* --no-deps weights-part1==1.0.0$")


def test_a_missing_part_is_named(site):
    (site / "weights_part2/data/part2.bin").unlink()
    both_refuse(carried(), r"weights-part2 1.0.0 has no file data/part2.bin; .*--force-reinstall weights-part2==1.0.0$")


def test_a_truncated_part_is_named(site):
    (site / "weights_part1/data/part1.bin").write_bytes(PARTS[1][:-3])
    both_refuse(carried(), r"data/part1.bin of weights-part1 \(12 bytes\) is another file, or a part of it")


def test_swapped_parts_are_named(site):
    (site / "weights_part0/data/part0.bin").write_bytes(PARTS[2])
    both_refuse(carried(), r"data/part0.bin of weights-part0 .* is what belongs to weights-part2: two parts are swapped")


def test_parts_in_another_order_and_a_whole_of_another_digest_are_refused(site):
    whole = carried()
    for wrong in (whole.model_copy(update={"parts": whole.parts[::-1]}), whole.model_copy(update={"sha256": "0" * 64})):
        with pytest.raises(InputError, match="its 3 parts, each as it should be, make [0-9a-f]{64}: the order"):
            gguf_module.dequantised(wrong, WHERE)
        assert not list(packages.SCRATCH.rglob("*.gguf"))


def test_a_file_that_is_whole_but_no_gguf_is_refused_and_leaves_nothing(site):
    with pytest.raises(InputError, match=f"{WHERE}: cannot read the GGUF file m.gguf"):
        gguf_module.dequantised(carried(), WHERE)
    assert not [p for p in packages.SCRATCH.rglob("*") if p.is_file()]


def test_what_has_been_dequantised_needs_its_packages_no_more(site):
    gguf = carried([b"of packages", b"that are gone"], version="9.9.9")
    packages.copy_of(gguf).mkdir(parents=True)
    inspection.seal(packages.copy_of(gguf))
    packages.check({WHERE: gguf})
    assert gguf_module.dequantised(gguf, WHERE) == packages.copy_of(gguf)


def test_a_file_isparsed_once_and_as_the_library_parses_it(tmp_path):
    path, weights = tmp_path / "m.gguf", np.arange(64, dtype=np.float32).reshape(2, 32)
    writer = GGUFWriter(path, "llama")
    writer.add_token_list(["a", "caf\u00e9", "", "\u2581b"])
    writer.add_token_scores([0.5, -1.0, 0.0, 3e4])
    writer.add_token_types([1, 2, 3, 4])
    writer.add_bool("some.flag", True)
    writer.add_tensor("whole", weights)
    writer.add_tensor("packed", library.quantize(weights, library.GGMLQuantizationType.Q8_0), raw_dtype=8)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        write()
    true, own = GGUFReader(path), library.get_tensor_name_map
    with gguf_module.parsed_once():
        found = library.GGUFReader(str(path))
        assert library.GGUFReader(str(path)) is found
    assert (library.GGUFReader, library.get_tensor_name_map) == (GGUFReader, own)
    assert list(found.fields) == list(true.fields)
    for name, field in true.fields.items():
        assert found.fields[name].contents() == field.contents()
        assert [part.tobytes() for part in found.fields[name].parts] == [part.tobytes() for part in field.parts]
        assert [part.dtype for part in found.fields[name].parts] == [part.dtype for part in field.parts]
    for mine, theirs in zip(found.tensors, true.tensors, strict=True):
        assert mine.name == theirs.name
        assert np.array_equal(
            library.dequantize(mine.data, mine.tensor_type), library.dequantize(theirs.data, theirs.tensor_type)
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"package": "weights"}, "in one package or in parts, not both"),
        ({"version": None}, "the exact version of the package"),
        ({"file": "folder/m.gguf"}, "without folders"),
        ({"parts": None}, "the exact version of the package or packages, and of nothing else"),
    ],
)
def test_an_entry_says_one_way_to_the_file(changes, message):
    with pytest.raises(ValidationError, match=message):
        Gguf.model_validate(carried().model_dump() | changes)
    with pytest.raises(ValidationError, match="String should match pattern"):
        Gguf(file="x", package="a.b", version="1", sha256="0" * 64)  # found only by importing a


def test_a_source_is_named_without_a_path_of_this_machine(tmp_path):
    entry = load_entry("smollm2-135m-instruct", ROOT / MODELS)
    path = tmp_path / "mine.gguf"
    named = loading._source_in_words(entry.model_copy(update={"gguf": Gguf(file=str(path), sha256="a" * 64)}))
    assert named == f"GGUF mine.gguf, sha256 {'a' * 64}"
    assert loading._source_in_words(entry.model_copy(update={"gguf": carried()})).endswith(
        "weights-part0 to weights-part2 1.0.0"
    )


@pytest.mark.parametrize("twin", [p.stem for p in sorted((ROOT / MODELS).glob("*-untrained.yaml"))])
def test_a_twin_has_the_source_of_a_model(twin):
    own = load_entry(twin, ROOT / MODELS)
    others = [load_entry(p.stem, ROOT / MODELS) for p in (ROOT / MODELS).glob("*.yaml") if p.stem != twin]
    same = [o for o in others if (o.hub, o.gguf) == (own.hub, own.gguf)]
    assert len(same) == 1
    for key in ("family", "lineage", "bos", "parameters", "shape", "licence"):
        assert getattr(own, key) == getattr(same[0], key), key


def test_every_entry_says_its_licence_and_whether_its_head_is_its_own():
    for path in (ROOT / MODELS).glob("*.yaml"):
        entry = load_entry(path.stem, ROOT / MODELS)
        assert entry.licence is not None
        assert entry.shape is not None
        assert entry.shape.tied is not None


@pytest.mark.real
def test_a_real_file_cut_in_parts_becomes_the_model_that_it_is(tmp_path, monkeypatch, real_folder):
    """The bundled GGUF file of SmolLM2, in two packages: the same weights and tokenizer as from the one package."""
    entry = load_entry("smollm2-135m-instruct", ROOT / MODELS)
    (path,) = packages.paths(entry.gguf, WHERE)
    data = path.read_bytes()
    pieces = [data[:50_000_000], data[50_000_000:]]
    monkeypatch.chdir(tmp_path)
    for i, piece in enumerate(pieces):
        install(tmp_path / "site", f"weights-part{i}", "1.0.0", {f"data/part{i}.bin": piece})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    folder = gguf_module.dequantised(carried(pieces), WHERE)
    assert loading.weights_digest(folder) == loading.weights_digest(real_folder)
    assert (folder / "tokenizer.json").read_bytes() == (real_folder / "tokenizer.json").read_bytes()
    assert len(GGUFReader(path).tensors) > 0
    loaded = loading.load("m", entry.model_copy(update={"gguf": carried(pieces)}), "fp32", torch.device("cpu"))
    assert loaded.attributes["licence"].startswith("Apache-2.0: ")
    assert loaded.attributes["source"] == (f"GGUF m.gguf, sha256 {entry.gguf.sha256}, of weights-part0 to weights-part1 1.0.0")
