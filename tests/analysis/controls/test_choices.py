"""The stage `choices` on the finished small project, and a second source of stories."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from analysis.controls import choices
from analysis.readers.readers import Reader
from analysis.rsa import gram, pairwise, split_half
from pipeline import opening
from pipeline.params.whole import Params
from pipeline.reading import read
from pipeline.schemas.choices import (
    CHOICES,
    CONTROLS,
    LAST_LAYER,
    LAST_QUARTER,
    LENGTH_REMOVED,
    ONE_SIDED,
    TOPIC_REMOVED,
    UNIT_NORM,
)
from pipeline.store import parts
from tests.conftest import crossed, stories

WHO = ["model", "seed", "precision", "setting"]


@pytest.fixture
def table(in_finished):
    return opening.table("choices").filter(pl.col("choice").is_in([*ONE_SIDED]))


def itself():
    return pl.all_horizontal(pl.col(f"{k}_a").eq_missing(pl.col(f"{k}_b")) for k in WHO)


def named(table):
    """With the choice and what it is changed to as one name."""
    return table.with_columns(name=pl.concat_str("choice", "value", separator=":", ignore_nulls=True))


def test_every_choice_is_made_otherwise_for_everyone_who_can(table):
    own = table.filter(itself())
    models = 2 * 2 + 2
    by_choice = dict(named(own).group_by("name").len().iter_rows())
    assert by_choice == {
        **dict.fromkeys((LAST_LAYER, LAST_QUARTER), models),
        **dict.fromkeys((UNIT_NORM, LENGTH_REMOVED, TOPIC_REMOVED), models + 4),
        **dict.fromkeys((f"position:{p}" for p in ("last", "mean0", "mean25", "mean75", "middle", "word40")), models),
        "reading:stories_bos": 2,
        "reading:stories_batched": 2,
    }
    assert set(own["changed"]) == {"b"}


def test_a_pair_stands_wherever_one_of_its_sides_is_changed(table):
    bos = table.filter(~itself(), choice="reading", value="stories_bos")
    changed = {("tiny-llama-3.2", "fp32"), ("tiny-qwen2.5", "fp32")}
    for row in bos.iter_rows(named=True):
        a, b = ((row[f"model_{n}"], row[f"precision_{n}"]) in changed and row[f"setting_{n}"] == "stories" for n in "ab")
        assert row["changed"] == {(True, True): "both", (True, False): "a", (False, True): "b"}[a, b]
    # ten readers, of which eight are as they were
    assert bos.height == 10 * 9 // 2 - 8 * 7 // 2


def test_the_change_of_a_pair_is_a_paired_difference_with_a_jackknife(in_finished, rng):
    params, design = Params.load(), crossed(8, 8)
    first = split_half.halvings(8, 100, params.geometry.seed)
    shared = rng.normal(size=(8, 30))[design.label]

    def halves():
        x = shared + 0.7 * rng.normal(size=(64, 30))
        return split_half.Halves.of(gram.cells(gram.gram(x), design), design, first)

    sides = []
    for name, able in (("one", True), ("two", True), ("three", False)):
        readout = SimpleNamespace(reader=Reader(name, None, "fp32"), n_layers=5)
        sides.append(choices.Side(readout, 3, halves(), {"bos": halves()} if able else {}))
    rows = {
        (r["model_a"], r["model_b"]): r for r in choices.rows_of_choice("bos", sides, params, {"position": "p", "variant": "v"})
    }
    assert set(rows) == {("one", "one"), ("two", "two"), ("one", "two"), ("one", "three"), ("two", "three")}

    def rho_dis(a, b, without=None):
        if without is None:
            return split_half.rho_cross(a, b) / (split_half.reliability(a).value * split_half.reliability(b).value) ** 0.5
        return pairwise.pairwise([a, b]).rho_dis.without_topic[without, 0, 1]

    for pair, changed in (((0, 1), "both"), ((1, 2), "a")):
        before = [sides[n].as_chosen for n in pair]
        after = [sides[n].varied.get("bos", sides[n].as_chosen) for n in pair]
        row = rows[tuple(sides[n].readout.reader.model for n in pair)]
        assert row["changed"] == changed
        assert row["layer_a"] == row["layer_b"] == 3
        assert row["rho_dis"] == pytest.approx(rho_dis(*after))
        assert row["change"] == pytest.approx(rho_dis(*after) - rho_dis(*before))
        left_out = np.array([rho_dis(*after, t) - rho_dis(*before, t) for t in range(8)])
        assert row["change_se"] == pytest.approx(split_half.jackknife_se(left_out))
    own = rows["one", "one"]
    assert own["change"] == pytest.approx(own["rho_dis"] - 1)


def test_topics_taken_out_change_nothing_where_they_are_crossed(table):
    own = table.filter(itself(), choice=TOPIC_REMOVED)["rho_same"]
    assert own.len() > 0
    assert (1 - own).abs().max() < 1e-9


def test_batch_mates_change_fp16_little_and_bos_changes_more(table):
    means = dict(named(table.filter(itself())).group_by("name").agg(pl.col("rho_same").mean()).iter_rows())
    assert means["reading:stories_batched"] > 0.999
    assert means["reading:stories_bos"] < means["reading:stories_batched"]


def test_what_cannot_be_estimated_is_null_with_its_reason(table):
    assert (table["rho_dis"].is_null() == table["reason"].is_not_null()).all()


def test_another_authors_stories_are_compared_over_the_labels_in_common(project):
    rows = [s | {"emotion": {"calm": "serene"}.get(s["emotion"], s["emotion"])} for s in stories() if s["topic"] != "supper"]
    rows = [s for s in rows if s["emotion"] in ("angry", "serene", "happy", "sad", "proud")]
    project.write_csv("theirs.csv", rows)
    params = project.params
    params["read"] |= {"models": ["tiny-qwen2.5"], "precisions": ["fp32"]}
    params |= {
        "varied": [],
        "second": [{"name": "theirs", "precision": "fp32", "path": "data/stimuli/theirs.csv", "positions": ["mean50"]}],
    }
    project.emotions = ("angry", "calm", "happy", "sad", "proud", "neutral")
    project.write_csv("stories.csv", [s for s in stories() if s["emotion"] in project.emotions])
    project.save()
    project.run("read", "vectors", "geometry", "choices")
    table = parts.read_part(CHOICES, CONTROLS).filter(choice="stories")
    assert set(table["n_emotions"]) == {4}  # angry, happy, sad, proud
    assert set(table["setting_b"]) == {"theirs"}
    pairs = set(table.select("model_a", "model_b").iter_rows())
    readers = {"tiny-qwen2.5", "tfidf", "char_ngrams"}
    assert pairs == {(a, b) for a in readers for b in readers}
    # the same words in both, so that the reader of words finds itself again
    assert table.filter(model_a="tfidf", model_b="tfidf")["rho_whole"][0] > 0.7
    assert table["n_units"].to_list() == [5] * table.height  # theirs are told on five topics, ours on six
    kinds = table.select((pl.col("rho_dis").is_null() == pl.col("reason").is_not_null()).all()).item()
    assert kinds


def test_a_source_at_two_precisions_has_each_row_once_and_one_without_the_position_says_so(project):
    project.write_csv("theirs.csv", [s for s in stories() if s["emotion"] in project.emotions and s["topic"] != "supper"])
    source = {"path": "data/stimuli/theirs.csv", "positions": ["mean50"]}
    project.params["read"] |= {"models": ["tiny-qwen2.5"]}
    project.params |= {
        "varied": [],
        "second": [source | {"name": "theirs", "precision": p} for p in ("fp32", "fp16")]
        + [source | {"name": "last_alone", "precision": "fp32", "positions": ["last"]}],
    }
    project.save()
    project.run("read", "geometry", "choices")
    table = parts.read_part(CHOICES, CONTROLS).filter(choice="stories")
    theirs, alone = table.filter(setting_b="theirs"), table.filter(setting_b="last_alone")
    # a model at two precisions beside itself and two readers of words, both ways, and these among themselves
    assert theirs.height == 2 * (1 + 2 + 2) + 4
    assert theirs["rho_whole"].is_not_null().all()
    assert alone.height == (1 + 2 + 2) + 4
    missing = alone.filter(model_b="tiny-qwen2.5")
    assert missing.height == 3
    assert missing["reason"].str.contains("second.last_alone.positions: 'mean50', the report's position, is not read").all()
    assert missing["rho_whole"].is_null().all()
    assert alone.filter(pl.col("model_b") != "tiny-qwen2.5")["rho_whole"].is_not_null().all()


def test_too_few_labels_in_common_are_a_row_with_the_reason(in_finished):
    params = Params.load()
    assert choices.common_or_reason(None, 0, {"angry", "sad"}, params) == "2 labels in common; 4 are needed"


def test_a_reading_that_params_lack_is_named(project):
    with pytest.raises(read.InputError, match="params.yaml: no reading 'storys' at fp32; there are .*stories_bos"):
        read.main(["tiny-qwen2.5", "fp32", "storys"])


def test_equivalence_is_two_one_sided_tests_and_the_smallest_visible_difference_is_seen_in_four_of_five(rng):
    from scipy import stats

    p = split_half.equivalence_p(0.02, 0.03, 0.1, 20)
    assert p == pytest.approx(max(stats.t.cdf((0.02 - 0.1) / 0.03, 20), stats.t.cdf((-0.02 - 0.1) / 0.03, 20)))
    assert split_half.equivalence_p(0.5, 0.03, 0.1, 20) > 0.5
    assert (split_half.equivalence_p(0.0, 0.0, 0.1, 5), split_half.equivalence_p(0.2, 0.0, 0.1, 5)) == (0.0, 1.0)
    true = split_half.smallest_visible(0.1, 23)
    x = rng.normal(size=(20_000, 24)) * 0.1 * 24**0.5 + true
    seen = stats.ttest_1samp(x, 0, axis=1).pvalue < 0.05
    assert seen.mean() == pytest.approx(0.8, abs=0.015)


def test_the_layer_is_the_one_that_is_read(table):
    layers = opening.table("geometry").group_by("model").agg(last=pl.col("layer").max())
    for choice, last in ((LAST_LAYER, pl.col("last")), (LAST_QUARTER, pl.lit(None, pl.Int64))):
        rows = table.filter(itself(), choice=choice).join(layers, left_on="model_b", right_on="model")
        assert rows.height
        assert rows.select(pl.col("layer_b").eq_missing(last).all()).item()
    best = table.filter(itself(), choice=UNIT_NORM)
    assert best["layer_a"].equals(best["layer_b"])
    assert table.filter(itself(), choice=LAST_LAYER)["layer_a"].is_not_null().all()


def test_the_table_has_its_schema(in_finished):
    table = parts.read_part(CHOICES, CONTROLS)
    assert table.schema == CHOICES.columns
    assert set(table["choice"]) == {*CHOICES.parts[CONTROLS]} - {"stories"}
