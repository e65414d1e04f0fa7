"""Writings, confounds and shares on the finished small project, whose models know nothing: form, and numbers by numpy."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import xarray as xr
from scipy.stats import spearmanr

from analysis.confounds import cell_rdms, confounds, factorial, writings
from analysis.confounds.bias import biases
from analysis.confounds.cell_rdms import Measuring, cell_of
from analysis.confounds.factorial import Cell
from analysis.report.confounds import REFERENCE
from analysis.rsa import gram, pairwise, rdm, split_half
from analysis.rsa.gram import Design
from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.confounds import Experiment
from pipeline.params.whole import Params
from pipeline.params.writing import reading_name
from pipeline.schemas import written
from pipeline.schemas.confounds import CONFOUNDS
from tests.conftest import ROOT, crossed

EMOTIONS = ["angry", "calm", "happy", "sad"]
WHO = "tiny-llama-3.2"


@pytest.fixture
def one(in_finished):
    return Measuring(WHO, Params.load())


@pytest.fixture
def unread(one):
    """The comparisons of the default profile, most of whose texts nobody has read here."""
    asked = Params.load(ROOT / "profiles/default.yaml").confounds
    params = one.params.model_copy(update={"confounds": asked})
    rows = confounds.pair_rows(Measuring(WHO, params), params)
    return pl.DataFrame([CONFOUNDS.blank() | row for row in rows], schema=CONFOUNDS.columns)


def vectors(read, position, layer):
    """Label means of a reading: emotions (4, H), neutral (H)."""
    here = read.sel(position=position, layer=layer)
    x, labels = here["activation"].values.astype(float), here["emotion"].values
    return np.stack([x[labels == e].mean(0) for e in EMOTIONS]), x[labels == "neutral"].mean(0)


def cosine_rdm(v):
    u = v / np.linalg.norm(v, axis=1, keepdims=True)
    i, j = np.triu_indices(len(v), 1)
    return 1 - (u @ u.T)[i, j]


def test_an_experiment_takes_what_it_leaves_out_from_its_setting(in_finished):
    params = Params.load()
    found = cell_of(Experiment(source="matched", precision="int8"), params)
    assert found == Cell("matched", "int8", "prompted", "middle", "middle", "neutral unit norm", "int8")
    own = Experiment(source="matched", precision="fp16", written="int8", position="mean0", unit_norm=False)
    assert cell_of(own, params) == Cell("matched", "int8", "prompted", "mean0", "middle", "neutral", "fp16")
    assert cell_of(Experiment(source="stories", precision="fp32"), params).position == params.report.position
    with pytest.raises(InputError, match="source 'matchd' is none of stories, "):
        cell_of(Experiment(source="matchd", precision="fp32"), params)


def test_the_published_comparison_is_the_spearman_of_post_centred_rdms(one):
    row = opening.table("confounds").filter(model=WHO, comparison="method_clean", factor="total").row(0, named=True)
    read, wrote = (opening.activations(WHO, "fp16", r) for r in ("stories", reading_name("matched", "fp16", "prompted")))
    paper = one.layer("best_layer_paper", "fp16", 4)
    a, _ = vectors(read, "last", paper)
    b, neutral = vectors(wrote, "middle", 2)
    b = b - neutral
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    expected = spearmanr(*(cosine_rdm(v - v.mean(0)) for v in (a, b))).statistic
    assert (row["layer_a"], row["layer_b"]) == (paper, 2)
    assert row["spearman"] == pytest.approx(expected, abs=1e-9)
    assert -1 <= row["permuted_95"] <= 1


def test_unrelated_rdms_come_above_what_chance_reaches_one_time_in_twenty(rng):
    """Of labels that share nothing. By hand: scipy's rho of the permuted matrix."""
    found = []
    for seed in range(400):
        x, y = rng.normal(size=(2, 8, 5))
        a, b = cosine_rdm(x), cosine_rdm(y)
        reached = confounds.reached_by_chance(*(rdm.ranks(v) for v in (a, b)), 199, seed)
        found.append(spearmanr(a, b).statistic > reached)
        if seed == 0:
            order = pairwise.label_permutations(8, 199, seed)
            drawn = [spearmanr(a, cosine_rdm(y[o])).statistic for o in order]
            assert reached == pytest.approx(sorted(drawn)[-10])  # above it p is 10 of 200 at most
    assert 0.02 < np.mean(found) < 0.09


def test_one_text_of_a_label_has_no_reliability_and_says_so(one):
    loose = cell_rdms.halves_of(np.eye(4), Design.of(EMOTIONS, ["person"] * 4), 1, "emotions", one.params)
    assert loose.halves is None
    assert loose.whole is None or loose.reason == "1 text of a label or fewer (4 are needed): no halves, no reliability"


def test_samples_of_one_prompt_are_no_units(one, rng):
    """A geometry that only this prompt has: its samples agree in it, and another prompt would not."""
    labels = EMOTIONS * 12
    x = np.tile(rng.normal(size=(4, 8)), (12, 1)) + 0.1 * rng.normal(size=(48, 8))
    cell = Cell("loose", "fp16", "prompted", "last", "middle", "emotions", "fp16")
    design = cell_rdms.design_of(labels, ["person"] * 48, cell)
    assert (design.units, design.counts.tolist()) == (["person"], [[12]] * 4)
    found = cell_rdms.halves_of(gram.gram(x), design, 1, "emotions", one.params)
    assert found.reason == "1 topic or prompt (4 are needed): no halves, no reliability"
    assert found.reliable is None
    means = np.stack([x[np.array(labels) == e].mean(0) for e in EMOTIONS])
    assert spearmanr(cosine_rdm(means - means.mean(0)), found.whole).statistic == pytest.approx(1)
    of_stories = cell_rdms.design_of(
        labels, ["person"] * 48, Cell("stories", None, "alone", "last", "middle", "emotions", "fp16")
    )
    assert len(of_stories.units) == 12


def test_what_was_not_read_is_null_with_its_reason(unread):
    loose = unread.filter(comparison="method_loose", factor="total").row(0, named=True)
    assert loose["spearman"] is None
    assert "b: loose written at fp16 was not read at fp16" in loose["reason"]
    int8 = unread.filter(experiment_b="matched_int8", factor="total")
    assert int8["share"].null_count() == int8.height
    assert int8["reason"].str.contains("matched written at int8 was not read at int8").all()


def test_the_bias_is_what_one_comparison_says_more_than_another_and_null_where_one_is(unread):
    rows = [CONFOUNDS.blank() | {"model": WHO, "comparison": c, "factor": "total"} for c in ("across", "precision", "third")]
    rows[0]["spearman"], rows[1]["spearman"], rows[0]["reason"] = 0.3250, 0.5267, "a: noise"
    table = pl.DataFrame(rows, schema=CONFOUNDS.columns)
    (found,) = biases(table, "across", "precision").iter_rows(named=True)
    assert (found["model"], found["reason"]) == (WHO, "across: a: noise")
    assert found["spearman"] == pytest.approx(0.3250 - 0.5267)
    (lost,) = biases(table, "across", "third").iter_rows(named=True)
    assert lost["spearman"] is None
    (readable,) = biases(table, "precision", "precision").iter_rows(named=True)
    assert (readable["spearman"], readable["reason"]) == (0.0, None)
    (found,) = biases(unread, "cross_experiment", "precision").iter_rows(named=True)
    assert found["spearman"] is None
    assert found["reason"].startswith("cross_experiment: ")
    assert "; precision: " in found["reason"]
    assert found["reason"].count("b: matched written at int8 was not read at int8") == 2
    published = {(r["layer"], r["model"]): r["spearman"] for r in pl.read_csv(REFERENCE).iter_rows(named=True)}
    for model in ("mistral-7b-instruct-v0.3", "llama-3.1-8b-instruct"):
        difference = published["cross_experiment", model] - published["precision", model]
        assert published["bias", model] == pytest.approx(difference, abs=1e-9)


def test_shares_sum_to_the_total_or_are_null_together(in_finished):
    table, asked = opening.table("confounds"), Params.load().confounds
    compared = {tuple(pair): name for name, pair in asked.published.items()}
    assert {*table.select("experiment_a", "experiment_b").iter_rows()} == {*compared, *map(tuple, asked.attributions)}
    sides = ("layer_a", "layer_b", "n_stimuli_a", "n_stimuli_b", "spearman", "reliability_a", "reliability_b", "ceiling")
    assert table.filter(pl.col("factor") != "total").select(pl.all_horizontal(pl.col(sides).is_null()).all()).item()
    for pair, rows in table.group_by("experiment_a", "experiment_b"):
        assert set(rows["comparison"]) == {compared.get(pair)}
        parts, total = rows.filter(pl.col("factor") != "total"), rows.filter(factor="total")
        assert total.height == 1
        if parts["share"].null_count() == 0 and parts.height:
            assert parts["share"].sum() == pytest.approx(total["share"][0], abs=1e-12)
        else:
            assert parts["reason"].null_count() == 0


def test_a_planted_change_of_the_text_is_attributed_to_the_text(one, monkeypatch, rng):
    """The chain of the stage on planted activations: position and precision only add noise; writing has another geometry."""
    labels = [f"e{i:02}" for i in range(10)]
    read, wrote = rng.normal(size=(2, 10, 12))

    def planted(source, written, context, precision):
        means, units = (read, 12) if source == "stories" else (wrote, 8)
        emotion = np.repeat(labels, units)
        states = (np.repeat(means, units, axis=0)[:, None, None] + 0.8 * rng.normal(size=(10 * units, 2, 4, 12))).astype(
            np.float32
        )
        return xr.Dataset(
            {
                "activation": (("stimulus", "position", "layer", "hidden"), states),
                "finite": (("stimulus", "position", "layer"), np.ones(states.shape[:3], bool)),
            },
            coords={
                "position": ["last", "middle"],
                "layer": np.arange(4),
                "emotion": ("stimulus", emotion),
                "topic": ("stimulus", np.tile([f"t{u}" for u in range(units)], 10)),
            },
        )

    monkeypatch.setattr(one, "datasets", planted)
    monkeypatch.setattr(one, "layer", lambda *_: 2)
    a = Cell("stories", None, "alone", "last", "middle", "emotions", "fp16")
    b = Cell("matched", "int8", "alone", "middle", "middle", "emotions", "int8")
    factors = ("source", "position", "precision")
    rows = {r["factor"]: r for r in confounds.share_rows(one, factorial.mixed(a, b, factors), factors)}
    true = 1 - spearmanr(*(cosine_rdm(m - m.mean(0)) for m in (read, wrote))).statistic
    assert rows["source"]["ci_low"] < true < rows["source"]["ci_high"]
    for factor in ("position", "precision"):
        assert rows[factor]["ci_low"] < 0 < rows[factor]["ci_high"]
    assert sum(rows[f]["share"] for f in factors) == pytest.approx(rows["total"]["share"], abs=1e-12)


def test_writings_are_counted_and_their_reliability_is_that_of_their_prompts(one):
    table = opening.table("writings")
    assert set(table["context"]) == {"alone", "prompted"}
    matched = table.filter(setting="matched", written="fp32", precision="fp32", texts="all", n_samples=2).row(0, named=True)
    texts = opening.writing(WHO, "fp32", "matched")
    assert matched["n_asked"] == texts.height == 50
    assert matched["n_same"] + matched["n_left_out"] + matched["n_texts"] == 50
    assert set(table.filter("as_set", setting="matched").select("position", "layer_rule").iter_rows()) == {("middle", "middle")}


def test_fewer_samples_are_the_first_of_every_prompt_at_the_settings_own_read_out(one):
    table = opening.table("writings").filter(setting="matched", written="fp32", precision="fp32")
    assert table["n_samples"].max() == one.params.write.settings["matched"].samples == 2
    assert table.filter(n_samples=1)["as_set"].all()
    texts = opening.writing(WHO, "fp32", "matched")
    cell = Cell("matched", "fp32", "alone", "middle", "middle", "emotions", "fp32")
    own = table.filter("as_set", texts="all", context="alone").sort("n_samples")
    for n, row in enumerate(own.iter_rows(named=True), start=1):
        asked = texts.filter(pl.col("sample") < n)
        counted = written.counted(asked)
        assert (row["n_samples"], row["n_asked"], row["n_texts"]) == (n, 25 * n, counted.height)
        assert row["n_same"] + row["n_left_out"] + row["n_texts"] == row["n_asked"]
        found = writings.of_texts(one, cell, row["layer"], set(counted["id"]))
        assert row["reliability"] == pytest.approx(split_half.reliability(found.halves).value, abs=1e-12)


def test_texts_that_name_their_label_are_counted_and_left_out_in_a_second_row(one):
    table = opening.table("writings").filter(position="mean0", layer_rule="middle", context="alone")
    for which in table.partition_by("setting", "written", "precision"):
        every, fewer = (which.filter(texts=t).row(0, named=True) for t in ("all", "without_label"))
        assert every["n_texts"] - fewer["n_texts"] == every["n_with_label"] == fewer["n_with_label"]
        assert every["reliability"] is not None
    kept = opening.writing(WHO, "fp32", "reliable").filter(pl.col("same_as").is_null() & pl.col("left_out").is_null())
    ids = set(kept.filter(pl.col("topic") != "garage")["id"])
    cell = Cell("reliable", "fp32", "alone", "mean0", "middle", "emotions", "fp32")
    assert writings.of_texts(one, cell, 2, ids).units == tuple(sorted(set(kept["topic"]) - {"garage"}))
    nobody = writings.of_texts(one, cell, 2, set(kept.filter(pl.col("emotion") != "calm")["id"]))
    assert nobody.reason == "no text of calm is left"


def test_a_writing_of_little_reliability_has_no_share_in_a_distance(one, rng):
    """Reliability .2 to .3, two standard errors above 0: it once reached a headline."""
    design = crossed(20, 24)
    means = rng.normal(size=(20, 12))
    found = []
    for noise in (1.0, 3.5):
        x = means[design.label] + noise * rng.normal(size=(480, 12))
        found.append(cell_rdms.halves_of(gram.gram(x), design, 1, "emotions", one.params))
    assert found[0].reliable is not None
    assert found[0].shuffled < 0.3
    little = split_half.reliability(found[1].halves)
    assert 2 * little.se < little.value < 0.3
    assert found[1].reason == f"reliability {little.value:.2f} is not above 0.3"
    assert found[1].reliable is None


def test_cells_share_their_units_where_these_have_the_same_names(one):
    cells = [Cell(s, "fp32", "alone", "mean0", "middle", "emotions", "fp32") for s in ("matched", "reliable")]
    prompted = Cell("matched", "fp32", "prompted", "mean0", "middle", "emotions", "fp32")
    matched, reliable, after = (one.measured(c).units for c in (*cells, prompted))
    assert matched == after != reliable


def test_texts_that_share_some_of_their_prompts_are_not_held_against_each_other(one, rng):
    """Unrelated geometries after the same prompts but one: what the prompts share would look like .36 of a common one."""
    every = [f"p{n}" for n in range(6)]
    of_prompts, found = rng.normal(size=(10, 6, 30)), []
    for prompts in (every, every, every[1:]):
        design = Design.of([f"e{e}" for e in range(10) for _ in prompts], prompts * 10)
        means = 3 * rng.normal(size=(10, 1, 30)) + of_prompts[:, -len(prompts) :]
        found.append(cell_rdms.halves_of(gram.gram(means.reshape(-1, 30)), design, 1, "emotions", one.params))
    assert all(m.reliable for m in found)
    matched, reliable = (Cell(s, "fp32", "alone", "mean0", "middle", "emotions", "fp32") for s in ("matched", "reliable"))
    int8 = replace(matched, precision="int8")
    assert confounds.shared_in_part(one, [matched, int8], found[:2]) is None
    why = confounds.shared_in_part(one, [matched, int8], found[1:])
    assert why == "5 prompts of the set story are asked for both texts, 1 for one alone: their halves are not independent"
    assert confounds.shared_in_part(one, [matched, reliable], found[1:]) is None  # another set, whatever its ids
    assert confounds.shared_in_part(one, [replace(matched, source="stories"), int8], found[1:]) is None
    measured = {matched: found[1], int8: found[2]}
    one.measured = measured.__getitem__
    rows = confounds.share_rows(one, factorial.mixed(matched, int8, ["precision"]), ("precision",))
    assert [(row["factor"], row["reason"], row.get("share")) for row in rows] == [
        ("precision", why, None),
        ("total", why, None),
    ]


def test_two_ways_to_read_the_stories_need_no_writer(in_finished, monkeypatch):
    """The published row by scipy on the stored states; of a pair with texts that nobody wrote there is no row."""
    params = Params.load()
    experiments = {
        "one": Experiment(source="stories", precision="fp32", position="last", layer="middle"),
        "two": Experiment(source="stories", precision="fp16", position="mean50", layer="middle", baseline="neutral"),
        "texts": Experiment(source="matched", precision="fp32"),
    }
    asked = {"experiments": experiments, "published": {}, "attributions": [["one", "two"], ["one", "texts"]], "bias": None}
    update = {"confounds": params.confounds.model_copy(update=asked), "write": params.write.model_copy(update={"models": []})}
    changed = params.model_copy(update=update)
    monkeypatch.setattr(confounds.Params, "load", classmethod(lambda _: changed))
    made = []
    monkeypatch.setattr(confounds.tables, "write_table", lambda _, rows: made.extend(rows))
    confounds.main([])
    assert {row["model"] for row in made} == set(params.read.models)
    assert {(row["experiment_a"], row["experiment_b"]) for row in made} == {("one", "two")}
    [total] = [row for row in made if row["model"] == WHO and row["factor"] == "total"]
    a, b = (opening.activations(WHO, precision, "stories") for precision in ("fp32", "fp16"))
    middle = a.sizes["layer"] // 2
    (x, _), (y, neutral) = vectors(a, "last", middle), vectors(b, "mean50", middle)
    y = y - neutral
    truth = spearmanr(cosine_rdm(x - x.mean(0)), cosine_rdm(y - y.mean(0))).statistic
    assert total["spearman"] == pytest.approx(truth, abs=1e-9)
    assert {row["factor"] for row in made} == {"position", "baseline", "precision", "total"}


def test_a_label_whose_texts_are_nearly_all_lost_is_named(one, rng):
    asked = [(e, f"p{n}") for e in EMOTIONS for n in range(8) if e != "sad" or n < 2]
    design = Design.of([e for e, _ in asked], [u for _, u in asked], asked_of_every_label=True)
    found = cell_rdms.halves_of(gram.gram(rng.normal(size=(len(asked), 16))), design, 1, "emotions", one.params)
    assert found.reason == "a draw leaves a label without stories: 'sad' has texts of 2 of 8 prompts or topics"
    assert cell_rdms._thinnest(crossed(4, 8)) == ""
