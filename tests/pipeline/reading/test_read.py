import os
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from pipeline import opening
from pipeline.errors import InputError
from pipeline.models import loading
from pipeline.models.entries import Folder, load_entry
from pipeline.params.whole import Params
from pipeline.reading import read, residual
from pipeline.reading.batches import BatchPlan
from pipeline.store import layout
from pipeline.texts import stimuli
from tests.conftest import CONCLUDE, ROOT, stories


@given(st.lists(st.integers(1, 200), min_size=1, max_size=50), st.integers(1, 400), st.integers(1, 8))
def test_batches_hold_every_text_once_and_keep_their_limits(lengths, tokens, texts):
    batches = BatchPlan(tokens, texts).batches(lengths)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= texts
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens


def test_a_reading_holds_the_pooled_states_of_every_story_in_file_order(in_finished):
    frame = stimuli.load(Params.load().readings["stories"])
    found = opening.activations("tiny-llama-3.2", "fp32", "stories")
    assert found["stimulus"].values.tolist() == frame["id"].to_list()
    assert found["emotion"].values.tolist() == frame["emotion"].to_list()
    folder = in_finished.models["llama-3.2"]
    body = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row in (0, 7, 29):
        ids = tokenizer(frame["text"][row]).input_ids  # with BOS, as the family does
        with torch.inference_mode():
            states = body(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        for layer in range(3):
            here = found["activation"].sel(layer=layer).isel(stimulus=row)
            true = states[layer + 1][0].numpy().astype(np.float64)
            assert np.allclose(here.sel(position="last"), true[-1], rtol=1e-4, atol=1e-5)
            assert np.allclose(here.sel(position="mean50"), true[1 + 50 :].mean(0), rtol=1e-4, atol=1e-5)
        assert found["n_tokens"].values[row] == len(ids) - 1


def test_attributes_say_what_was_read_and_how(in_finished):
    attributes = opening.activations("tiny-llama-3.2", "fp32", "stories").attrs
    assert attributes["layer"] == residual.LAYER_IN_WORDS
    assert attributes["bos"].startswith("prepended (native)")
    assert attributes["batch_plan"].startswith("sorted by length")
    assert attributes["not_finite"] == ""
    assert opening.activations("tiny-qwen2.5", "fp32", "stories").attrs["bos"].startswith("none (native)")


def test_an_untrained_twin_has_one_draw_per_seed(in_finished):
    found = opening.activations("tiny-untrained", "fp32", "stories")
    assert found["activation"].dims == ("seed", *layout.ACTIVATION_DIMS)
    assert found["seed"].values.tolist() == [0, 1]
    assert not np.allclose(found["activation"].sel(seed=0), found["activation"].sel(seed=1))


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_reading_twice_gives_the_same_bytes(project):
    path = layout.activations_path("tiny-llama-3.2", "fp16", "stories")
    once, twice = [], []
    for bytes_ in (once, twice):
        read.main(["tiny-llama-3.2", "fp16", "stories"])
        bytes_.append(files_of(path))
    assert once == twice


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_a_quantised_story_does_not_depend_on_the_others(precision, project):
    project.params |= {"read": project.params["read"] | {"precisions": [precision]}, "varied": []}
    project.save()
    read.main(["tiny-llama-3.2", precision, "stories"])
    all_ = opening.activations("tiny-llama-3.2", precision, "stories")
    rows = [s for s in stories() if s["emotion"] in project.emotions][3:12:4]
    project.write_csv("stories.csv", rows)
    read.main(["tiny-llama-3.2", precision, "stories"])
    few = opening.activations("tiny-llama-3.2", precision, "stories")
    assert few.attrs["batch_plan"] == "one text at a time"
    assert np.array_equal(few["activation"], all_["activation"].sel(stimulus=few["stimulus"]))


@pytest.mark.real
def test_int8_of_the_real_model_is_close_to_fp32_and_is_not_fp32(real_folder):
    source = load_entry("smollm2-135m-instruct", ROOT / "data/models")
    source = source.model_copy(update={"gguf": None, "folder": Folder(path=real_folder)})
    text = stories()[0]["text"]
    read_ = {}
    for precision in ("fp32", "int8"):
        model = loading.load("m", source, precision, torch.device("cpu"))
        ids, bos = residual.tokenise([text], model.tokenizer, False, "native")
        states, *_ = residual.read_batch(model.body, ids, [Params.load(ROOT / "params.yaml").positions["mean50"]], bos)
        read_[precision] = states[0, 0].astype(np.float64)
    a, b = read_["fp32"], read_["int8"]
    cosines = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    assert 0.98 < cosines.min() < 0.99999


def stopping_after(n_batches):
    """`residual.read_batch` that is interrupted once it has read so many batches."""
    true_read, done = residual.read_batch, []

    def read_batch(*arguments):
        if len(done) == n_batches:
            raise KeyboardInterrupt
        done.append(1)
        return true_read(*arguments)

    return read_batch


def test_a_stopped_reading_goes_on_where_it_stood(project, monkeypatch):
    project.params["read"]["batch_texts"] = 8
    project.save()
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    path = layout.activations_path("tiny-llama-3.2", "fp32", "stories")
    whole = files_of(path)
    lengths = opening.activations("tiny-llama-3.2", "fp32", "stories")["n_tokens"].values + 1
    n_batches = len(BatchPlan(1024, 8).batches(lengths.tolist()))
    assert n_batches > 3
    shutil.rmtree(path)
    true_read = residual.read_batch
    monkeypatch.setattr(residual, "read_batch", stopping_after(2))
    with pytest.raises(KeyboardInterrupt):
        read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert not path.exists()  # no half-written out that a later run takes for whole
    read_now = []
    monkeypatch.setattr(residual, "read_batch", lambda *a: (read_now.append(1), true_read(*a))[1])
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert len(read_now) == n_batches - 2
    assert files_of(path) == whole
    assert not any((layout.SCRATCH / "read").iterdir())


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path):
    path.write_bytes(b"")


def altered(path):
    """Another number among those of a text."""
    numbers = np.fromfile(path.with_name("activation.raw"), np.float32)
    first = np.flatnonzero(numbers)[0]
    numbers[first] += 1
    numbers.tofile(path.with_name("activation.raw"))


def exchanged(path):
    """A whole batch's checksum, of another place."""
    first, second = sorted(path.parent.glob("*.crc"))[:2]
    assert path == first
    shutil.copy(second, first)


@pytest.mark.parametrize("spoil", [truncated, emptied, altered, exchanged])
def test_a_kept_batch_that_is_not_what_was_kept_is_read_again(project, monkeypatch, spoil):
    project.params["read"]["batch_texts"] = 8
    project.save()
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    path = layout.activations_path("tiny-llama-3.2", "fp32", "stories")
    whole = files_of(path)
    true_read = residual.read_batch
    monkeypatch.setattr(residual, "read_batch", stopping_after(2))
    with pytest.raises(KeyboardInterrupt):
        read.main(["tiny-llama-3.2", "fp32", "stories"])
    kept = sorted((layout.SCRATCH / "read").rglob("*.crc"))
    assert len(kept) == 2
    spoil(kept[0])
    read_now = []
    monkeypatch.setattr(residual, "read_batch", lambda *a: (read_now.append(1), true_read(*a))[1])
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    lengths = opening.activations("tiny-llama-3.2", "fp32", "stories")["n_tokens"].values + 1
    assert len(read_now) == len(BatchPlan(1024, 8).batches(lengths.tolist())) - 1
    assert files_of(path) == whole


def test_two_runs_of_one_cell_at_once_share_no_scratch(project, monkeypatch):
    true_read, said = residual.read_batch, []

    def read_batch(*arguments):
        if not said:
            said.append("")
            with pytest.raises(InputError, match="another process does the same work now; wait for it, or stop it") as error:
                read.main(["tiny-llama-3.2", "fp32", "stories"])
            said.append(str(error.value))
        return true_read(*arguments)

    monkeypatch.setattr(residual, "read_batch", read_batch)
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert len(said) == 2
    once = files_of(layout.activations_path("tiny-llama-3.2", "fp32", "stories"))
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert files_of(layout.activations_path("tiny-llama-3.2", "fp32", "stories")) == once


def test_what_a_stopped_run_left_is_not_used_for_other_settings(project, monkeypatch):
    true_read = residual.read_batch
    monkeypatch.setattr(residual, "read_batch", stopping_after(1))
    with pytest.raises(KeyboardInterrupt):
        read.main(["tiny-llama-3.2", "fp32", "stories"])
    monkeypatch.setattr(residual, "read_batch", true_read)
    project.params["readings"]["stories"]["bos"] = "never"
    project.save()
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    resumed = files_of(layout.activations_path("tiny-llama-3.2", "fp32", "stories"))
    shutil.rmtree(layout.SCRATCH)
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert files_of(layout.activations_path("tiny-llama-3.2", "fp32", "stories")) == resumed


def test_a_text_shorter_than_a_position_needs_is_named(project):
    rows = [s for s in stories() if s["emotion"] in project.emotions]
    rows[4] |= {"text": " ".join(["go"] * 41), "id": "tiny"}
    project.write_csv("stories.csv", rows)
    with pytest.raises(
        InputError, match=r"position 'mean50' needs 51 tokens or more, and in tiny-qwen2.5 .*shorter: tiny \(angry, 42 tokens\)"
    ):
        read.main(["tiny-qwen2.5", "fp32", "stories"])
    assert not layout.activations_path("tiny-qwen2.5", "fp32", "stories").exists()


def overflowing(folder, target, scale):
    """A copy of a saved model whose last block but one adds a large output: beyond fp16, within fp32."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    weights["model.layers.2.mlp.down_proj.weight"] *= scale
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


def test_an_overflow_at_fp16_is_recorded_and_at_fp32_is_an_error(project, tmp_path, capsys):
    overflowing(project.models["llama-3.2"], tmp_path / "large", 1e5)
    project.entry("tiny-llama-3.2", "llama-3.2", folder={"path": str(tmp_path / "large")})
    read.main(["tiny-llama-3.2", "fp16", "stories", "neutral"])
    found = opening.activations("tiny-llama-3.2", "fp16", "stories")
    finite = found["finite"].values
    assert finite[:, :, :2].all()
    assert not finite[:, :, 2:].all()
    assert np.isnan(found["activation"].values[~finite]).all()
    assert "layers 2-3 (2 of 4)" in found.attrs["not_finite"]
    assert "recorded, not averaged" in capsys.readouterr().err
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert opening.activations("tiny-llama-3.2", "fp32", "stories")["finite"].values.all()
    with pytest.raises(InputError, match="at fp32: the weights are broken"):
        read.overflow_in_words(finite, "fp32")


def test_nothing_finite_at_all_is_an_error():
    with pytest.raises(InputError, match="not finite at layers 0-3"):
        read.overflow_in_words(np.zeros((5, 2, 4), bool), "fp16")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_progress_is_quiet_when_not_a_terminal(project, capfd):
    read.main(["tiny-llama-3.2", "fp32", "stories"])
    out, err = capfd.readouterr()
    assert out == ""
    assert "tok" not in err


def test_a_users_own_jsonl_with_other_labels_runs_unchanged(project):
    rows = pl.DataFrame([s for s in stories() if s["emotion"] in ("angry", "calm", "sad")])
    own = rows.select(
        pl.col("text").alias("passage"),
        pl.col("emotion").replace({"angry": "saudade", "calm": "hygge", "sad": "gezellig"}).alias("mood"),
    )
    own.write_ndjson("data/stimuli/own.jsonl")
    project.params["readings"]["stories"] |= {
        "path": "data/stimuli/own.jsonl",
        "columns": {"text": "passage", "emotion": "mood", "topic": None},
    }
    project.params["vectors"]["neutral_label"] = None
    project.save()
    project.run("read", "vectors", *CONCLUDE)
    assert set(opening.table("geometry")["n_emotions"]) == {3}
    vectors = opening.vectors()["tiny-qwen2.5/comprehension"]["vector"]
    assert vectors["emotion"].values.tolist() == ["gezellig", "hygge", "saudade"]


@pytest.mark.parametrize("token", ["</s>", "<s>"])
def test_a_story_that_holds_a_control_token_is_named_and_nothing_is_read(project, token):
    rows = [s for s in stories() if s["emotion"] in project.emotions]
    rows[3] |= {"text": rows[3]["text"] + token, "id": "odd"}
    project.write_csv("stories.csv", rows)
    with pytest.raises(
        InputError,
        match=rf"stories.csv: text odd \({rows[3]['emotion']}\) holds '{token}', which tiny-llama-3.2 takes for a control",
    ):
        read.main(["tiny-llama-3.2", "fp32", "stories"])
    assert not layout.ACTIVATIONS.exists()


def test_what_looks_like_a_control_token_and_is_added_as_a_plain_one_is_one_too():
    class Tokenizer:
        unk_token, unk_token_id = "<unk>", 0
        added_tokens_decoder = {  # noqa: RUF012
            n: type("Added", (), {"content": c, "special": c == "<unk>"})
            for n, c in enumerate(["<unk>", "<think>", "<|im_end|>", "[INST]", "   ", "\n\n", "word"])
        }

    model = type("Model", (), {"tokenizer": Tokenizer, "name": "m"})
    frame = pl.DataFrame({"id": ["a"], "emotion": [""]})
    for good in (0, 4, 5, 6):
        read.texts_are_text([[good]], frame, model, "f")
    for bad in (1, 2, 3):
        with pytest.raises(InputError, match="which m takes for a control token"):
            read.texts_are_text([[good, bad]], frame, model, "f")
    # nothing is unknown to a tokenizer of bytes: its "unknown" token stands where somebody wrote it
    Tokenizer.backend_tokenizer = type("Backend", (), {"model": type("Bytes", (), {"unk_token": None})})
    with pytest.raises(InputError, match="holds '<unk>', which m takes for a control token"):
        read.texts_are_text([[0]], frame, model, "f")
