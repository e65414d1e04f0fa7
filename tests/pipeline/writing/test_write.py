"""Writing: on tiny models, whose texts are nonsense, all that can be counted on."""

import json
import shutil

import polars as pl
import pytest

from pipeline import opening
from pipeline.errors import InputError
from pipeline.store import layout, roots
from pipeline.writing import generation, write
from pipeline.writing.generation import Written

WHO = "tiny-llama-3.2"


@pytest.fixture
def writer(project):
    project.writes(WHO)
    project.params["write"]["settings"]["reliable"] |= {"prompts": "story", "samples": 4}  # drawn samples of one prompt
    project.save()
    return project


def written(setting, precision="fp32"):
    write.main([WHO, setting, precision])
    return opening.writing(WHO, precision, setting)


def test_every_label_prompt_and_sample_is_asked_for_once(writer):
    frame = written("reliable")
    assert frame.height == 5 * 5 * 4  # labels with neutral, prompts, samples
    assert frame.select("emotion", "topic", "sample").is_unique().all()
    assert frame["id"].is_unique().all()
    assert (frame["n_tokens"] == frame["tokens"].list.len()).all()
    assert frame["n_tokens"].max() <= 12
    happy = frame.filter(emotion="happy", topic="journey")["prompt"][0]
    assert "feels happy." in happy
    assert frame.filter(emotion="neutral")["prompt"].str.contains("feels").sum() == 0
    assert (
        json.loads(pl.read_parquet_metadata(layout.writings_path(WHO, "fp32", "reliable"))["provenance"])["setting"]["samples"]
        == 4
    )


def test_writing_twice_gives_the_same_bytes_and_batches_change_no_text(writer):
    path = layout.writings_path(WHO, "fp32", "reliable")
    once = written("reliable")
    bytes_ = path.read_bytes()
    written("reliable")
    assert path.read_bytes() == bytes_
    writer.params["write"]["batch_texts"] = 3
    writer.save()
    assert written("reliable").equals(once)


def test_greedy_samples_are_one_text_and_counted_once(writer):
    frame = written("matched")
    second = frame.filter(sample=1)
    first = {(e, t): id_ for e, t, id_ in frame.filter(sample=0).select("emotion", "topic", "id").iter_rows()}
    counted = second.filter(pl.col("left_out").is_null())
    assert counted.height > 0
    for row in counted.iter_rows(named=True):
        assert row["same_as"] == first[row["emotion"], row["topic"]]
    assert frame.filter(sample=0)["same_as"].null_count() == frame.height // 2


def test_drawn_samples_differ_and_do_not_depend_on_the_other_labels(writer):
    frame = written("reliable")
    texts = frame.filter(emotion="sad", topic="letter")["tokens"].to_list()
    assert len({tuple(t) for t in texts}) == 4
    writer.params["readings"]["stories"]["emotions"] = ["sad", "calm", "neutral"]
    writer.save()
    fewer = written("reliable")
    assert fewer.filter(emotion="sad", topic="letter")["tokens"].to_list() == texts


def test_a_stopped_run_goes_on_where_it_stood(writer, monkeypatch):
    whole = written("reliable")
    true_generate, asked = generation.generate, []

    def stops_after_ten(body, head, ids, seeds, decoding, ends, batch, on_text):
        asked.append(len(ids))

        def counting(n, text):
            on_text(n, text)
            counting.done += 1
            if counting.done == 10 and len(asked) == 1:
                raise KeyboardInterrupt

        counting.done = 0
        return true_generate(body, head, ids, seeds, decoding, ends, batch, counting)

    monkeypatch.setattr(write, "generate", stops_after_ten)
    with pytest.raises(KeyboardInterrupt):
        written("reliable")
    assert written("reliable").equals(whole)
    assert asked == [100, 90]
    assert not list((layout.SCRATCH / "write").iterdir())


def test_kept_texts_that_are_not_what_was_kept_are_written_again(tmp_path):
    kept = tmp_path / "abc/texts.jsonl"
    kept.parent.mkdir()
    texts = {n: Written([1, 2, n], "eos") for n in range(5)}
    lines = [write.line_of(n, text, kept) for n, text in texts.items()]
    kept.write_text("\n".join(["", lines[0], lines[1].replace("[1, 2, 1]", "[1, 3, 1]"), lines[2][:-3], "[7]", "3", lines[3]]))
    assert write.finished_in(kept) == {0: texts[0], 3: texts[3]}
    other = kept.parent.rename(tmp_path / "def") / "texts.jsonl"
    assert write.finished_in(other) == {}
    other.write_bytes(b"\xff\n" + write.line_of(4, texts[4], other).encode())
    assert write.finished_in(other) == {4: texts[4]}


ASKED = [{"emotion": "sad", "topic": "letter", "sample": k, "seed": k, "prompt": "Write."} for k in range(4)]


class Decoder:
    def decode(self, tokens, skip_special_tokens):
        return " ".join({1: "He", 2: "felt", 3: "sadness", 4: "again"}[t] for t in tokens)


def test_what_is_too_short_or_not_finite_is_recorded_and_left_out():
    texts = [Written([1, 2, 3], "eos"), Written([], "eos"), Written([1, 2, 3], "length"), Written([1, 2, 4], "not_finite")]
    frame = write.described(ASKED, [[9]] * 4, texts, Decoder(), 2)
    assert frame["left_out"].to_list() == [None, "0 tokens; 2 are needed", None, "states not finite"]
    assert frame["same_as"].to_list() == [None, None, frame["id"][0], None]
    assert write.said_of(frame, "f", "fp16") == (
        "1 of 4 texts are identical to another and counted once; 2 are left out (0 tokens; 2 are needed, states not finite)"
    )


def test_a_writing_without_a_text_that_counts_is_an_error():
    frame = write.described(ASKED, [[9]] * 4, [Written([], "eos")] * 4, Decoder(), 2)
    with pytest.raises(InputError, match=r"none of 4 texts counts \(0 tokens; 2 are needed\)"):
        write.said_of(frame, "f", "fp16")


def test_a_writing_that_the_precision_could_not_hold_is_a_result_and_at_fp32_an_error():
    frame = write.described(ASKED, [[9]] * 4, [Written([], "not_finite")] * 4, Decoder(), 2)
    assert write.said_of(frame, "f", "fp16") == "4 are left out (states not finite)"
    with pytest.raises(InputError, match=r"none of 4 texts counts \(states not finite\)"):
        write.said_of(frame, "f", "fp32")


def test_a_template_asked_of_a_model_without_one_says_what_to_set(writer):
    plain = writer.folder / "plain"
    shutil.copytree(writer.models["llama-3.2"], plain)
    (plain / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((plain / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (plain / "tokenizer_config.json").write_text(json.dumps(config))
    writer.entry(WHO, "llama-3.2", folder={"path": str(plain)})
    with pytest.raises(InputError, match=r"write.settings.matched.template: .*no chat template; set template: false"):
        written("matched")


def test_an_unknown_setting_is_named_with_its_nearest(writer):
    with pytest.raises(InputError, match=r"no 'matchd'; did you mean 'matched'\?"):
        write.main([WHO, "matchd", "fp32"])


def test_writings_that_params_no_longer_name_are_removed(writer):
    written("reliable")
    written("matched")
    writer.params["writings"] = [{"setting": "matched", "precision": "fp32"}]
    writer.params["writings_read"] = []
    writer.save()
    roots.prune(roots.Params.load())
    left = [p.name for p in layout.WRITINGS.rglob("*.parquet")]
    assert left == ["matched.parquet"]


def test_a_kept_line_that_a_kill_cut_short_is_a_text_to_write_again(tmp_path):
    kept = tmp_path / "texts.jsonl"
    lines = [write.line_of(place, Written(list(range(place)), "eos"), kept) for place in range(4)]
    for cut in range(len(lines[2])):
        kept.write_text("\n".join([lines[0], lines[1], lines[2][:cut], lines[3]]) + "\n")
        assert write.finished_in(kept) == {place: Written(list(range(place)), "eos") for place in (0, 1, 3)}
    assert write.finished_in(tmp_path / "absent.jsonl") == {}
