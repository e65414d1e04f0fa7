"""Loading: the right weights or a clear error. The hub is a real HTTP server on loopback that speaks the hub's protocol."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import InputError
from pipeline.models import hub as hub_module
from pipeline.models import loading
from pipeline.models.entries import Folder, Hub, ModelEntry, load_entry
from pipeline.params.reading import Position
from pipeline.reading import residual
from tests.conftest import FAMILIES, ROOT

CPU = torch.device("cpu")
IDS = [[5, 17, 300, 42, 8, 99]]
REVISION = "0123456789abcdef0123456789abcdef01234567"


def entry(family="llama-3.2", **source):
    return ModelEntry(family=family, lineage="l", tuning="base", bos=FAMILIES[family][1], parameters=1e5, **source)


def states(model):
    return residual.read_batch(model.body, IDS, [Position(rule="mean")], skip=0)[0][0, 0].astype(np.float64)


def lowest_cosine(a, b):
    return float(((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)).min())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_every_family_loads_without_its_head(family, model_folders):
    model = loading.load("m", entry(family, folder={"path": model_folders[family]}), "fp32", CPU)
    assert not hasattr(model.body, "lm_head")
    whole = AutoModelForCausalLM.from_pretrained(model_folders[family], dtype=torch.float32)
    theirs = whole.get_input_embeddings().weight
    assert torch.equal(model.body.get_input_embeddings().weight, theirs)
    assert model.attributes["weights"] == "float32"


@pytest.mark.parametrize(
    ("precision", "lowest", "highest"),
    [("fp16", 0.99999, 1), ("bf16", 0.999, 1 - 1e-9), ("int8", 0.98, 1 - 1e-7), ("nf4", 0.8, 0.9999)],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_precision_really_is_one(family, precision, lowest, highest, model_folders):
    source = entry(family, folder={"path": model_folders[family]})
    exact = states(loading.load("m", source, "fp32", CPU))
    model = loading.load("m", source, precision, CPU)
    kinds = [type(m).__name__ for m in model.body.modules()]
    quantised = {"int8": "TextwiseInt8", "nf4": "Linear4bit"}.get(precision)
    if quantised:
        assert kinds.count(quantised) == 7 * 4
        assert "Linear" not in kinds
    else:
        assert {p.dtype for p in model.body.parameters()} == {loading.dtype_of(precision, source)}
    assert lowest < lowest_cosine(exact, states(model)) <= highest


@pytest.mark.parametrize(("precision", "kind", "nearest"), [("int8", "TextwiseInt8", 0.98), ("nf4", "Linear4bit", 0.98)])
def test_a_quantised_model_computes_in_what_its_entry_says(precision, kind, nearest, model_folders):
    """Where both dtypes hold a model's states, its readings differ by their rounding alone; weights are quantised alike."""
    plain = entry("gemma-3", folder={"path": model_folders["gemma-3"]})
    wide = plain.model_copy(update={"compute_dtype": "bf16"})
    exact = states(loading.load("m", plain, "fp32", CPU))
    by_dtype = {own.compute_dtype: loading.load("m", own, precision, CPU) for own in (plain, wide)}
    assert [m.attributes["compute_dtype"] for m in by_dtype.values()] == ["float16", "bfloat16"]
    for model, dtype in zip(by_dtype.values(), (torch.float16, torch.bfloat16), strict=True):
        assert [type(m).__name__ for m in model.body.modules()].count(kind) == 7 * 4
        assert {p.dtype for p in model.body.parameters() if p.is_floating_point()} == {dtype}
    narrow, wide_ = (states(m) for m in by_dtype.values())
    assert nearest < lowest_cosine(narrow, wide_) < 1
    assert abs(lowest_cosine(exact, narrow) - lowest_cosine(exact, wide_)) < 0.02
    other = loading.load("m", wide, "fp16", CPU)
    assert other.attributes["compute_dtype"] == "float16"  # what is not quantised computes in its precision


def test_a_quantised_model_that_fp16_does_not_hold_is_finite_where_its_entry_says_bf16(model_folders, tmp_path):
    from safetensors.torch import load_file, save_file

    def grow(folder):
        weights = load_file(folder / "model.safetensors")
        name = "model.layers.2.post_feedforward_layernorm.weight"
        save_file(weights | {name: torch.full_like(weights[name], 1e6)}, folder / "model.safetensors", {"format": "pt"})

    folder = tmp_path / "grown"
    shutil.copytree(model_folders["gemma-3"], folder)
    grow(folder)
    plain = entry("gemma-3", folder={"path": folder})
    finite = {}
    for dtype, precision in ((d, p) for d in ("fp16", "bf16") for p in ("int8", "nf4", "fp16")):
        model = loading.load("m", plain.model_copy(update={"compute_dtype": dtype}), precision, CPU)
        finite[dtype, precision] = np.isfinite(states(model)).all(axis=-1).tolist()
    first_two, all_four = [True, True, False, False], [True] * 4
    assert finite == {
        ("fp16", "int8"): first_two,
        ("fp16", "nf4"): first_two,
        ("fp16", "fp16"): first_two,
        ("bf16", "int8"): all_four,
        ("bf16", "nf4"): all_four,
        ("bf16", "fp16"): first_two,
    }


def test_a_twin_has_the_architecture_and_a_seed_has_its_weights(model_folders):
    twin = entry(folder={"path": model_folders["llama-3.2"]}, seeds=[0, 1])
    before = torch.random.get_rng_state()
    first = loading.load("m", twin, "fp32", CPU, 0)
    again, other = (loading.load("m", twin, "fp32", CPU, seed, tokenizer=first.tokenizer) for seed in (0, 1))
    assert again.tokenizer is other.tokenizer is first.tokenizer
    assert torch.equal(torch.random.get_rng_state(), before)  # no global random state
    assert np.array_equal(states(first), states(again))
    assert not np.allclose(states(first), states(other))
    shapes = {k: v.shape for k, v in first.body.state_dict().items()}
    trained = loading.load("m", entry(folder={"path": model_folders["llama-3.2"]}), "fp32", CPU)
    assert shapes == {k: v.shape for k, v in trained.body.state_dict().items()}


@pytest.mark.real
def test_the_bundled_gguf_is_the_real_model_and_its_copy_is_made_once(real_folder):
    made = (real_folder / "gguf.json").stat().st_mtime_ns
    entry_ = load_entry("smollm2-135m-instruct", ROOT / "data/models")
    entry_ = entry_.model_copy(update={"gguf": None, "folder": Folder(path=real_folder)})
    model = loading.load("smollm2-135m-instruct", entry_, "fp32", CPU)
    assert model.attributes["weights"].startswith("Q4_1")
    whole = AutoModelForCausalLM.from_pretrained(real_folder, dtype=torch.float32)
    ids = model.tokenizer("The capital of France is", return_tensors="pt").input_ids
    assert "Paris" in model.tokenizer.decode(whole.generate(ids, max_new_tokens=4, do_sample=False)[0])
    assert (real_folder / "gguf.json").stat().st_mtime_ns == made


# --- what is broken is refused, in one line ----------------------------------------------------------------------------


def broken(model_folders, tmp_path, change):
    folder = tmp_path / "broken"
    shutil.copytree(model_folders["llama-3.2"], folder)
    change(folder)
    return entry(folder={"path": folder})


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def forget_a_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def edit_config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncate, "cannot load the model from .*broken"),
        (forget_a_weight, r"lacks weights of the model \(missing_keys: 1, first layers.1.mlp.up_proj.weight\)"),
        (edit_config(hidden_size=32), "cannot load the model|lacks weights"),
        (edit_config(transformers_version="99.1.0"), "written by transformers 99.1.0; .* would misread it"),
        (edit_config(model_type="nonsense"), "cannot load the model from"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot load the model from"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot load the model from"),
    ],
)
def test_a_broken_model_is_refused(change, message, model_folders, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        loading.load("m", broken(model_folders, tmp_path, change), "fp32", CPU)
    assert str(caught.value).startswith("data/models/m.yaml: ")
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_not_opened(model_folders, tmp_path):
    def pickle_them(folder):
        from safetensors.torch import load_file

        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    with pytest.raises(InputError, match="cannot load the model"):
        loading.load("m", broken(model_folders, tmp_path, pickle_them), "fp32", CPU)


def test_a_bos_habit_other_than_declared_is_refused(model_folders):
    wrong = entry(folder={"path": model_folders["llama-3.2"]}).model_copy(update={"bos": False})
    with pytest.raises(InputError, match="bos: false, but its tokenizer adds BOS"):
        loading.load("m", wrong, "fp32", CPU)


@pytest.mark.parametrize(
    ("single", "named"), [("[GM] <sop> $A", r"\[GM\], <sop>"), ("<s> [GM] $A", r"\[GM\]"), ("<s> <s> $A", None)]
)
def test_what_begins_every_text_and_is_no_bos_is_refused(model_folders, single, named):
    """As GLM-4's; a BOS that comes twice is made one."""
    own = entry(folder={"path": model_folders["llama-3.2"]})
    tokenizer = AutoTokenizer.from_pretrained(model_folders["llama-3.2"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["[GM]", "<sop>"]})
    known = [(t, tokenizer.convert_tokens_to_ids(t)) for t in ("[GM]", "<sop>", "<s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=known)
    if named is None:
        loading._bos_is_as_declared(tokenizer, own, "m.yaml")
        return
    with pytest.raises(InputError, match=rf"m.yaml: its tokenizer begins every text with {named}, which is no BOS"):
        loading._bos_is_as_declared(tokenizer, own, "m.yaml")


def test_missing_sources_are_named(tmp_path):
    with pytest.raises(InputError, match=r"folder.path: .*nowhere is not a folder"):
        loading.load("m", entry(folder={"path": tmp_path / "nowhere"}), "fp32", CPU)


def test_another_gguf_file_than_meant_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(InputError, match=r"gguf.sha256: x.gguf has [0-9a-f]{64}; it is another file"):
        loading.load("m", entry(gguf={"file": "x.gguf", "sha256": "0" * 64}), "fp32", CPU)
    digest = hashlib.sha256(b"GGUF but not really").hexdigest()
    with pytest.raises(InputError, match="cannot read the GGUF file x.gguf"):
        loading.load("m", entry(gguf={"file": "x.gguf", "sha256": digest}), "fp32", CPU)
    assert not any(p.is_dir() and list(p.iterdir()) for p in Path(".scratch").glob("*"))


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert loading.pick_device("auto") == CPU
    with pytest.raises(InputError, match="read.device: cuda, but torch sees no CUDA device"):
        loading.pick_device("cuda")


# --- the hub -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(model_folders, tmp_path, monkeypatch):
    """A hub on loopback: `tiny/llama` is public, `tiny/gated` is gated, nothing else exists."""
    folder = model_folders["llama-3.2"]

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            parts = self.path.split("?")[0].strip("/").split("/")
            api = parts[0] == "api"
            repo = "/".join(parts[2:4] if api else parts[:2])
            revision = parts[5] if api else parts[3]
            if repo == "tiny/gated":
                return self.error(403, "GatedRepo")
            if repo != "tiny/llama":
                return self.error(404, "RepoNotFound")
            if revision != REVISION:
                return self.error(404, "RevisionNotFound")
            if api:
                files = sorted(folder.iterdir())
                data: object = {"id": repo, "sha": REVISION, "siblings": [{"rfilename": p.name} for p in files]}
                if parts[4] == "tree":
                    data = [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": "0" * 40} for p in files]
                data = json.dumps(data).encode()
                return self.send(data, {"Content-Type": "application/json"}, body)
            path = folder / parts[4]
            if not path.exists():
                return self.error(404, "EntryNotFound")
            data = path.read_bytes()
            return self.send(data, {"ETag": hashlib.sha256(data).hexdigest(), "X-Repo-Commit": REVISION}, body)

        def send(self, data, headers, body):
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def error(self, status, code):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    from huggingface_hub import constants, snapshot_download

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")

    def fetch(repo_id, **options):
        return snapshot_download(repo_id, endpoint=endpoint, cache_dir=tmp_path / "hub", **options)

    monkeypatch.setattr(hub_module, "snapshot_download", fetch)
    yield server
    server.shutdown()
    server.server_close()


def test_a_hub_model_at_its_revision_reads_like_its_folder(hub, model_folders):
    fetched = loading.load("m", entry(hub={"id": "tiny/llama", "revision": REVISION}), "fp32", CPU)
    local = loading.load("m", entry(folder={"path": model_folders["llama-3.2"]}), "fp32", CPU)
    assert np.array_equal(states(fetched), states(local))
    for digest in ("weights_sha256", "config_sha256"):
        assert fetched.attributes[digest] == local.attributes[digest]
    assert fetched.attributes["source"] == f"hub tiny/llama at {REVISION}"


@pytest.mark.parametrize(
    ("id_", "revision", "message"),
    [
        ("tiny/gated", REVISION, "tiny/gated is gated: ask for access .* set HF_TOKEN"),
        ("tiny/none", REVISION, "the hub has no model tiny/none"),
        ("tiny/llama", "f" * 40, "tiny/llama has no revision ffff"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(hub, id_, revision, message):
    with pytest.raises(InputError, match=message):
        loading.load("m", entry(hub={"id": id_, "revision": revision}), "fp32", CPU)


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # it tries five times, ever later
    hub.shutdown()
    hub.server_close()
    with pytest.raises(InputError, match="not in the local cache and the hub cannot be reached|could not be fetched"):
        loading.load("m", entry(hub={"id": "tiny/llama", "revision": REVISION}), "fp32", CPU)


def test_of_a_model_of_the_hub_the_config_alone_is_fetched_and_once(hub, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    known = Hub(id="tiny/llama", revision=REVISION)
    folder = hub_module.config_folder(known)
    assert [p.name for p in folder.iterdir()] == ["config.json"]
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert hub_module.config_folder(Hub(id="tiny/gated", revision="1" * 40)) is None
    hub.shutdown()
    hub.server_close()
    assert hub_module.config_folder(known) == folder
    assert hub_module.config_folder(Hub(id="tiny/llama", revision="2" * 40)) is None
