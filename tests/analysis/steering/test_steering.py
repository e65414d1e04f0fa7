"""The stages `steer` and `steering`: from tiny models to the tables, held against plain transformers and numpy."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from analysis.steering import steering as concludes
from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.steering import Thresholds
from pipeline.params.whole import Params
from pipeline.schemas.steered import STEERED, STEERED_TEXTS
from pipeline.schemas.steering import STEERING
from pipeline.steering import steer
from pipeline.store import layout, roots, tables
from tests.conftest import neutral_texts

WHO = "tiny-llama-3.2"  # its tokenizer begins a text with BOS, so that prompts, texts and neutral texts all have it
LIMITS = Thresholds()


def every_text():
    """The steered texts of the project at hand, each with what steering did to it."""
    return pl.DataFrame(concludes.texts(Params.load().steering), infer_schema_length=None)


@pytest.fixture
def table(in_finished):
    return every_text()


def test_there_is_one_row_for_every_rule_target_strength_and_prompt(table, in_finished):
    assert table.filter(rule="ours").height == (2 + 1) * (2 + 1) * 8
    assert table.filter(rule="paper").height == 2 * (2 + 1)
    assert table.select(STEERED_TEXTS.keys).is_unique().all()
    assert set(table["emotion"]) == {"calm", "sad", "angry", "random#0"}
    plain = table.filter(strength=0.0)
    assert plain["unchanged"].all()
    assert set(plain["effect"]) == {"none"}
    assert plain["perplexity_ratio"].to_list() == [1.0] * plain.height
    # without steering, a prompt has one text, whatever it would be steered to
    assert (plain.group_by("rule", "prompt").agg(pl.col("text").n_unique())["text"] == 1).all()
    assert not table.filter(pl.col("strength") > 0)["unchanged"].all()


class Plain:
    """The same model without any of our code but the store."""

    def __init__(self, project):
        folder = project.models["llama-3.2"]
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def states(self, ids, layer):
        """Residual stream (token, hidden) after a block: what the next one is given."""
        seen = []
        handle = self.model.model.layers[layer + 1].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
        with torch.inference_mode():
            self.model(torch.tensor([ids]), use_cache=False)
        handle.remove()
        return seen[0][0].double().numpy()


@pytest.fixture
def plain(in_finished):
    return Plain(in_finished)


def layer_of(rule, position):
    chosen = opening.table("layers").filter(pl.col("halving").is_null(), model=WHO, precision="fp32", setting="stories")
    (layer,) = chosen.filter(position=position, layer_rule=rule, variant="centred")["layer"]
    return layer


def test_norms_are_those_of_neutral_texts_without_bos_and_of_the_prompts_pass_with_it(table, plain):
    layer = layer_of("best_layer_cv", "mean50")
    if layer == 3:
        pytest.skip("the last block has no next one to look at")
    ids = [plain.tokenizer(t["text"]).input_ids for t in neutral_texts()[::4]]
    norms = np.concatenate([np.linalg.norm(plain.states(x, layer)[1:], axis=1) for x in ids])
    ours = table.filter(rule="ours")
    assert ours["norm"].to_list() == pytest.approx([norms.mean()] * ours.height, rel=1e-5)
    assert set(ours["layer"]) == {layer}
    published = layer_of("best_layer_paper", "last")
    for row in table.filter(rule="paper", strength=0.0).iter_rows(named=True):
        assert row["layer"] == published
        if published < 3:
            states = plain.states(plain.tokenizer(row["prompt_text"]).input_ids, published)
            assert row["norm"] == pytest.approx(np.linalg.norm(states, axis=1).mean(), rel=1e-5)


def half_vectors(layer, scores):
    """Vectors by hand of the half of the topics that steers, or of the one that scores."""
    here = opening.activations(WHO, "fp32", "stories").sel(position="mean50", layer=layer)
    x, label, topic = (
        here["activation"].values.astype(float),
        *(np.array(here[k].values.tolist()) for k in ("emotion", "topic")),
    )
    topics = sorted(set(topic))
    order = np.random.default_rng(Params.load().steering.ours.seed).permutation(len(topics))
    steers = np.isin(topic, [topics[i] for i in order[: len(topics) // 2]])
    kept = ~steers if scores else steers
    means = {e: x[kept & (label == e)].mean(0) for e in ("angry", "calm", "happy", "sad")}
    return {e: m - np.mean(list(means.values()), axis=0) for e, m in means.items()}


def test_scores_and_perplexities_are_those_of_plain_transformers(table, plain):
    steered = opening.steered(WHO, "fp32").filter(strength=0.8, rule="ours", prompt="door")
    layer = layer_of("best_layer_cv", "mean50")
    assert layer < 3
    vectors = half_vectors(layer, scores=True)
    neutral = [plain.states(plain.tokenizer(t["text"]).input_ids[:9], layer)[1:].mean(0) for t in neutral_texts()[::4]]
    scores = {}
    for row in steered.iter_rows(named=True):
        own = plain.states([0, *row["tokens"]], layer)[1:].mean(0)
        for emotion in ("angry", "calm", "happy", "sad"):
            unit = vectors[emotion] / np.linalg.norm(vectors[emotion])
            along = [x @ unit for x in neutral]
            scores[emotion] = (own @ unit - np.mean(along)) / np.std(along, ddof=1)
        if row["emotion"] != "random#0":
            assert row["target_score"] == pytest.approx(scores[row["emotion"]], rel=1e-3, abs=1e-3)
            assert row["target_rank"] == 1 + sum(score > scores[row["emotion"]] for score in scores.values())
        else:
            assert row["target_rank"] is None
        prompt = plain.tokenizer(row["prompt_text"]).input_ids
        labels = torch.tensor([[-100] * len(prompt) + row["tokens"]])
        with torch.inference_mode():
            loss = plain.model(torch.tensor([prompt + row["tokens"]]), labels=labels).loss
        with torch.inference_mode():
            unsteered = table.filter(rule="ours", strength=0.0, prompt="door", emotion=row["emotion"])["tokens"][0].to_list()
            labels = torch.tensor([[-100] * len(prompt) + unsteered])
            before = plain.model(torch.tensor([prompt + unsteered]), labels=labels).loss
        assert row["surprisal"] == pytest.approx(float(loss), rel=1e-4)
        found = table.filter(rule="ours", strength=0.8, prompt="door", emotion=row["emotion"])
        assert found["perplexity_ratio"][0] == pytest.approx(float((loss - before).exp()), rel=1e-4)


def test_steered_texts_are_what_transformers_writes_with_the_vector_added_at_one_block(table, plain):
    steered = opening.steered(WHO, "fp32").filter(rule="ours", strength=0.8, prompt="letter", emotion="sad").row(0, named=True)
    vector = torch.tensor(half_vectors(steered["layer"], scores=False)["sad"], dtype=torch.float32)
    vector *= 0.8 * steered["norm"] / vector.norm()

    def add(_module, _inputs, output):
        return (output[0] + vector, *output[1:]) if isinstance(output, tuple) else output + vector

    handle = plain.model.model.layers[steered["layer"]].register_forward_hook(add)
    prompt = plain.tokenizer(steered["prompt_text"], return_tensors="pt").input_ids
    with torch.inference_mode():
        found = plain.model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=8)
    handle.remove()
    tokens = found[0, prompt.shape[1] :].tolist()
    assert steered["tokens"] == (tokens[: tokens.index(1)] if 1 in tokens else tokens)


def test_steering_twice_gives_the_same_bytes_and_batches_change_no_text(in_finished, monkeypatch, tmp_path):
    path = layout.steered_path(WHO, "fp32")
    before, frame = path.read_bytes(), opening.steered(WHO, "fp32")
    attributes = json.loads(pl.read_parquet_metadata(path)["provenance"])
    assert (attributes["model"], attributes["precision"], attributes["steering"]["max_new_tokens"]) == (WHO, "fp32", 8)
    monkeypatch.setattr(layout, "STEERED", tmp_path)
    steer.main([WHO, "fp32"])
    assert layout.steered_path(WHO, "fp32").read_bytes() == before
    alone = Params.load()
    changed = alone.model_copy(update={"steering": alone.steering.model_copy(update={"batch_texts": 3})})
    monkeypatch.setattr(steer.Params, "load", lambda: changed)
    steer.main([WHO, "fp32"])
    assert opening.steered(WHO, "fp32").equals(frame)


def test_a_rule_without_a_layer_is_recorded_with_the_reason(in_finished, monkeypatch, tmp_path):
    true_rows = tables.read_rows

    def without(path, schema):
        lost = pl.when(pl.col("layer_rule") == "best_layer_paper").then(None).otherwise(pl.col("layer")).alias("layer")
        rows = true_rows(path, schema)
        return rows.with_columns(lost) if path == layout.chosen_layers_path(WHO) else rows

    monkeypatch.setattr(tables, "read_rows", without)
    monkeypatch.setattr(layout, "STEERED", tmp_path)
    steer.main([WHO, "fp32"])
    frame = opening.steered(WHO, "fp32")
    paper = frame.filter(rule="paper")
    assert set(paper["reason"]) == {"no layer could be chosen at last, fp32"}
    assert paper.select("text", "layer", "norm", "surprisal", "target_score").null_count().row(0) == (paper.height,) * 5
    assert frame.filter(rule="ours")["reason"].null_count() == frame.filter(rule="ours").height
    limits = Params.load().steering.thresholds
    found = concludes.table_rows(concludes.beside_unsteered(frame.to_dicts(), limits), limits)
    (row,) = (r for r in found if (r["rule"], r["target"], r["strength"]) == ("paper", "emotions", None))
    assert (row["regime"], row["n_texts"], row["n_not_finite"]) == (None, 4, 4)
    assert row["reason"].startswith("4 of 4 texts: no layer could be chosen at last, fp32; no prompt has texts with a score")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("ours", "emotions"), ["sda"], r"steering.ours.emotions: 'sda' is not in data/activations/.*did you mean 'sad'\?"),
        (("paper", "scenarios"), {"aggressive": "calmer"}, r"steering.paper.scenarios: 'calmer' is not .* 'calm'\?"),
        (("paper", "scenarios"), {"agressive": "calm"}, r"'agressive' is not in .*steering.csv; did you mean 'aggressive'\?"),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error_before_anything_is_written(in_finished, monkeypatch, where, value, message):
    params = Params.load()
    rule = getattr(params.steering, where[0]).model_copy(update={where[1]: value})
    changed = params.model_copy(update={"steering": params.steering.model_copy(update={where[0]: rule})})
    monkeypatch.setattr(steer.Params, "load", lambda: changed)
    with pytest.raises(InputError, match=message):
        steer.main([WHO, "fp32"])


def quick(project, *precisions):
    """One model, no varied readings, at these precisions."""
    project.params["read"] |= {"models": [WHO], "precisions": list(precisions)}
    project.params["varied"] = []
    project.steers(WHO, precisions=precisions[-1:])


def test_a_model_that_overflows_in_fp16_is_recorded_and_judged_nowhere(project, tmp_path):
    folder = tmp_path / "overflows"
    model = AutoModelForCausalLM.from_pretrained(project.models["llama-3.2"])
    model.model.layers[2].mlp.down_proj.weight.data *= 1e7  # beyond 65504, the largest number of fp16
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(project.models["llama-3.2"]).save_pretrained(folder)
    quick(project, "fp32", "fp16")
    project.entry(WHO, "llama-3.2", folder={"path": str(folder)})
    project.run("read", "vectors", "geometry", "steer", "steering")
    found = every_text()
    assert set(found["finish"].drop_nulls()) == {"not_finite"}
    assert found["reason"].null_count() == 0
    assert found.select("regime", "effect", "perplexity_ratio", "target_score").null_count().row(0) == (found.height,) * 4
    rows = opening.table("steering")
    assert rows.select("regime", "slope", "mean_target_score").null_count().row(0) == (rows.height,) * 3
    assert (rows["n_not_finite"] == rows["n_texts"]).all()
    assert rows["reason"].str.contains("states not finite|no layer|no finite vectors").all()
    assert rows.filter(pl.col("strength").is_null())["reason"].str.contains("no prompt has texts with a score").all()


def test_a_quantised_model_is_steered_too(project):
    quick(project, "fp32", "int8")
    project.run("read", "vectors", "geometry", "steer", "steering")
    found = every_text()
    assert set(found["precision"]) == {"int8"}
    assert found["reason"].null_count() == found.height
    assert opening.table("steering")["regime"].null_count() == 0


def test_texts_that_params_no_longer_name_are_removed(project):
    project.steers(WHO)
    for model, precision in ((WHO, "fp32"), (WHO, "fp16"), ("tiny-qwen2.5", "fp32")):
        path = layout.steered_path(model, precision)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    roots.prune(roots.Params.load())
    assert list(layout.STEERED.rglob("*.parquet")) == [layout.steered_path(WHO, "fp32")]


# --- conclusions, on planted rows ----------------------------------------------------------------------------------------


def planted(scores, emotion="calm", **more):
    """Rows of the stage `steer`, a text each: scores (prompt, strength), strengths 0, 1, 2 ..."""
    rows = []
    for p, of_prompt in enumerate(scores):
        for strength, score in enumerate(of_prompt):
            row = dict.fromkeys(STEERED) | {"model": "m", "precision": "fp32", "rule": "ours", "emotion": emotion}
            row |= {"strength": float(strength), "prompt": f"p{p}", "text": "the sea was calm that day", "finish": "length"}
            row |= {
                "tokens": [p, strength],
                "n_tokens": 2,
                "surprisal": 1.0,
                "target_score": score,
                "target_rank": 3 - strength,
            }
            rows.append(row | more)
    return rows


def of_all(rows, target="calm"):
    """The row of all strengths of a target."""
    found = concludes.table_rows(concludes.beside_unsteered(rows, LIMITS), LIMITS)
    (row,) = tables.assembled(STEERING, found).filter(pl.col("strength").is_null(), target=target).iter_rows(named=True)
    return row


def test_dose_and_response_are_slopes_within_prompts_and_their_t_interval(rng):
    scores = rng.standard_normal((5, 3)) + np.arange(3) * 2
    found = of_all(planted(scores.tolist()))
    slopes = [np.polyfit(np.arange(3), y, 1)[0] for y in scores]
    se = np.std(slopes, ddof=1) / 5**0.5
    assert found["slope"] == pytest.approx(np.mean(slopes))
    assert found["slope"] - found["slope_low"] == pytest.approx(2.7764451 * se)
    assert found["slope_high"] - found["slope"] == pytest.approx(2.7764451 * se)  # t, 4 degrees of freedom, 97.5%
    ranks = scores.argsort(axis=1).argsort(axis=1)
    spearman = [1 - 6 * ((r - np.arange(3)) ** 2).sum() / (3 * 8) for r in ranks]
    assert found["spearman"] == pytest.approx(np.mean(spearman))
    assert found["gain"] == pytest.approx((scores[:, 2] - scores[:, 0]).mean())
    assert (found["n_prompts"], found["n_texts"], found["rank_unsteered"], found["rank_strongest"]) == (5, 10, 3, 1)
    assert found["reason"] is None


def test_texts_that_fell_apart_do_not_count_as_fluent():
    rows = planted([[0.0, 1.0, 2.0, 9.0], [0.0, 2.0, 4.0, 9.0], [0.0, 1.0, 9.0, 9.0]])
    for row in rows:
        loops = row["target_score"] == 9
        row["text"] = "calm calm calm calm calm calm" if loops else row["text"]
    found = of_all(rows)
    assert found["slope_fluent"] == pytest.approx(1.5)  # of the first two: the third has too few strengths left
    assert (found["n_prompts_fluent"], found["n_prompts"], found["n_texts"]) == (2, 3, 9)
    assert found["slope_fluent_low"] < 1.5 < found["slope_fluent_high"]
    assert found["slope"] > found["slope_fluent"]


def test_a_kind_of_directions_has_the_mean_over_each_prompts_targets():
    calm, sad = [[0.0, 1.0, 2.0], [0.0, 3.0, 6.0]], [[0.0, 2.0, 4.0], [0.0, 4.0, 8.0]]
    rows = planted(calm) + planted(sad, "sad") + planted([[0.0, 9.0, 18.0]] * 2, "random#0")
    found = of_all(rows, "emotions")
    assert (found["n_prompts"], found["n_texts"]) == (2, 8)
    assert found["slope"] == pytest.approx(np.mean([1, 3, 2, 4]))
    half = 12.7062047 * np.std([1.5, 3.5], ddof=1) / 2**0.5  # t, 1 degree of freedom, 97.5%
    assert (found["slope_low"], found["slope_high"]) == pytest.approx((2.5 - half, 2.5 + half))
    assert of_all(rows, "random")["slope"] == of_all(rows, "random#0")["slope"] == 9
    # a target that lost a text in one prompt counts in the other alone
    lost = [r | {"target_score": None} if (r["emotion"], r["prompt"], r["strength"]) == ("sad", "p1", 2) else r for r in rows]
    assert of_all(lost, "emotions")["slope"] == pytest.approx(np.mean([1.5, 3]))


def test_what_gives_no_slope_or_no_interval_says_so():
    one = of_all(planted([[0.0, 1.0, 3.0]]))
    assert one["slope"] == pytest.approx(1.5)
    assert (one["slope_low"], one["slope_high"]) == (None, None)
    assert one["reason"] == "one prompt: no interval of the slope; one prompt of fluent texts: no interval of the slope"
    few = of_all(planted([[0.0, 1.0], [0.0, 1.0]]))
    assert few["slope"] is None
    assert "no prompt has texts with a score at 3 strengths" in few["reason"]
    flat = of_all(planted([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    assert (flat["slope"], flat["spearman"]) == (0.0, 0.0)


def test_regimes_count_texts_at_each_strength_and_over_all_but_the_unsteered():
    rows = planted([[0.0, 1.0, 2.0]] * 4)
    for row in rows:
        if row["strength"] == 2 and row["prompt"] in ("p0", "p1", "p2"):
            row["text"] = "no no no no no no"
        if row["strength"] == 1 and row["prompt"] == "p3":
            row |= {"tokens": [3, 0]}  # the unsteered text
        if row["strength"] == 1 and row["prompt"] == "p2":
            row |= {"surprisal": 1.0 + np.log(4.1)}
    found = concludes.table_rows(concludes.beside_unsteered(rows, LIMITS), LIMITS)
    frame = tables.assembled(STEERING, found).filter(target="emotions")
    over_all, plain, one, two = frame.sort("strength", nulls_last=False).iter_rows(named=True)
    assert [r["n_texts"] for r in (over_all, plain, one, two)] == [8, 4, 4, 4]
    assert (two["regime"], two["share_repetitive"], two["share_toward"]) == ("repetitive_collapse", 0.75, 0.25)
    assert (one["regime"], one["share_unchanged"], one["share_broken"], one["share_toward"]) == ("surgical", 0.25, 0.25, 0.5)
    assert plain["share_unchanged"] == 1
    assert (over_all["regime"], over_all["share_repetitive"], over_all["texts_to_another"]) == ("surgical", 0.375, 2)
    assert one["median_perplexity_ratio"] == pytest.approx(1.0)
    assert two["mean_target_score"] == 2.0
    assert (two["share_collapsed"], over_all["share_collapsed"], plain["share_collapsed"]) == (0.75, 0.375, 0)
    same = tables.assembled(STEERING, found).filter(target="calm").drop("target")
    assert same.equals(frame.drop("target"))  # of one emotion, all emotions are that one


def without_a_score(row):
    return row | {"target_score": None, "target_rank": None}


def test_texts_beside_an_unsteered_one_without_a_score_are_counted_aloud():
    """A model may end at once where it is not steered: its text has no tokens, and nothing can be held against it."""
    rows = planted([[0.0, 1.0, 2.0]] * 4)
    empty = {"text": "", "tokens": [], "n_tokens": 0, "finish": "eos", "surprisal": None}
    rows = [without_a_score(r | empty) if r["prompt"] in ("p0", "p1") and r["strength"] == 0 else r for r in rows]
    found = of_all(rows)
    assert (found["share_toward"], found["share_away"], found["share_broken"]) == (0.5, 0, 0)
    assert found["reason"].startswith("4 of 8 texts count neither as toward nor as away: they or the unsteered text have no")


def test_where_no_text_has_a_score_nothing_is_said_of_the_way():
    """No layer at the position of our rule: texts of the published rule are written, and scored on nothing."""
    found = of_all([without_a_score(r) for r in planted([[0.0, 1.0, 2.0]] * 4)])
    assert (found["share_toward"], found["share_away"], found["share_collapsed"], found["regime"]) == (
        None,
        None,
        0,
        "surgical",
    )
    assert found["reason"].startswith("8 of 8 texts count neither as toward nor as away")
