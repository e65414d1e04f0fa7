"""The stage `paper` from text to table, against transformers and a few lines of numpy."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import polars as pl
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from transformers import AutoModel, AutoTokenizer

from analysis.published import paper, protocol
from analysis.rsa import across_passages, floor
from analysis.rsa.gram import Design
from pipeline import opening
from pipeline.errors import InputError
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params
from pipeline.texts import stimuli
from tests.conftest import Project
from tests.reference import cosine_rdm

FAMILY = {"tiny-llama-3.2": "llama-3.2", "tiny-qwen2.5": "qwen2.5"}


@pytest.fixture(scope="module")
def passages(tmp_path_factory, model_folders):
    """A project that reads three passages of each label as another source, as the published study read its own. Read only."""
    folder = tmp_path_factory.mktemp("passages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project = Project(folder, model_folders)
        own = stimuli.load(Params.load().readings["stories"]).filter(
            pl.col("topic").is_in(["night_bus", "rehearsal", "supper"])
        )
        # the names of topics are not kept: passages 1 to 3 of two labels have nothing in common
        numbered = own.with_columns(passage=pl.int_range(pl.len()).over("emotion").cast(pl.String))
        project.write_csv("passages.csv", numbered.select("emotion", "passage", "text").to_dicts())
        source = {"path": "data/stimuli/passages.csv", "columns": {"topic": None, "id": None}, "positions": ["last"]}
        project.params["second"] = [
            source | {"name": "as_native", "precision": "fp32", "bos": "native"},
            source | {"name": "as_published", "precision": "fp32", "bos": "as_published"},
            source | {"name": "as_published", "precision": "fp16", "bos": "as_published"},
        ]
        project.params["varied"] = []
        project.params["readings"]["stories"]["positions"] = ["last", "mean50"]
        project.save()
        project.run("read", "paper")
    return project


@pytest.fixture
def in_passages(passages, monkeypatch):
    monkeypatch.chdir(passages.folder)
    return passages


def last_states(folder, texts, bos):
    """Every block's output at the last token, float64 (text, layer, hidden): transformers and hooks, one text at a time.

    Hooks rather than `output_hidden_states`, whose last entry is after the final norm.
    """
    body = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    seen = []
    for block in body.layers:
        block.register_forward_hook(lambda _, __, out: seen.append((out[0] if isinstance(out, tuple) else out)[0, -1]))
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        with torch.inference_mode():
            body(input_ids=torch.tensor([[tokenizer.bos_token_id] * bos + ids]))
    return torch.stack(seen).reshape(len(texts), len(body.layers), -1).double().numpy()


def by_hand(states, emotions, neutral):
    """The published figures from states (S, L, H) and neutral states (N, L, H): layer, cosine, RDM, sd, anisotropy."""
    names = sorted(set(emotions))
    means = np.array([states[[e == n for e in emotions]].mean(0) for n in names])
    vectors = means - means.mean(0)
    curve = [1 - pdist(vectors[:, layer], "cosine").mean() for layer in range(states.shape[1])]
    layer = int(np.argmin(curve))
    rdm = pdist(vectors[:, layer], "cosine")
    return layer, curve[layer], rdm, rdm.std(), 1 - pdist(neutral[:, layer], "cosine").mean()


def true_figures(project, model, setting, bos):
    params = Params.load()
    source = params.reading(setting, "fp32")
    frame, calm = stimuli.load(source), stimuli.load(params.readings["neutral"])
    folder = project.models[FAMILY[model]]
    native = model == "tiny-llama-3.2"  # the family that begins a text with BOS
    neutral = last_states(folder, calm["text"].to_list(), native)
    return by_hand(last_states(folder, frame["text"].to_list(), bos), frame["emotion"].to_list(), neutral)


@pytest.mark.parametrize(
    ("model", "setting", "bos"),
    [
        ("tiny-llama-3.2", "as_native", True),
        ("tiny-qwen2.5", "as_native", False),
        ("tiny-qwen2.5", "as_published", True),  # prepended where the family's tokenizer does not
        ("tiny-llama-3.2", "stories", True),
        ("tiny-qwen2.5", "stories", False),
    ],
)
def test_the_published_protocol_is_what_transformers_and_numpy_give(in_passages, model, setting, bos):
    layer, cosine, rdm, sd, anisotropy = true_figures(in_passages, model, setting, bos)
    own = opening.table("paper").filter(model=model, precision="fp32", setting=setting).sort("n_units")
    row = own.row(-1, named=True)
    assert row["layer"] == layer
    assert row["depth_percent"] == 25 * layer
    assert row["mean_cosine"] == pytest.approx(cosine, abs=1e-5)
    assert row["rdm_std"] == pytest.approx(sd, abs=1e-5)
    assert row["anisotropy"] == pytest.approx(anisotropy, abs=1e-5)
    assert (row["n_labels"], row["n_layers"], row["n_finite_layers"]) == (5, 4, 4)
    reading = opening.activations(model, "fp32", setting).sel(position="last", layer=layer)
    emotions = reading["emotion"].values.tolist()
    vectors = protocol.label_vectors(reading["activation"].values, Design.of(emotions, ["" for _ in emotions]))
    assert np.abs(pdist(vectors, "cosine") - rdm).max() < 1e-5  # entry by entry


def test_a_pair_is_compared_each_side_at_its_own_layer(in_passages):
    rdms = [true_figures(in_passages, model, "as_native", model == "tiny-llama-3.2")[2] for model in FAMILY]
    row = opening.table("paper_pairs").filter(setting_a="as_native").row(0, named=True)
    assert {row["model_a"], row["model_b"]} == set(FAMILY)
    # ranks of ten entries: float32 states may exchange two that are almost equal
    assert row["spearman"] == pytest.approx(spearmanr(*rdms).statistic, abs=0.02)


def test_a_pairs_numbers_and_floor_are_spearmans_of_rdms_under_true_and_shuffled_labels(in_passages):
    params = Params.load()
    pairs = opening.table("paper_pairs")
    row = pairs.filter(setting_a="stories", n_units=6, model_a="tiny-llama-3.2", model_b="tiny-qwen2.5", precision_a="fp32")
    row = row.filter(precision_b="fp32").row(0, named=True)
    sides, design = [], None
    for side in "ab":
        reading = opening.activations(row[f"model_{side}"], "fp32", "stories").sel(position="last", layer=row[f"layer_{side}"])
        design = Design.of(reading["emotion"].values.tolist(), reading["topic"].values.tolist())
        sides.append(reading["activation"].values.astype(float))
    assert row["spearman"] == pytest.approx(spearmanr(*(cosine_rdm(x, design.label) for x in sides)).statistic)
    keep = design.label != design.labels.index("neutral")
    own = [cosine_rdm(x[keep], np.unique(design.label[keep], return_inverse=True)[1]) for x in sides]
    assert row["spearman_emotions"] == pytest.approx(spearmanr(*own).statistic)
    assigned = floor.shuffles(design, params.rsa.shuffles, params.geometry.seed)
    null = [spearmanr(*(cosine_rdm(x, labels) for x in sides)).statistic for labels in assigned]
    assert row["floor_mean"] == pytest.approx(np.mean(null))
    assert row["floor_95"] == pytest.approx(sorted(null)[-2])  # above it p is 2 of 40 at most
    assert row["n_shuffles"] == len(null)


def states_of(row, side, setting):
    """States (S, H), labels (S) and topics (S) of one side of a pair, at its own layer."""
    reading = opening.activations(row[f"model_{side}"], "fp32", setting).sel(position="last", layer=row[f"layer_{side}"])
    label = np.unique(reading["emotion"].values, return_inverse=True)[1]
    passage = np.zeros(len(label), dtype=int)
    for e in set(label):  # the order of topics, or of passages
        own = np.flatnonzero(label == e)
        passage[own[np.argsort(reading["topic"].values[own], kind="stable")]] = np.arange(len(own))
    return reading["activation"].values.astype(float), label, passage


def one_against_two(a, b, triple):
    """Mean Spearman of the RDM of each passage of `triple` in a with that of the two others in b, and the other way round."""
    (x, label, passage), (y, _, _) = a, b
    found = []
    for i in triple:
        one, rest = passage == i, np.isin(passage, [j for j in triple if j != i])
        found += [spearmanr(cosine_rdm(p, label, one), cosine_rdm(q, label, rest)).statistic for p, q in ((x, y), (y, x))]
    return np.mean(found)


@pytest.mark.parametrize(("setting", "n_topics", "wanted"), [("stories", 6, 4), ("as_native", 3, 1)])
def test_one_passage_is_held_against_the_two_others_on_triples_of_all_topics(in_passages, setting, n_topics, wanted):
    seed = Params.load().geometry.seed
    triples = across_passages.triples(n_topics, Params.load().rsa.triples, seed)
    row = opening.table("paper_pairs").filter(setting_a=setting, n_units=3, model_a="tiny-llama-3.2", model_b="tiny-qwen2.5")
    row = row.filter(precision_a="fp32", precision_b="fp32").row(0, named=True)
    a, b = (states_of(row, side, setting) for side in "ab")
    for column, (one, other) in {"across": (a, b), "own_a": (a, a), "own_b": (b, b)}.items():
        assert row[column] == pytest.approx(np.mean([one_against_two(one, other, t) for t in triples]))
    assert row["n_triples"] == len(triples) == wanted
    assert row["p_across"] == max(row["p_mantel"], row["p_shuffle"])
    orders = list(permutations(range(5)))  # five labels have 120 orders; the test draws 9,999 of them
    null = [np.mean([one_against_two(a, relabelled(b, p), t) for t in triples]) for p in orders]
    assert row["p_mantel"] == pytest.approx(np.mean(np.array(null) >= row["across"] - 1e-9), abs=0.02)


def relabelled(side, order):
    """The same texts, each label in the place of another."""
    x, label, passage = side
    at = {(e, t): n for n, (e, t) in enumerate(zip(label, passage, strict=True))}
    return x[[at[order[e], t] for e, t in zip(label, passage, strict=True)]], label, passage


def test_across_passages_is_of_three_passages_and_its_p_of_two_trained_models(in_passages):
    pairs = opening.table("paper_pairs")
    assert pairs.filter(n_units=6).select("across", "own_a", "p_across", "n_triples").null_count().row(0) == (15, 15, 15, 15)
    three = pairs.filter(n_units=3)
    assert three["across"].null_count() == 0
    trained = pl.col("seed_a").is_null() & pl.col("seed_b").is_null() & (pl.col("model_a") != pl.col("model_b"))
    assert three.filter(trained)["p_across"].null_count() == 0
    assert three.filter(~trained)["p_across"].is_null().all()


def test_a_text_beyond_the_three_that_overflows_costs_what_is_across_and_says_so(in_passages):
    here = next(r for r in paper.sources(Params.load(), load_entries(Params.load())) if r.reader.reading == "stories")
    params, (three, design) = Params.load(), protocol.on_first_units(here, 3)
    every = protocol.on_first_units(here, 6)
    whole = paper.measured(three, design, params, every)
    beyond = next(n for n, s in enumerate(every[0].stimuli) if s not in three.stimuli)
    finite = every[0].finite.copy()
    finite[beyond, whole.row["layer"]] = False
    broken = paper.measured(three, design, params, (replace(every[0], finite=finite), every[1]))
    (row,) = paper.pair_rows([whole, broken], params)
    assert row["spearman"] == pytest.approx(1)
    assert row["across"] is None
    assert row["reason"] == f"across: a text on another topic is not finite at layer {whole.row['layer']}"


def test_every_source_has_its_conditions_and_every_two_of_them_a_row(in_passages):
    table, pairs = opening.table("paper"), opening.table("paper_pairs")
    counted = {(s, n): c for s, n, c in table.group_by("setting", "n_units").len().iter_rows()}
    # two models at two precisions and two draws of the twin; second sources by trained models alone
    assert counted == {("stories", 3): 6, ("stories", 6): 6, ("as_native", 3): 2, ("as_published", 3): 4}
    assert pairs.height == 15 + 15 + 1 + 6
    assert table.filter(setting="stories", n_units=3)["unit"].unique().to_list() == ["topic"]
    assert table.filter(setting="as_native")["unit"].unique().to_list() == ["story"]
    assert (pairs["setting_a"] == pairs["setting_b"]).all()


def test_three_texts_of_a_label_have_no_halves_and_the_row_says_so(in_passages):
    table = opening.table("paper")
    three = table.filter(n_units=3)
    assert three["reliability"].is_null().all()
    assert three["reliability_three"].is_null().all()
    assert three["reliability_one"].is_not_null().all()
    assert three["reason"].str.contains("reliability: 3 of the 4 topics").all()
    six = table.filter(n_units=6)
    assert six.drop("reason", "reliability_three_se").null_count().sum_horizontal()[0] == 4  # the seeds of the trained
    assert (six["reason"] == "reliability_three_se: 6 of the 7 topics that it takes").all()


def test_a_layer_that_overflows_in_one_text_does_not_stand_for_choice(in_passages):
    here = next(r for r in paper.sources(Params.load(), load_entries(Params.load())) if r.reader.reading == "stories")
    n_units = len(set(here.topics))
    whole = paper.measured(*protocol.on_first_units(here, n_units), Params.load())
    layer = whole.row["layer"]
    finite, states = here.finite.copy(), here.states.copy()
    finite[3, layer], states[3, layer] = False, np.nan
    broken = replace(here, finite=finite, states=states)
    again = paper.measured(*protocol.on_first_units(broken, n_units), Params.load())
    assert again.row["layer"] not in (layer, None)
    assert again.row["n_finite_layers"] == 3
    assert again.row["mean_cosine"] >= whole.row["mean_cosine"]
    nothing = replace(here, finite=np.zeros_like(finite), states=np.full_like(states, np.nan))
    lost = paper.measured(*protocol.on_first_units(nothing, n_units), Params.load())
    assert lost.row["layer"] is None
    assert "no layer is finite" in lost.row["reason"]
    others = [row for row in paper.pair_rows([whole, lost, again], Params.load()) if row["spearman"] is not None]
    assert len(others) == 1  # the lost one takes nothing from the others
    alone = paper.pair_rows([whole, again], Params.load())
    assert others == alone
    assert len([r for r in paper.pair_rows([whole, lost, again], Params.load()) if "no layer" in (r["reason"] or "")]) == 2


def test_a_neutral_text_that_overflows_costs_the_anisotropy_alone(in_passages):
    here = next(iter(paper.sources(Params.load(), load_entries(Params.load()))))
    lost = replace(here, neutral_finite=np.zeros_like(here.neutral_finite))
    row = paper.measured(*protocol.on_first_units(lost, 6), Params.load()).row
    assert row["anisotropy"] is None
    assert row["reason"].split("; ")[0] == "anisotropy: a neutral text is not finite at this layer"
    assert row["rdm_std"] is not None


def test_without_the_last_token_the_message_names_the_key(project):
    project.params["readings"]["stories"]["positions"] = ["mean50"]
    project.params["geometry"]["positions"] = ["mean50"]
    project.params["varied"] = []
    project.save()
    with pytest.raises(InputError, match="readings.stories.positions: the published protocol reads the last token"):
        paper.main([])


def test_the_tables_bytes_repeat(in_passages):
    before = [(in_passages.folder / f"data/tables/{name}.parquet").read_bytes() for name in ("paper", "paper_pairs")]
    paper.main([])
    assert before == [(in_passages.folder / f"data/tables/{name}.parquet").read_bytes() for name in ("paper", "paper_pairs")]
