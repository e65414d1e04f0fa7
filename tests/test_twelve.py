"""The paper profile under its own names: twelve tiny models of its six architectures in a local hub cache, at the revisions of
`data/models/`, through every stage. Sizes alone differ from a true run. Both Gemmas overflow fp16, as a published one did."""

import re
import shutil
from functools import cache

import numpy as np
import polars as pl
import pytest
import torch
from huggingface_hub import constants
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from analysis.grid import geometry
from analysis.readers.overflow import of_readers
from benchmarks.gpu.tiny import SIZE, trained_tokenizer
from pipeline import opening
from pipeline.models import hub
from pipeline.models.entries import load_entries, load_entry
from pipeline.params.whole import Params
from pipeline.schemas.geometry import LAYERS
from pipeline.store import chosen_layers, provenance, tables
from pipeline.texts import stimuli
from tests.conftest import CONCLUDE, FAMILIES, ROOT, Project, stories, write_yaml

PAPER = YAML(typ="safe").load((ROOT / "profiles/paper.yaml").read_text())
TWELVE, PRECISIONS = PAPER["read"]["models"], PAPER["read"]["precisions"]
PARTLY, WHOLLY = "gemma-3-1b-pt", "gemma-3-1b-it"
"""A Gemma some of whose texts overflow fp16, and one that overflows on every text and so can write none."""
LAYER = 2  # of 0-3: whose output is too large
STAGES = ["read", "write", "vectors", "geometry", "steer", "ask", *CONCLUDE[1:]]


def snapshot_of(entry, folder):
    return folder / f"hub/models--{entry.hub.id.replace('/', '--')}/snapshots/{entry.hub.revision}"


def save_tiny(entry, seed, snapshot):
    """A tiny model of an entry's family where the hub's cache keeps that entry's revision."""
    config, begins_with_bos = FAMILIES[entry.family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config()).save_pretrained(snapshot)
    tokenizer = trained_tokenizer(begins_with_bos, [s["text"] for s in stories()])
    if entry.tuning == "base":
        tokenizer.chat_template = None  # as base models come
    tokenizer.save_pretrained(snapshot)


def grow(snapshot, scale):
    """Let one block add states of about `scale`: beyond fp16, within bf16."""
    weights = load_file(snapshot / "model.safetensors")
    name = f"model.layers.{LAYER}.post_feedforward_layernorm.weight"
    weights[name] = torch.full_like(weights[name], scale)
    save_file(weights, snapshot / "model.safetensors", metadata={"format": "pt"})


def small(params):
    """The profile with fewer and shorter texts and fewer draws; of the settings those that need one another."""
    params["read"]["device"] = "cpu"
    params["varied"] = params["varied"][:1]
    for reading in params["readings"].values():
        reading["positions"] = ["last", "middle", "mean50", "mean0"]
    for setting in params["write"]["settings"].values():
        setting |= {"max_new_tokens": 5, "samples": 1}
    params["write"]["fewest_tokens"] = 1
    kept = [("matched", p) for p in PRECISIONS] + [("reliable", "bf16")]
    params["writings"] = [{"setting": s, "precision": p} for s, p in kept]
    read = [(s, p, p) for s, p in kept] + [("matched", "fp16", "int8")]
    params["writings_read"] = [{"setting": s, "written": w, "read": r, "contexts": "both"} for s, w, r in read]
    params["geometry"] |= {"halvings": 6, "positions": ["mean50"]}
    params["rsa"] |= {"depths": [], "bootstrap": 10, "permutations": 19, "shuffles": 19}
    params["human"] |= {"bootstrap": 10}
    params["shared"] |= {"halvings": 4, "subsets": 2, "orders": 3}
    params["corpus"] |= {"draws": 10}
    params["steering"] |= {"models": ["qwen2.5-1.5b", PARTLY], "max_new_tokens": 4}
    params["steering"]["paper"] |= {"position": "mean50", "strengths": [0.05], "scenarios": {"aggressive": "calm"}}
    params["steering"]["ours"] |= {"emotions": ["calm"], "strengths": [0.2], "random": 1}
    params["behaviour"] |= {"models": ["qwen2.5-1.5b-instruct", WHOLLY], "answer_tokens": 2, "task_tokens": 4}
    return params


@pytest.fixture(scope="module")
def twelve(tmp_path_factory, model_folders):
    """The paper profile in a project of its own, run through every stage. Read only."""
    folder = tmp_path_factory.mktemp("twelve")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(provenance, "sources", cache(provenance.sources))  # the code does not change while this runs
        project = Project(folder, model_folders)
        project.params = small(YAML(typ="safe").load((ROOT / "profiles/paper.yaml").read_text()))
        project.save()
        project.few_items()
        passages = [
            s for s in stories() if s["emotion"] in project.emotions and s["topic"] in ("supper", "phone_call", "night_bus")
        ]
        (folder / "data/fetched").mkdir()
        frame = pl.DataFrame(passages).select("emotion", pl.col("topic").alias("passage"), "text")
        frame.write_csv(folder / "data/fetched/published.csv")
        shutil.rmtree(folder / "data/models")
        for seed, name in enumerate([*TWELVE, *project.params["read_untrained"]["models"]]):
            entry = load_entry(name, ROOT / "data/models")
            own = YAML(typ="safe").load((ROOT / f"data/models/{name}.yaml").read_text())
            own["shape"] = {"layers": 4, "hidden": SIZE["hidden_size"], "vocabulary": SIZE["vocab_size"]}
            if entry.untrained:
                own["seeds"] = entry.seeds[:2]  # its source is in the cache already
            else:
                save_tiny(entry, seed, snapshot_of(entry, folder))
            write_yaml(folder / f"data/models/{name}.yaml", own)
        grow(snapshot_of(load_entry(PARTLY), folder), 1.65e4)
        grow(snapshot_of(load_entry(WHOLLY), folder), 1e6)
        assert hub.missing(entry.hub for entry in load_entries(Params.load()).values()) == []
        project.run(*STAGES)
    return project


@pytest.fixture
def in_twelve(twelve, monkeypatch):
    monkeypatch.chdir(twelve.folder)
    return twelve


def test_every_model_stands_in_the_tables_at_every_precision(in_twelve):
    everyone = {(m, p) for m in TWELVE for p in PRECISIONS}
    for name in ("geometry", "layers"):
        own = opening.table(name).filter(pl.col("model").is_in(TWELVE) & pl.col("setting").is_in(["stories"]))
        assert set(own.select("model", "precision").iter_rows()) == everyone
    pairs = opening.table("pairs").filter(setting_a="stories", setting_b="stories")
    for side in "ab":
        sides = set(pairs.select(f"model_{side}", f"precision_{side}").iter_rows())
        assert len(everyone - sides) <= 1  # one reader is the first of all its pairs, one the last
    assert set(opening.table("writings")["model"]) == set(PAPER["write"]["models"])
    assert set(opening.vectors().children) == set(Params.load().models)
    assert set(opening.table("lineages").filter(estimator="rho_same")["n_lineages"]) == {5}


def beside_fp16(name, folder):
    """Of every story of an emotion the largest entry of its own tokens' states after the large block, over the largest number
    of fp16; by transformers in float32."""
    snapshot = snapshot_of(load_entry(name), folder)
    model = AutoModelForCausalLM.from_pretrained(snapshot, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    texts = stimuli.load(Params.load().readings["stories"]).filter(pl.col("emotion") != "neutral")["text"].to_list()
    with torch.inference_mode():
        passes = [model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True) for text in texts]
    largest = np.array([p.hidden_states[LAYER + 1][0, 1:].abs().max() for p in passes])
    return largest / torch.finfo(torch.float16).max


def test_an_overflow_is_recorded_with_its_first_bad_layer_and_its_share_of_stories(in_twelve):
    bad = of_readers(opening.table("geometry").filter(setting="stories")).filter(pl.col("n_bad_layers") > 0)
    # bf16 holds all, and their entries say that LLM.int8 computes in it
    assert set(bad.select("model", "precision").iter_rows()) == {(m, "fp16") for m in (PARTLY, WHOLLY)}
    assert set(bad["first_bad_layer"]) == {LAYER}
    own = bad.filter(precision="fp16")
    assert own.filter(model=WHOLLY)["share_bad_stimuli"].item() == 1
    truth = beside_fp16(PARTLY, in_twelve.folder)
    assert 0 < (truth > 1).mean() < 1
    partly = own.filter(model=PARTLY).row(0, named=True)
    # at the next layer every later token of such a text is lost; at the first, those beyond the range alone. A text at the very
    # edge goes either way by how fp16 rounds what comes before
    assert (truth > 1.01).mean() <= partly["share_bad_stimuli"] <= (truth > 0.99).mean() < 1
    assert 0 < partly["share_bad_at_first"] <= partly["share_bad_stimuli"]


def test_rows_at_a_bad_layer_are_null_with_a_reason_and_all_others_are_whole(in_twelve):
    table = opening.table("geometry").filter(pl.col("precision").is_not_null(), variant="centred", setting="stories")
    overflows = pl.col("model").is_in([PARTLY, WHOLLY]) & (pl.col("precision") == "fp16")
    bad = overflows & (pl.col("layer") >= LAYER)
    assert table.filter(bad).height == 2 * 2
    assert table.filter(bad)["rdm_std"].is_null().all()
    assert table.filter(bad)["reason"].str.contains("not finite in").all()
    assert table.filter(~bad)["rdm_std"].is_not_null().all()
    chosen = opening.table("layers").filter(overflows, layer_rule="best_layer_cv", setting="stories")
    assert chosen["layer"].is_not_null().all()
    assert chosen["layer"].max() < LAYER  # what is whole is compared


def test_what_a_model_cannot_write_is_recorded_and_its_rows_are_null_with_a_reason(in_twelve):
    assert set(opening.writing(WHOLLY, "fp16", "matched")["left_out"]) == {"states not finite"}
    rows = opening.table("writings").filter(model=WHOLLY, written="fp16")
    assert rows.height > 0
    assert set(rows["n_texts"]) == {0}
    assert rows["reliability"].is_null().all()
    assert rows["reason"].is_not_null().all()
    shares = opening.table("confounds").filter(model=WHOLLY, experiment_b="matched")
    assert shares["share"].is_null().all()
    assert shares["reason"].is_not_null().all()
    assert opening.vectors()[WHOLLY]["matched"]["precision"].values.tolist() == ["bf16", "int8"]
    others = opening.table("writings").filter(pl.col("model") != WHOLLY, setting="matched")
    assert others["n_texts"].min() > 0


def test_other_models_have_the_same_rows_without_those_that_overflow(in_twelve, monkeypatch):
    params = YAML(typ="safe").load((in_twelve.folder / "params.yaml").read_text())
    for section in ("read", "write", "steering", "behaviour"):
        params[section]["models"] = [m for m in params[section]["models"] if m not in (PARTLY, WHOLLY)]
    made = {}
    monkeypatch.setattr(geometry.ReaderSections, "load", classmethod(lambda cls: cls.model_validate(params)))
    monkeypatch.setattr(tables, "write_table", lambda table, rows: made.setdefault(table.name, tables.assembled(table, rows)))
    monkeypatch.setattr(chosen_layers, "write", lambda rows: made.setdefault("layers", tables.assembled(LAYERS, rows)))
    geometry.main([])
    assert set(made) == {"geometry", "layers"}
    for name, table in made.items():
        assert table.equals(opening.table(name).filter(~pl.col("model").is_in([PARTLY, WHOLLY])))


def test_the_report_names_every_model(in_twelve):
    page = (in_twelve.folder / "data/report/index.html").read_text()
    assert all(model in page for model in TWELVE)
    page = re.sub(r"</?a\b[^>]*>", "", page)  # words of the glossary are links
    assert f"{WHOLLY} fp16: not finite from layer {LAYER} on, in 24 of 24 stories" in page
