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


def test_a_dataset_folder_has_a_config_for_each_table_with_rows(in_finished, tmp_path, capsys):
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
    assert not {"license", "language"} & {*head}  # of stories and models that are not this study's
    for model in ("tiny-llama-3.2", "tiny-qwen2.5"):
        assert f"\n| `{model}` | unstated |\n" in text
    said = capsys.readouterr().out
    assert said.endswith("; not known here, so add before you publish: license, language\n")
    assert "datasets.load_dataset(" in said
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


def test_the_card_says_what_it_wrote_and_what_it_left_out(in_finished, tmp_path, monkeypatch, capsys):
    for name in ("params.yaml", "data"):
        (tmp_path / name).symlink_to(in_finished.folder / name)
    monkeypatch.setattr(card, "home", lambda: tmp_path)
    card.main([])
    said, path = capsys.readouterr().out, tmp_path / "croissant.json"
    left = "license, url, inLanguage, version, datePublished"
    tables = f"{len(TABLES)} tables, in Croissant 1.0"
    assert said == f"{path}: {tables}; not known here, so add before you publish: {left}\n"
    found = json.loads(path.read_text())
    assert found == card.croissant(tmp_path)
    assert not {*left.split(", ")} & {*found}


def test_without_a_table_there_is_no_description(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "home", lambda: tmp_path)
    with pytest.raises(InputError, match="data/tables: not there"):
        card.main([])
    assert not list(tmp_path.iterdir())


def refused(arguments, said):
    with pytest.raises(InputError, match=said) as caught:
        export.main(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mine.npz", "mine"])
def test_a_folder_in_the_place_of_a_file_stays_with_all_in_it(in_finished, tmp_path, name):
    kept = tmp_path / name / "thesis.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    refused(["npz", MODEL, str(kept.parent)], f"{name}: is a folder, whose files would be lost; give a name that is not there")
    taken = tmp_path / f"{MODEL}-calm.gguf"
    taken.mkdir()
    refused(["gguf", MODEL, "calm", str(tmp_path)], "calm.gguf: is a folder")
    assert kept.read_text() == "mine"
    assert {*tmp_path.iterdir()} == {kept.parent, taken}


@pytest.mark.parametrize(("given", "made"), [("V.NPZ", "V.NPZ"), ("v", "v.npz"), ("v.npz", "v.npz"), ("~/v.npz", "v.npz")])
def test_an_export_lies_where_it_says(in_finished, tmp_path, monkeypatch, capsys, given, made):
    monkeypatch.setenv("HOME", str(tmp_path))
    export.main(["npz", MODEL, given if given.startswith("~") else str(tmp_path / given)])
    assert [p.name for p in tmp_path.iterdir()] == [made]
    assert str(tmp_path / made) in capsys.readouterr().out
    with np.load(tmp_path / made) as found:
        assert found.files


def test_no_place_within_data_is_taken(in_finished):
    for place in ("data/vectors.zarr/v.npz", "data/../data/tables/v.npz"):
        refused(["npz", MODEL, place], f"{place}: data/ is for what the pipeline makes")
    refused(["huggingface", "data/vectors.zarr/dataset"], "data/ is for what the pipeline makes")


def test_a_place_that_cannot_be_written_is_one_line(in_finished, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    refused(["gguf", MODEL, "calm", str(file)], f"{MODEL}-calm.gguf: cannot be written .*; give another place")
    refused(["npz", MODEL, str(file / "below/v.npz")], "v.npz: cannot be written .*; give another place")
    refused(["npz", MODEL, "/proc/x/v.npz"], "/proc/x/v.npz: cannot be written .*; give another place")
    refused(["npz", MODEL, str(tmp_path / f"{'x' * 300}.npz")], r"cannot be written \(File name too long\)")
    refused(["huggingface", "/proc/dataset"], "/proc/dataset: cannot be written .*; give another place")
    assert file.read_text() == "mine"


def test_labels_with_a_slash_name_a_file_each(in_finished, tmp_path, monkeypatch):
    found = export.headline(MODEL)
    labels = {"calm": "calm/quiet", "happy": "calm_quiet", "sad": "calm%2Fquiet"}
    found = found.assign_coords(emotion=[labels.get(e, e) for e in found["emotion"].values.tolist()])
    monkeypatch.setattr(export, "headline", lambda model: found)
    for label in labels.values():
        export.main(["gguf", MODEL, label, str(tmp_path)])
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{MODEL}-{n}.gguf" for n in ("calm%2Fquiet", "calm_quiet", "calm%252Fquiet")
    }


def test_a_position_that_the_vectors_do_not_have_is_one_line(in_finished, tmp_path, monkeypatch):
    params = (in_finished.folder / "params.yaml").read_text().replace("position: mean50", "position: mean51")
    (tmp_path / "params.yaml").write_text(params)
    vectors = opening.vectors_of(MODEL)
    monkeypatch.setattr(opening, "vectors_of", lambda model, root: vectors)
    with pytest.raises(InputError, match=r"no position .*params.yaml.* 'mean51'; did you mean 'mean50'\?"):
        export.headline(MODEL, root=tmp_path)


def test_a_model_without_a_finite_layer_is_no_empty_file(in_finished, tmp_path, monkeypatch):
    dataset = opening.vectors_of(MODEL).load()
    dataset["finite"][:] = False
    monkeypatch.setattr(opening, "vectors_of", lambda model, root: dataset)
    for arguments in (["npz", MODEL, str(tmp_path / "v.npz")], ["gguf", MODEL, "calm", str(tmp_path)]):
        refused(arguments, f"'{MODEL}': at no layer is every state finite at fp32; read it at another of read.precisions")
    assert not list(tmp_path.iterdir())
