"""What a model wrote, read alone and after its prompt."""

import errno
import itertools
import json

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.params.writing import CONTEXTS, WritingRead
from pipeline.reading import residual
from pipeline.store import layout, tables, writer
from pipeline.writing import read_writing, write
from tests.conftest import FAMILIES

LLAMA, QWEN = "tiny-llama-3.2", "tiny-qwen2.5"


@pytest.fixture
def writers(project):
    """Both models write one sampled text of each label and prompt, so that texts differ in their tokens."""
    setting = project.params["write"]["settings"]["reliable"]
    project.params["write"]["settings"]["reliable"] = setting | {"samples": 1, "only": ["garage", "choir"]}
    project.writes(LLAMA, QWEN)
    return project


def read_back(model, setting="reliable", written="fp32", precision="fp32", contexts="both"):
    """The texts that count, and their readings by context."""
    read_writing.main([model, setting, written, precision, contexts])
    texts = opening.writing(model, written, setting).filter(pl.col("same_as").is_null() & pl.col("left_out").is_null())
    readings = WritingRead(setting=setting, written=written, read=precision, contexts=contexts).readings
    return texts, {context: opening.activations(model, precision, name) for context, name in readings.items()}


@pytest.mark.parametrize("family", ["llama-3.2", "qwen2.5"])
def test_both_contexts_pool_the_texts_own_tokens_of_a_plain_pass(family, writers):
    name = f"tiny-{family}"
    write.main([name, "reliable", "fp32"])
    texts, found = read_back(name)
    body = AutoModel.from_pretrained(writers.models[family], dtype=torch.float32).eval()
    bos = [AutoTokenizer.from_pretrained(writers.models[family]).bos_token_id] if FAMILIES[family][1] else []
    for row in range(0, texts.height, 3):
        text = texts.row(row, named=True)
        for context, before in {"alone": bos, "prompted": text["prompt_tokens"]}.items():
            with torch.inference_mode():
                ids = torch.tensor([[*before, *text["tokens"]]])
                states = body(input_ids=ids, output_hidden_states=True).hidden_states
            for layer in range(3):  # the last entry is after the final norm
                own = states[layer + 1][0, len(before) :].numpy().astype(np.float64)
                here = found[context]["activation"].sel(layer=layer).isel(stimulus=row)
                assert np.allclose(here.sel(position="last"), own[-1], rtol=1e-4, atol=1e-5)
                assert np.allclose(here.sel(position="middle"), own[len(own) // 2], rtol=1e-4, atol=1e-5)
                assert np.allclose(here.sel(position="mean0"), own.mean(0), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["alone"]["activation"], found["prompted"]["activation"], atol=1e-3)


def test_a_reading_has_the_texts_that_count_with_their_labels_and_samples(writers):
    write.main([LLAMA, "matched", "fp32"])  # greedy: the second sample is the first
    texts, found = read_back(LLAMA, "matched")
    asked = opening.writing(LLAMA, "fp32", "matched")
    assert 0 < texts.height <= asked.height // 2
    for dataset in found.values():
        assert dataset["stimulus"].values.tolist() == texts["id"].to_list()
        for coordinate, column in {"emotion": "emotion", "topic": "topic", "sample": "sample", "n_tokens": "n_tokens"}.items():
            assert dataset[coordinate].values.tolist() == texts[column].to_list()
        assert dataset["position"].values.tolist() == Params.load().write.positions


def test_another_precision_reads_the_same_texts(writers):
    write.main([LLAMA, "matched", "fp16"])
    _, own = read_back(LLAMA, "matched", "fp16", "fp16")
    _, other = read_back(LLAMA, "matched", "fp16", "fp32")
    for context in CONTEXTS:
        assert own[context]["stimulus"].values.tolist() == other[context]["stimulus"].values.tolist()
        assert own[context].attrs["precision"] == "fp16"
        assert other[context].attrs["precision"] == "fp32"
        a, b = (dataset[context]["activation"].values for dataset in (own, other))
        assert np.allclose(a, b, atol=0.05 * b.std())
        assert not np.array_equal(a, b)


def test_attributes_say_whose_texts_were_read_and_in_which_context(writers):
    write.main([LLAMA, "reliable", "fp32"])
    _, found = read_back(LLAMA)
    for context, dataset in found.items():
        said = {"setting": "reliable", "written": "fp32", "precision": "fp32", "context": context, "model": LLAMA}
        assert dataset.attrs.items() >= said.items()
        assert dataset.attrs["reading"] == f"reliable-fp32/{context}"


def test_one_context_alone_is_read_where_no_more_is_asked(writers):
    write.main([LLAMA, "reliable", "fp32"])
    _, both = read_back(LLAMA)
    path = layout.activations_path(LLAMA, "fp32", "reliable-fp32/alone")
    layout.shutil.rmtree(path)
    _, one = read_back(LLAMA, contexts="prompted")
    assert not path.exists()
    assert np.array_equal(one["prompted"]["activation"], both["prompted"]["activation"])


def test_tokens_are_those_that_were_written_whatever_the_text_says(writers):
    write.main([LLAMA, "reliable", "fp32"])
    _, before = read_back(LLAMA)
    path = layout.writings_path(LLAMA, "fp32", "reliable")
    other = pl.read_parquet(path).with_columns(pl.lit("Other words.").alias("text"), pl.lit("Other.").alias("prompt"))
    tables.write_rows(other, path, pl.read_parquet_metadata(path))
    _, after = read_back(LLAMA)
    for context in CONTEXTS:
        assert np.array_equal(before[context]["activation"], after[context]["activation"])


def test_reading_what_was_written_twice_gives_the_same_bytes(writers):
    write.main([QWEN, "reliable", "fp32"])
    path = layout.activations_path(QWEN, "fp32", "reliable-fp32/prompted")
    once = []
    for _ in range(2):
        read_back(QWEN)
        once.append({p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()})
    assert once[0] == once[1]
    assert not any((layout.SCRATCH / "read").iterdir())


def test_what_was_never_written_says_how_to_get_it(writers):
    with pytest.raises(InputError, match="reliable.parquet: not there; make it with `dvc repro`"):
        read_writing.main([LLAMA, "reliable", "fp32", "fp32", "both"])


def test_a_writing_of_other_columns_is_refused(writers):
    path = layout.writings_path(LLAMA, "fp32", "reliable")
    path.parent.mkdir(parents=True)
    tables.write_rows(pl.DataFrame({"id": ["a"]}), path, {"provenance": json.dumps({})})
    with pytest.raises(InputError, match="its columns are not those of this version"):
        read_writing.main([LLAMA, "reliable", "fp32", "fp32", "both"])
    path.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="not readable"):
        opening.writing(LLAMA, "fp32", "reliable")


def test_both_contexts_are_put_in_place_together_or_neither(writers, monkeypatch):
    """They are one out. What was read is kept: the next run reads nothing again."""
    write.main([LLAMA, "reliable", "fp32"])
    place = layout.activations_path(LLAMA, "fp32", "reliable-fp32/alone").parent
    true, n = writer.write_activations, itertools.count()

    def fails(dataset, path):
        if next(n):
            raise OSError(errno.ENOSPC, "No space left")
        true(dataset, path)

    monkeypatch.setattr(writer, "write_activations", fails)
    with pytest.raises(OSError, match="No space"):
        read_back(LLAMA)
    assert not place.exists()
    monkeypatch.setattr(writer, "write_activations", true)
    monkeypatch.setattr(residual, "read_batch", None)
    read_back(LLAMA)
    assert sorted(p.name for p in place.iterdir()) == ["alone.zarr", "prompted.zarr"]
    assert not [p for p in layout.SCRATCH.rglob("*") if p.is_file()]


def test_a_setting_that_nobody_wrote_is_named(writers):
    with pytest.raises(InputError, match="writings/tiny-llama-3.2/fp32/reliabel.parquet: not there; make it with `dvc repro`"):
        read_writing.main([LLAMA, "reliabel", "fp32", "fp32", "both"])
