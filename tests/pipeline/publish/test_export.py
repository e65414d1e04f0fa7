"""Exports are read back by the formats' own readers, and hold the store's own numbers."""

import json

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from pipeline import opening
from pipeline.errors import InputError
from pipeline.publish import card, export
from pipeline.schemas.every import TABLES

MODEL = "tiny-llama-3.2"
AT = {"precision": "fp32", "variant": "centred", "position": "mean50"}


def stored(emotion, layer):
    return opening.vectors_of(MODEL)["vector"].sel(**AT, emotion=emotion, layer=layer).values


def test_a_control_vector_has_every_layer_but_the_first_as_llama_cpp_counts_them(in_finished, tmp_path):
    export.main(["gguf", MODEL, "calm", str(tmp_path)])
    path = tmp_path / f"{MODEL}-calm.gguf"
    found = export.read_gguf(path)
    assert sorted(found) == [1, 2, 3]  # direction.0 is no tensor that llama.cpp takes
    for layer, vector in found.items():
        assert np.array_equal(vector, stored("calm", layer))
    from gguf import GGUFReader

    reader = GGUFReader(path)
    assert reader.get_field("controlvector.model_hint").contents() == MODEL
    assert reader.get_field("controlvector.layer_count").contents() == 3
    assert {t.name for t in reader.tensors} == {"direction.1", "direction.2", "direction.3"}


def test_npz_has_a_key_for_each_layer_and_label(in_finished, tmp_path):
    export.main(["npz", MODEL, str(tmp_path / "v.npz")])
    with np.load(tmp_path / "v.npz", allow_pickle=False) as found:
        assert len(found.files) == 4 * len(in_finished.emotions)
        assert np.array_equal(found["layer_2__happy"], stored("happy", 2))


def test_a_dataset_folder_has_a_config_for_each_table_with_rows(in_finished, tmp_path):
    export.main(["huggingface", str(tmp_path / "dataset")])
    text = (tmp_path / "dataset/README.md").read_text()
    head = YAML(typ="safe").load(text.split("---\n")[1])
    for config in head["configs"]:
        (file,) = config["data_files"]
        table = TABLES[config["config_name"]]
        found = pl.read_parquet(tmp_path / "dataset" / file["path"]).sort(table.keys, nulls_last=False)
        assert found.equals(opening.table(table.name))
    named = {c["config_name"] for c in head["configs"]}
    assert {"pairs", "beyond", "choices", "claims", "geometry"} <= named
    assert opening.open_vectors(tmp_path / "dataset/vectors.zarr").children.keys() == opening.vectors().children.keys()
    with pytest.raises(InputError, match="is there already"):
        export.main(["huggingface", str(tmp_path / "dataset")])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "python -m pipeline.publish.export gguf MODEL EMOTION FOLDER; or"),
        (["gguf", MODEL], "export gguf MODEL EMOTION FOLDER"),
        (["gguf", "tiny-lama", "calm", "x"], "no model 'tiny-lama'; did you mean 'tiny-llama-3.2'"),
        (["gguf", MODEL, "clam", "x"], "no emotion 'clam'; did you mean 'calm'"),
        (["npz", "tiny-untrained", "x.npz"], "its draws differ"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(in_finished, arguments, said):
    before = set(in_finished.folder.iterdir())
    with pytest.raises(InputError, match=said):
        export.main(arguments)
    assert set(in_finished.folder.iterdir()) == before


def test_another_file_is_no_control_vector(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not readable as GGUF"):
        export.read_gguf(tmp_path / "x.gguf")


def test_croissant_describes_every_table_and_column(in_finished):
    found = json.loads(json.dumps(card.croissant(in_finished.folder)))
    sets = {s["name"]: [f["name"] for f in s["field"]] for s in found["recordSet"]}
    for name, columns in sets.items():
        assert columns == opening.table(name).columns
    files = {f["name"] for f in found["distribution"]}
    assert {"vectors", "gram", *(f"{name}.parquet" for name in sets if name != "choices"), "choices-parts"} <= files
    assert set(sets) == set(TABLES)
    known = {f["@id"]: f for f in found["distribution"]}
    for field in (f for s in found["recordSet"] for f in s["field"]):
        ((kind, file),) = ((k, v["@id"]) for k, v in field["source"].items() if k != "extract")
        assert known[file]["@type"] == {"fileObject": "cr:FileObject", "fileSet": "cr:FileSet"}[kind]
    assert list(in_finished.folder.glob(known["choices-parts"]["includes"]))
    assert found["citeAs"]
