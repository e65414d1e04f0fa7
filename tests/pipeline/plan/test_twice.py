"""Two entries that are one model, or one family, are named."""

import shutil

import pytest

from pipeline.errors import InputError
from pipeline.models.entries import MODELS, load_entries, load_entry
from pipeline.params.whole import Params
from pipeline.plan import twice
from tests.conftest import ROOT, write_yaml

A, B = "tiny-llama-3.2", "tiny-qwen2.5"
SHAPE = {"layers": 4, "hidden": 64, "vocabulary": 600}
HUB = {"id": "org/model", "revision": "a" * 40}
GGUF = {"file": "a.gguf", "sha256": "b" * 64}


def checked():
    twice.check(load_entries(Params.load()))


@pytest.mark.parametrize(
    "sources",
    [
        [{"hub": HUB}, {"hub": HUB | {"id": "Org/Model"}}],
        [{"gguf": GGUF}, {"gguf": GGUF | {"file": "b.gguf"}}],
        [{"folder": {"path": "a", "sha256": "c" * 64}}, {"folder": {"path": "b", "sha256": "c" * 64}}],
    ],
)
def test_the_same_weights_under_two_names_are_named(project, sources):
    for name, source in zip((A, B), sources, strict=True):
        project.entry(name, name.removeprefix("tiny-"), **{"folder": None, "shape": SHAPE} | source)
    with pytest.raises(InputError, match=r"^data/models/tiny-qwen2.5.yaml: its weights are those of data/models/tiny-l"):
        checked()


def test_a_copy_of_a_folder_is_named_and_another_model_is_not(project):
    checked()
    copied = shutil.copytree(project.models["llama-3.2"], project.folder / "copy")
    project.entry(B, "qwen2.5", folder={"path": str(copied)})
    with pytest.raises(InputError, match="one model would count as two; take one out of read.models"):
        checked()


def test_a_twin_of_a_model_that_is_read_is_another_model(project):
    project.entry("tiny-untrained", "llama-3.2", seeds=[0, 1])
    checked()


@pytest.mark.parametrize(("key", "said"), [("family", "Qwen2.5"), ("lineage", "qwen 2.5"), ("lineage", "qwen2.5")])
def test_one_family_in_two_spellings_is_named(project, key, said):
    path = project.folder / "data/models/tiny-untrained.yaml"
    write_yaml(path, load_entry("tiny-untrained").model_dump(mode="json", exclude_none=True) | {key: said})
    if said == "qwen2.5":
        checked()
        return
    with pytest.raises(InputError, match=f"tiny-untrained.yaml: {key} '{said}' and 'qwen2.5' of data/models/tiny-qwen2.5.yaml"):
        checked()


def test_the_entries_of_this_repository_are_all_different(monkeypatch):
    monkeypatch.chdir(ROOT)
    twice.check({path.stem: load_entry(path.stem) for path in MODELS.glob("*.yaml")})
