"""Model files, banks and stores as no program should write them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from gguf import GGUFWriter
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from pipeline import opening
from pipeline.banks import load as banks
from pipeline.models import gguf, inspection, loading
from pipeline.models.entries import Gguf, ModelEntry
from pipeline.params.imported import Bank
from pipeline.plan import trial
from pipeline.store import arrays, integrity, layout
from tests.faults.hostile import BYTES, EDITS, accepted_or_said, cases, edited, overwritten, spoilt, words

WHERE = Path("data/models/m.yaml")
MANY = 20
"""Faults of one tree: a line for each."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def model(model_folders, place) -> Path:
    return Path(shutil.copytree(model_folders["llama-3.1"], place / "model"))


def entry(folder: Path) -> ModelEntry:
    return ModelEntry(family="f", lineage="l", tuning="base", bos=True, parameters=1e5, folder={"path": folder})


def tried(folder: Path) -> None:
    """What the plan asks of a model's files."""
    trial.check({"m": entry(folder)}, {"m": ["fp32", "int8"]})
    inspection.true_precision(folder)


@pytest.fixture(scope="module")
def whole(model_folders) -> Path:
    return model_folders["llama-3.1"]


@cases(0.06)
@given(EDITS)
def test_a_config_is_accepted_or_named(model, whole, edits):
    config = json.loads((whole / "config.json").read_bytes())
    try:
        (model / "config.json").write_text(json.dumps(edited(config, edits)), encoding="utf-8")
        accepted_or_said(lambda: tried(model), WHERE)
    finally:
        (model / "config.json").write_bytes((whole / "config.json").read_bytes())


@cases(0.06)
@given(BYTES, st.booleans())
def test_safetensors_are_accepted_or_named(model, whole, edits, length_alone):
    length = int.from_bytes((whole / "model.safetensors").read_bytes()[:8], "little")
    path = model / "model.safetensors"
    try:
        path.write_bytes(overwritten((whole / path.name).read_bytes(), edits, 8 if length_alone else length))
        accepted_or_said(lambda: tried(model), WHERE, path)
        accepted_or_said(lambda: loading.load("m", entry(model), "fp32", loading.pick_device("cpu")), WHERE)
    finally:
        path.write_bytes((whole / path.name).read_bytes())


@cases(0.02)
@given(EDITS, st.sampled_from(("tokenizer.json", "tokenizer_config.json")))
def test_a_tokenizer_is_accepted_or_named(model, whole, edits, name):
    try:
        (model / name).write_text(json.dumps(edited(json.loads((whole / name).read_bytes()), edits)), encoding="utf-8")
        accepted_or_said(lambda: loading.load("m", entry(model), "fp32", loading.pick_device("cpu")), WHERE)
    finally:
        (model / name).write_bytes((whole / name).read_bytes())


@pytest.fixture(scope="module")
def a_gguf(place) -> bytes:
    """A GGUF file of the smallest Llama, whose weights are zeros."""
    path = place / "small.gguf"
    writer = GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, 64),
        (writer.add_embedding_length, 32),
        (writer.add_block_count, 1),
        (writer.add_feed_forward_length, 32),
        (writer.add_head_count, 2),
        (writer.add_head_count_kv, 2),
        (writer.add_layer_norm_rms_eps, 1e-5),
        (writer.add_file_type, 0),
    ):
        add(value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([b"<s>", b"</s>", *(bytes([c]) for c in range(97, 123))])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    square = np.zeros((32, 32), np.float32)
    writer.add_tensor("token_embd.weight", np.zeros((28, 32), np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", square)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@cases(0.03)
@given(BYTES, st.sampled_from((24, 600, 2000)))
def test_a_gguf_file_is_accepted_or_named(a_gguf, tmp_path_factory, edits, head):
    folder = tmp_path_factory.mktemp("gguf")
    path = folder / "x.gguf"
    path.write_bytes(overwritten(a_gguf, edits, head))
    known = Gguf(file=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        accepted_or_said(lambda: gguf.dequantised(known, WHERE), WHERE)
    shutil.rmtree(folder)


VECTORS = {f"layer_{n}__{e}": np.arange(4, dtype=np.float32) + n for n in (0, 1) for e in ("joyful", "sad")}
KEYS = st.sampled_from(tuple(VECTORS)) | words | st.integers(0, 10**6).map(lambda n: f"layer_{n}__sad")
SHAPES = st.sampled_from(((4,), (4,), (4,), (3,), (0,), (), (2, 2)))
TYPES = st.sampled_from((np.float32, np.float32, np.float16, np.float64, np.int64, np.bool_))


@cases(0.05)
@given(
    st.dictionaries(KEYS, st.builds(np.ones, SHAPES, TYPES), max_size=4).map(save)
    | spoilt(save(VECTORS))
    | st.binary(max_size=50),
    st.dictionaries(st.sampled_from(("joyful", "sad", "x")), words, max_size=2),
)
def test_a_bank_is_accepted_or_named(place, content, named):
    file = place / "bank"
    file.write_bytes(content)
    bank = Bank(model="m", path=file, sha256="0" * 64, n_layers=4, labels=named)
    accepted_or_said(lambda: banks.vectors_of(file, place / "bank.yaml", bank), place / "bank.yaml")


DIMS = st.lists(
    st.sampled_from((*layout.ACTIVATION_DIMS, *layout.VECTOR_DIMS, "seed", "x")), min_size=0, max_size=5, unique=True
)
NAMES = st.sampled_from(("activation", "finite", "embedding", "vector", "n_neutral_components", "emotion", "y"))


@st.composite
def datasets(draw):
    """A Dataset of other dimensions and types, as somebody may have written it with xarray alone."""
    made = {}
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        dims = draw(DIMS)
        if name not in dims:
            made[name] = (dims, np.ones([2] * len(dims), draw(TYPES)))
    labels = {d: (d, draw(st.sampled_from((["a", "b"], ["a", "a"], [0, 1])))) for d in draw(DIMS)}
    sizes = {d for dims, _ in made.values() for d in dims}
    made = {name: of for name, of in made.items() if name not in sizes}
    return xr.Dataset(made, coords={d: v for d, v in labels.items() if d in sizes and d not in made})


@cases(0.03)
@given(datasets(), st.booleans())
def test_a_zarr_tree_of_other_dimensions_is_accepted_or_named(tmp_path_factory, dataset, sealed):
    folder = tmp_path_factory.mktemp("zarr")
    path, model = folder / "x.zarr", folder / "vectors.zarr/m/comprehension"
    for where in (path, model):
        dataset.to_zarr(where, consolidated=False, zarr_format=3)
        if sealed:
            integrity.seal(where, integrity.values_of(dataset))
    accepted_or_said(lambda: arrays.activations_at(path), path)
    accepted_or_said(lambda: arrays.activations_at(path, position=["last"], layer=[0]), path)
    accepted_or_said(lambda: arrays.finite_at(path), path)
    accepted_or_said(lambda: arrays.vectors(folder / "vectors.zarr"), folder)
    accepted_or_said(lambda: opening.open_vectors(folder / "vectors.zarr"), folder)
    tree = xr.DataTree.from_dict({"/m/comprehension": dataset})
    accepted_or_said(lambda: opening.validate(tree), "/m/comprehension", "no group has an array 'vector'", lines=MANY)
    shutil.rmtree(folder)
