"""Claims on the finished small project, on planted tables, and the reference against the published tables it rests on."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr, t

from analysis.claims import claims, pair_evidence, power, reference, rules, single_evidence, text_evidence
from analysis.claims.known import Known
from analysis.claims.protocols import OTHER, PAPER, SAME
from analysis.claims.rules import EXPLAINED, FAILS, HOLDS, NOT_TESTABLE, PASSAGES, UNDECIDED, VALENCE
from pipeline import opening
from pipeline.errors import InputError
from pipeline.params.whole import Params
from pipeline.schemas.confounds import CONFOUNDS
from pipeline.schemas.reference import KINDS
from pipeline.store import provenance
from tests.conftest import ROOT, copy_sources

REFERENCE = ROOT / "data/reference"
A, B = "tiny-llama-3.2", "tiny-qwen2.5"
T = 24


@pytest.fixture
def known(in_finished):
    return claims.load_known(Params.load())


def planted(known, **tables):
    """The same run with some tables changed."""
    return Known({**known.tables, **tables}, known.params, known.entries)


def claim(name):
    return next(c for c in reference.load(0.1) if c.name == name)


def rows_of(known, name):
    return {row["protocol"]: row for row in claims.rows(known, [claim(name)])}


# --- the reference -------------------------------------------------------------------------------------------------------


def test_every_claim_of_the_reference_has_its_evidence_and_no_other(in_finished):
    assert {c.name for c in reference.load(0.1)} == set(claims.EVIDENCE)


def test_the_claims_figures_are_those_of_the_published_tables():
    text = dict(pl.read_csv(REFERENCE / "claims.csv").select("claim", "published").iter_rows())
    mature = dict(pl.read_csv(REFERENCE / "paper_maturity.csv").iter_rows())
    family = {m: next(f for f in mature if m.startswith(f.removesuffix("-3"))) for m in geometry()["model"]}
    grid = [(a, b, rho) for a, b, rho in pl.read_csv(REFERENCE / "paper_rsa_grid.csv").iter_rows()]
    sound = [(family[a], family[b], rho) for a, b, rho in grid if mature[family[a]] and mature[family[b]]]
    across = [rho for a, b, rho in sound if a != b]
    apart = [rho for a, b, rho in sound if a != b and {a, b} != {"llama-3.1", "llama-3.2"}]
    same = [rho for a, b, rho in sound if a == b]
    assert text["pairs"] == f"{min(across):.2f} to {max(across):.2f}"
    assert text["pairs_without_llama"] == f"{min(apart):.2f} to {max(apart):.2f}"
    assert text["base_instruct"] == f"{min(same):.2f} to {max(same):.2f}"[:12]
    (qwen,) = (r for a, b, r in grid if {a, b} == {"qwen2.5-1.5b-instruct", "llama-3.2-3b-instruct"})
    assert text["opposite_behaviour"] == f"{qwen:.2f}"
    for claim, column in (("size_anisotropy", "anisotropy"), ("size_rdm_std", "rdm_std")):
        rho = spearmanr(geometry()["params_billion"], geometry()[column]).statistic
        assert text[claim] == f"{rho:.2f}, computed from its table"
    base = geometry().filter(model="gemma-3-1b-pt").row(0, named=True)
    assert (text["gemma_anisotropy"], text["gemma_rdm_std"]) == (f"{base['anisotropy']:.3f}", f"{base['rdm_std']:.3f}")
    confounds = pl.read_csv(REFERENCE / "paper_confounds.csv")
    for claim in ("method_clean", "method_loose", "subparameters", "precision"):
        values = confounds.filter(layer=claim)["spearman"]
        assert text[claim] == "; ".join(f"{v:.2f}" for v in values)


def geometry():
    return pl.read_csv(REFERENCE / "paper_geometry.csv")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">= 0.74", (0.735, 1.2), (0.7349,)),  # as a table rounds
        (">= exactly 0.70", (0.70,), (0.697,)),  # a limit that was stated
        ("< exactly 0.70", (0.699,), (0.70,)),
        ("< 0.74", (0.7349,), (0.735,)),
        ("<= 0.36", (0.365, -1.0), (0.3651,)),
        ("= 0.997", (0.9965, 0.9975), (0.9964, 0.998)),
        ("= 1", (1.0,), (0.999, 1.001)),
        ("> 0", (1e-9,), (0.0,)),
        (">= 1 - margin", (0.9,), (0.899,)),
        ("< 1 - margin", (0.899,), (0.9,)),
        (">= margin", (0.1,), (0.099,)),
    ],
)
def test_a_side_is_read_as_its_figure_is_printed(text, inside, outside):
    side = reference.parse(text, 0.1, rules.OTHER)
    assert all(side.where(x, x) == HOLDS for x in inside)
    assert all(side.where(x, x) == FAILS for x in outside)


def test_a_side_that_is_none_is_named():
    with pytest.raises(InputError, match="'about 0.7' is no side; write >=, <="):
        reference.parse("about 0.7", 0.1, rules.OTHER)


def test_a_side_that_the_evidence_judges_and_that_is_empty_is_named_with_its_column(known):
    for name, other, column in (("gemma_regime", None, "side"), ("new_lineage", claim("pairs").side, "side_on_other_stories")):
        own = replace(claim(name), side=other, other=None)
        with pytest.raises(InputError, match=rf"claims.csv: the claim '{name}': {column} is empty, and its evidence judges it"):
            claims.EVIDENCE[name](known, own)


def test_a_reference_that_is_none_is_named_where_nobody_planned(tmp_path):
    (tmp_path / "claims.csv").write_text("claim,kind\npairs,paper\n")
    with pytest.raises(InputError, match=r"claims.csv: no column text, source, published, side, side_on_other_stories; it has"):
        reference.load(0.1, tmp_path / "claims.csv")


# --- the small project ---------------------------------------------------------------------------------------------------


def test_every_claim_has_a_verdict_and_a_reason_where_it_has_no_number(known):
    table = opening.table("claims")
    assert set(table["claim"]) == set(claims.EVIDENCE)
    verdicts = {HOLDS, FAILS, UNDECIDED, NOT_TESTABLE}
    assert all(v in verdicts or v.startswith(EXPLAINED) for v in table["verdict"])
    lost = table.filter(verdict=NOT_TESTABLE)
    assert lost["why"].null_count() == lost["claim"].n_unique() - lost.height == 0  # one row for what cannot be judged
    assert table["rules"].n_unique() == 1
    order = table.sort("order")["verdict"].to_list()
    judged = table.height - lost.height
    assert NOT_TESTABLE not in order[:judged]
    assert judged > 5  # two immature models, which were asked nothing
    assert set(table["kind"]) == set(KINDS)


def test_another_rule_or_side_gives_another_digest_and_other_words_do_not(known, monkeypatch):
    every = reference.load(0.1)
    before = claims.digest_of(known.params, every)
    params = known.params.model_copy(update={"rsa": known.params.rsa.model_copy(update={"equivalence": 0.2})})
    assert claims.digest_of(params, every) != before
    assert claims.digest_of(known.params, reference.load(0.2)) != before
    monkeypatch.setattr(claims, "of_code", lambda: "other code")
    assert claims.digest_of(known.params, every) != before
    monkeypatch.undo()
    worded = [c.__class__(**{**vars(c), "text": "in other words"}) for c in every]
    assert claims.digest_of(known.params, worded) == before


def test_code_that_judges_otherwise_has_another_digest_and_a_comment_none(tmp_path, monkeypatch):
    copy_sources(tmp_path)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def digest():
        return claims.of_code.__wrapped__()

    before = digest()
    rules_py = tmp_path / "analysis/claims/rules.py"
    with rules_py.open("a") as file:
        file.write("\n# a comment\n")
    assert digest() == before == claims.of_code()
    rules_py.write_text(rules_py.read_text().replace("lowest_own: float = 0.3", "lowest_own: float = 0.2"))
    assert digest() != before


# --- pairs, planted ------------------------------------------------------------------------------------------------------


def jackknife(value, half, rng):
    """Values without each of T topics whose 95% interval around `value` has this half-width."""
    z = rng.normal(size=T)
    z -= z.mean()
    se = half / t.ppf(0.975, T - 1)
    return (value + z * se / np.sqrt((T - 1) / T * np.square(z).sum())).tolist()


def world(known, truths, rng, left=(0.3, 0.1), within=(0.5, 0.1), removed=(0.5, 0.1), mature=True):
    """Tables of a run whose models m0, m1, ... have the planted (rho_dis, half-width) for each of their pairs, and as planted
    what is left beyond words and without valence."""
    n = next(k for k in range(2, 30) if k * (k - 1) // 2 >= len(truths))
    models = [f"m{i}" for i in range(n)]
    pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]][: len(truths)]
    base = {"seed_a": None, "seed_b": None, "setting_a": "stories", "setting_b": "stories", "kind": "two lineages"}
    base |= {"precision_a": "fp32", "precision_b": "fp32", "is_reference": True, "position": "mean50", "is_headline": True}
    made, beyond = [], []
    for (a, b), (value, half) in zip(pairs, truths, strict=True):
        own = base | {"model_a": a, "model_b": b, "rho_dis": value, "reason": None if value is not None else "b: noise"}
        own["rho_dis_jackknife"] = None if value is None else jackknife(value, half, rng)
        for name, (x, h) in (("within_sign", within), ("valence_removed", removed)):
            own |= {name: x, f"{name}_jackknife": jackknife(x, h, rng)}
        made.append(own)
        d = {k: own[k] for k in own if k.endswith(("_a", "_b", "position"))} | {"control": "words:tfidf", "reason": None}
        beyond.append(d | {"left": left[0], "left_jackknife": jackknife(left[0], left[1], rng)})
    as_table = {name: known.tables[name].schema for name in ("pairs", "beyond")}
    entry = known.entries[A]
    entries = {m: entry.model_copy(update={"family": m, "lineage": m}) for m in models}
    of = pl.DataFrame({"family": models, "mature": [mature] * n, "decides": [True] * n})
    params = known.params.model_copy(update={"read": known.params.read.model_copy(update={"models": models})})
    tables = {
        "pairs": pl.DataFrame([dict.fromkeys(as_table["pairs"]) | r for r in made], schema=as_table["pairs"]),
        "beyond": pl.DataFrame([dict.fromkeys(as_table["beyond"]) | r for r in beyond], schema=as_table["beyond"]),
        "maturity": of,
    }
    return Known(known.tables | tables, params, entries)


@pytest.mark.parametrize(
    ("truths", "more", "expected"),
    [
        ([(0.90, 0.05)], {}, HOLDS),
        ([(0.50, 0.05)], {}, FAILS),
        ([(0.70, 0.10)], {}, UNDECIDED),
        ([(0.90, 0.05)], {"left": (0.0, 0.05)}, EXPLAINED + "words:tfidf"),
        ([(0.90, 0.05)], {"left": (0.1, 0.10)}, UNDECIDED),
        ([(0.90, 0.05)], {"within": (0.0, 0.05)}, EXPLAINED + VALENCE),
        ([(0.90, 0.05)], {"removed": (0.2, 0.30)}, UNDECIDED),
        ([(0.50, 0.05)], {"left": (0.0, 0.05)}, FAILS),  # what does not hold needs no explanation
        ([(0.90, 0.05), (0.88, 0.05), (0.50, 0.05)], {}, FAILS),
        ([(0.90, 0.05), (None, None), (0.90, 0.05)], {}, UNDECIDED),  # "every" includes what cannot be judged
        ([(0.90, 0.05), (None, None), (0.50, 0.05)], {}, FAILS),
        ([(0.90, 0.05)], {"mature": False}, NOT_TESTABLE),
    ],
)
def test_a_planted_run_gets_its_verdict(known, rng, truths, more, expected):
    run = world(known, truths, rng, **more)
    found = {j.protocol: j for j in pair_evidence.across_families(run, claim("pairs"))}[OTHER]
    assert found.verdict.verdict == expected
    if expected not in (NOT_TESTABLE,):
        assert found.number.n + found.number.n_unknown == len(truths)


def at_two_positions(known, rng, here, there):
    """A run with a pair whose rho_dis is `here` at the report's position, `there` at the last token: (value, half-width)."""
    own, last = world(known, [here], rng), world(known, [there], rng)
    tables = {
        name: pl.concat([own.tables[name], last.tables[name].with_columns(*elsewhere)])
        for name, elsewhere in (
            ("pairs", (pl.lit("last").alias("position"), pl.lit(False).alias("is_headline"))),
            ("beyond", (pl.lit("last").alias("position"), pl.lit(0.0).alias("left"))),
        )
    }
    at_last = pl.col("position") == "last"
    nothing = pl.lit(pl.Series([jackknife(0.0, 0.05, rng)]).first())
    tables["beyond"] = tables["beyond"].with_columns(
        pl.when(at_last).then(nothing).otherwise("left_jackknife").alias("left_jackknife")
    )
    return planted(own, **tables)


def test_a_claim_about_pairs_is_judged_at_every_position_by_the_numbers_and_controls_of_that_position(known, rng):
    assert known.params.geometry.positions == ["last", "mean50"]
    run = at_two_positions(known, rng, (0.90, 0.05), (0.95, 0.02))
    found = rows_of(run, "any_pair")
    assert (found[OTHER]["verdict"], found[OTHER]["estimate"]) == (HOLDS, 0.90)
    assert (found["other stories, last"]["verdict"], found["other stories, last"]["estimate"]) == (
        EXPLAINED + "words:tfidf",
        0.95,
    )
    assert found["other stories, last"]["at_least"] == found[OTHER]["at_least"]
    one = run.params.model_copy(update={"geometry": run.params.geometry.model_copy(update={"positions": ["mean50"]})})
    assert {*rows_of(replace(run, params=one), "any_pair")} == {*found} - {"other stories, last"}


def test_what_cannot_be_judged_at_the_reports_position_is_said_beside_what_another_gives(known, rng):
    run = at_two_positions(known, rng, (None, None), (0.50, 0.05))
    lost = run.tables["beyond"].with_columns(
        pl.when(pl.col("position") == "last").then("left").otherwise(None).alias("left"),
        pl.when(pl.col("position") == "last").then("left_jackknife").otherwise(None).alias("left_jackknife"),
    )
    found = rows_of(planted(run, beyond=lost), "beyond_words")
    assert {p: row["verdict"] for p, row in found.items()} == {"other stories, last": FAILS, OTHER: NOT_TESTABLE}
    assert found[OTHER]["why"] == "no reader of words has a geometry that could be told from noise"


def on_the_same_stories(run, *triples):
    """The run with rho_same, its interval's ends and the floor of each pair."""
    names = ("rho_same", "rho_same_low", "rho_same_high", "floor_95")
    columns = [pl.Series(name, [t[i] for t in triples], dtype=pl.Float64) for i, name in enumerate(names)]
    columns.append(pl.lit(T, pl.Int64).alias("n_units"))
    return planted(run, pairs=run.tables["pairs"].with_columns(columns))


@pytest.mark.parametrize(
    ("rows", "more", "expected", "estimate"),
    [
        ([(0.90, 0.85, 0.94, 0.7)], {}, HOLDS, 0.90),
        ([(0.60, 0.55, 0.65, 0.7)], {}, FAILS, 0.60),
        ([(0.76, 0.70, 0.81, 0.7)], {}, UNDECIDED, 0.76),
        ([(0.90, 0.85, 0.94, 0.7)], {"left": (0.0, 0.05)}, EXPLAINED + "words:tfidf", 0.90),
        ([(0.90, 0.85, 0.94, 0.7)] * 2 + [(0.60, 0.55, 0.65, 0.6)], {}, FAILS, 0.60),  # one that lies far below is enough
        ([(0.90, 0.85, 0.94, 0.7)] * 2 + [(0.70, 0.68, 0.73, 0.6)], {}, UNDECIDED, 0.70),  # one of three just below is chance
        ([(0.90, 0.85, 0.94, 0.7)] * 2 + [(None, None, None, None)], {}, UNDECIDED, 0.90),
    ],
)
def test_a_claim_of_similarity_is_judged_on_the_published_scale_too(known, rng, rows, more, expected, estimate):
    run = on_the_same_stories(world(known, [(0.95, 0.01)] * len(rows), rng, **more), *rows)
    found = {j.protocol: j for j in pair_evidence.any_pair(run, claim("any_pair"))}[SAME]
    assert (found.verdict.verdict, found.number.estimate) == (expected, estimate)
    assert found.number.scale == rules.SAME


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0.4, 0.001, 0.6), (0.2, 0.04, 0.4)], HOLDS),
        ([(0.4, 0.001, 0.6), (0.2, 0.20, 0.4)], UNDECIDED),
        ([(0.4, 0.001, 0.6), (0.01, 0.40, 0.05)], FAILS),  # neither found nor above the margin
        ([(0.1, 0.45, 0.40), (0.01, 0.40, 0.05)], FAILS),
        ([(0.4, 0.001, 0.6), (None, None, None)], UNDECIDED),
    ],
)
def test_every_pair_must_be_found_across_texts_by_permutation_and_shuffled_labels_on_the_same_texts_decide_nothing(
    known, rng, rows, expected
):
    run = world(known, [(0.95, 0.01)] * 3, rng)
    names = ("rho_cross", "p_cross", "rho_cross_high")
    numbers = [pl.Series(name, [r[n] for r in rows], dtype=pl.Float64) for n, name in enumerate(names)]
    pairs = run.tables["pairs"].head(len(rows)).with_columns(*numbers, rho_same=0.5, floor_95=0.9)
    run = Known(run.tables | {"pairs": pairs}, run.params, run.entries)
    found = {j.protocol: j for j in pair_evidence.emotions(run, claim("emotions"))}
    assert set(found) == {PAPER, OTHER}
    assert found[OTHER].verdict.verdict == expected
    if expected == FAILS:
        assert found[OTHER].number.estimate == 0.01  # of the pair that fails it, not of the largest p


def test_forty_five_pairs_at_the_border_fall_rarely(known, rng):
    """Judged pair by pair, the lowest of many estimates at the border falls in a quarter of all runs."""
    fallen = 0
    for _ in range(60):
        shared = rng.normal(size=T) * 0.02
        values = 0.695 + shared.mean() + 0.01 * rng.normal(size=45)
        run = world(known, [(float(v), 0.03) for v in values], rng)
        found = {j.protocol: j for j in pair_evidence.across_lineages(run, claim("pairs_without_llama"))}[OTHER]
        fallen += found.verdict.verdict == FAILS
    assert fallen <= 6


def test_a_new_lineage_needs_three_and_is_predicted_with_the_spread_of_those_at_hand(known, rng):
    two = pair_evidence.new_lineage(world(known, [(0.95, 0.01)], rng), claim("new_lineage"))[0]
    assert (two.verdict.verdict, two.verdict.why) == (NOT_TESTABLE, "2 lineages; three are needed, and a number of every two")
    alike = pair_evidence.new_lineage(world(known, [(0.95, 0.01)] * 6, rng), claim("new_lineage"))[0]
    assert alike.verdict.verdict == HOLDS
    spread = [(x, 0.01) for x in (0.95, 0.95, 0.72, 0.95, 0.72, 0.72)]
    apart = pair_evidence.new_lineage(world(known, spread, rng), claim("new_lineage"))[0]
    assert apart.number.low < 0.7
    assert apart.verdict.verdict == UNDECIDED
    # with m3 the others have no number: a prediction from three of four would be the surer for it
    lost = [(None, None) if k in (2, 4, 5) else (0.95, 0.01) for k in range(6)]
    unread = pair_evidence.new_lineage(world(known, lost, rng), claim("new_lineage"))[0]
    assert (unread.verdict.verdict, unread.verdict.why[:10]) == (NOT_TESTABLE, "4 lineages")


@pytest.mark.parametrize(
    ("truths", "verdict", "new"),
    [
        ([(0.9, 0.03)] * 3, HOLDS, NOT_TESTABLE),
        ([(0.9, 0.03), (0.3, 0.05), (0.3, 0.05)], UNDECIDED, NOT_TESTABLE),
        ([(0.3, 0.03), (0.9, 0.05), (0.9, 0.05)], FAILS, NOT_TESTABLE),
        ([(0.95, 0.01)] * 6, HOLDS, HOLDS),
        ([(0.95, 0.01)] * 2 + [(0.72, 0.01)] + [(0.95, 0.01), (0.72, 0.01), (0.72, 0.01)], HOLDS, UNDECIDED),
    ],
)
def test_a_family_of_which_nobody_knows_whether_it_is_mature_may_be_the_one_that_differs(known, rng, truths, verdict, new):
    """The last family has no twin. Its pairs cannot leave "every two mature models" without a word."""
    run = world(known, truths, rng)
    models = run.tables["maturity"].height
    mature = run.tables["maturity"].with_columns(mature=pl.Series([True] * (models - 1) + [None]))
    run = planted(run, maturity=mature)
    found = {j.protocol: j for j in pair_evidence.across_lineages(run, claim("pairs_without_llama"))}[OTHER]
    assert found.verdict.verdict == verdict
    if found.verdict.verdict == UNDECIDED:
        assert "it is not known of every family whether it is mature" in found.verdict.why
    assert pair_evidence.new_lineage(run, claim("new_lineage"))[0].verdict.verdict == new
    immature = planted(run, maturity=mature.with_columns(pl.col("mature").fill_null(False)))
    left_out = {j.protocol: j for j in pair_evidence.across_lineages(immature, claim("pairs_without_llama"))}[OTHER]
    assert left_out.verdict.verdict == (FAILS if truths[0][0] == 0.3 else HOLDS)


def test_a_similarity_beside_which_no_control_was_read_may_be_anyones(known, rng):
    run = world(known, [(0.90, 0.05)], rng)
    alone = planted(run, beyond=run.tables["beyond"].clear())
    found = {j.protocol: j for j in pair_evidence.any_pair(alone, claim("any_pair"))}[OTHER]
    assert (found.verdict.verdict, found.verdict.why) == (
        UNDECIDED,
        "words, or a network without training, may explain it",
    )


@pytest.mark.parametrize(
    ("within", "removed", "expected"),
    [((0.4, 0.1), (0.5, 0.1), HOLDS), ((0.0, 0.2), (0.5, 0.1), UNDECIDED), ((0.4, 0.1), (-0.3, 0.1), FAILS)],
)
def test_valence_alone_is_a_row(known, rng, within, removed, expected):
    found = pair_evidence.valence(world(known, [(0.9, 0.05)], rng, within=within, removed=removed), claim("valence"))[0]
    assert found.verdict.verdict == expected


@pytest.mark.parametrize(("left", "expected"), [((0.3, 0.1), HOLDS), ((0.0, 0.05), FAILS), ((0.1, 0.1), UNDECIDED)])
def test_what_is_more_than_words_is_a_row(known, rng, left, expected):
    found = pair_evidence.beyond_words(world(known, [(0.9, 0.05)], rng, left=left), claim("beyond_words"))[0]
    assert found.verdict.verdict == expected
    assert "beyond tfidf" in found.number.about


@pytest.mark.parametrize(("value", "expected"), [(0.92, FAILS), (0.30, HOLDS), (0.70, UNDECIDED)])
def test_words_that_reach_the_published_range_are_a_row(known, rng, value, expected):
    run = world(known, [(value, 0.05), (0.2, 0.05), (0.1, 0.05)], rng)
    ends = {"rho_same": value, "rho_same_low": value - 0.05, "rho_same_high": value + 0.05}
    ends |= {"n_units": T}
    pairs = run.tables["pairs"].with_columns(pl.lit("words").alias("kind"), *(pl.lit(v).alias(k) for k, v in ends.items()))
    found = {j.protocol: j for j in pair_evidence.words(planted(run, pairs=pairs), claim("words"))}
    assert found[OTHER].verdict.verdict == expected
    assert found[OTHER].number.estimate == value
    assert found[SAME].verdict.verdict == expected


def test_what_could_not_be_judged_leaves_every_kind_of_claim_open(known, rng):
    """Before: it was left out, and the claim held on what was known."""
    run = world(known, [(0.30, 0.05), (0.2, 0.05), (None, None)], rng)
    words = planted(run, pairs=run.tables["pairs"].with_columns(pl.lit("words").alias("kind")))
    found = {j.protocol: j for j in pair_evidence.words(words, claim("words"))}[OTHER]
    assert (found.verdict.verdict, found.number.n_unknown) == (UNDECIDED, 1)
    own = run.tables["pairs"].with_columns(
        pl.lit("one model").alias("kind"), pl.col("model_a").alias("model_b"), pl.lit("int8").alias("precision_b")
    )
    found = text_evidence.of_precision(planted(run, pairs=own), claim("precision").other)
    assert (found.verdict.verdict, found.number.n_unknown) == (UNDECIDED, 1)
    beyond = world(known, [(0.9, 0.05)] * 3, rng, left=(0.3, 0.1))
    first = pl.int_range(pl.len()) == 0
    lost = [pl.when(first).then(None).otherwise(c).alias(c) for c in ("left", "left_jackknife")]
    lost = planted(beyond, beyond=beyond.tables["beyond"].with_columns(lost))
    assert pair_evidence.beyond_words(beyond, claim("beyond_words"))[0].verdict.verdict == HOLDS
    assert pair_evidence.beyond_words(lost, claim("beyond_words"))[0].verdict.verdict == UNDECIDED
    row = {"model": "m", "spearman": 0.2, "permuted_95": 0.12, "ceiling": 0.8, "reason": None}
    unread = row | {"model": "n", "spearman": None, "reason": "not written"}
    assert text_evidence.as_published([row, unread], claim("method_clean").side).verdict.verdict == UNDECIDED
    assert text_evidence.as_published([row | {"spearman": 0.9}, unread], claim("method_clean").side).verdict.verdict == FAILS


def test_input_embeddings_are_no_members_of_a_claim_that_names_two_models(known):
    """The first rule counted pairs with their input embeddings: four numbers, of which two do not hold."""
    named = [{r["model_a"], r["model_b"]} == {A, B} for r in known.pairs]
    assert sum(named) > 4
    (other,) = (j for j in pair_evidence.of_named(known, claim("opposite_behaviour"), A, B) if j.protocol == OTHER)
    assert other.number.n + other.number.n_unknown == 1


def test_an_immature_family_must_lie_further_apart_than_the_mature(known, rng):
    run = world(known, [(0.2, 0.05), (0.5, 0.05), (0.5, 0.05), (0.5, 0.05), (0.5, 0.05), (0.95, 0.05)], rng)
    families = dict(zip(run.trained, ("x", "x", "y", "y"), strict=True))
    tuning = dict(zip(run.trained, ("base", "instruct") * 2, strict=True))
    entries = {m: e.model_copy(update={"family": families[m], "tuning": tuning[m]}) for m, e in run.entries.items()}
    maturity = pl.DataFrame({"family": ["x", "y"], "mature": [False, True], "decides": [True, True]})
    run = Known(run.tables | {"maturity": maturity}, run.params, entries)
    found = {j.protocol: j for j in pair_evidence.restructured(run, claim("immature_restructured"))}
    assert found[OTHER].verdict.verdict == HOLDS
    assert found[OTHER].number.estimate == pytest.approx(0.75, abs=0.01)
    unsure = Known(run.tables | {"maturity": maturity.with_columns(mature=pl.Series([None, True]))}, run.params, entries)
    assert {j.verdict.verdict for j in pair_evidence.restructured(unsure, claim("immature_restructured"))} == {NOT_TESTABLE}
    swapped = Known(run.tables | {"maturity": maturity.with_columns(~pl.col("mature"))}, run.params, entries)
    found = {j.protocol: j for j in pair_evidence.restructured(swapped, claim("immature_restructured"))}
    assert found[OTHER].verdict.verdict == FAILS


# --- the published protocol ----------------------------------------------------------------------------------------------


def mature(known, value=True):
    """The two tiny models as mature base models of two families."""
    return known.tables["maturity"].with_columns(pl.lit(value).alias("mature"), pl.lit(True).alias("decides"))


@pytest.mark.parametrize(
    ("same", "across", "p", "own", "expected"),
    [
        (0.90, 0.50, 0.001, 0.5, HOLDS),
        (0.50, 0.50, 0.001, 0.5, FAILS),
        (0.90, 0.02, 0.400, 0.5, EXPLAINED + PASSAGES),
        (0.90, 0.02, 0.400, 0.1, UNDECIDED),
    ],
)
def test_three_passages_are_judged_by_what_is_found_across_them(known, same, across, p, own, expected):
    numbers = {"spearman": same, "across": across, "p_across": p, "own_a": own, "own_b": own, "floor_95": 0.7}
    pairs = known.tables["paper_pairs"].with_columns(pl.lit(v).alias(name) for name, v in numbers.items())
    run = planted(known, paper_pairs=pairs, maturity=mature(known))
    found = rows_of(run, "pairs")[PAPER]
    assert (found["verdict"], found["n"]) == (expected, 1)  # one pair, not one for each precision
    assert found["estimate"] == same
    of_labels = rows_of(run, "emotions")[PAPER]  # across passages, whatever labels that mean nothing give on the same ones
    assert of_labels["verdict"] == (HOLDS if p < 0.05 else UNDECIDED)
    assert of_labels["estimate"] == across


@pytest.mark.parametrize(
    ("of_a", "of_b", "expected"),
    [
        ((0.12, 0.03), (0.30, 0.04), FAILS),
        ((0.45, 0.04), (0.90, 0.01), UNDECIDED),  # .5 is within what other topics may give
        ((0.70, 0.03), (0.80, 0.03), HOLDS),
        ((0.70, 0.03), (None, None), UNDECIDED),  # of one model nobody knows
        ((0.12, 0.03), (None, None), FAILS),
    ],
)
def test_whether_three_passages_measure_a_geometry_is_judged_by_the_least_reliable_model_and_its_interval(
    known, of_a, of_b, expected
):
    of = {A: of_a, B: of_b}
    paper = known.tables["paper"].with_columns(
        *[
            pl.col("model").replace_strict({m: own[n] for m, own in of.items()}, default=None).cast(pl.Float64).alias(name)
            for n, name in enumerate(("reliability_three", "reliability_three_se"))
        ],
        pl.when(pl.col("n_units") > 3).then(24).otherwise("n_units").alias("n_units"),
    )
    found = rows_of(planted(known, paper=paper), "three_passages")[PAPER]
    assert found["verdict"] == expected
    assert found["about"].startswith(A)
    value, se = of_a
    k = 2 if of_b[0] is not None else 1
    assert found["estimate"] == value
    assert found["ci_low"] == pytest.approx(value - t.ppf(0.975, 23) * se)
    assert found["ci_high"] == pytest.approx(value + t.ppf(1 - 0.025 / k, 23) * se)  # a statement about both


def test_a_precision_that_loses_a_models_states_does_not_stand_for_it(known):
    """The published protocol is at fp16. Where fp16 overflows, its geometry is no model's, and the pair is judged at fp32."""
    rho = {"fp16": 0.9, "fp32": 0.5}
    pairs = known.tables["paper_pairs"].with_columns(pl.col("precision_a").replace_strict(rho, default=None).alias("spearman"))
    known = planted(known, paper_pairs=pairs)
    found = rows_of(known, "any_pair")[PAPER]
    assert (found["estimate"], found["about"][-6:]) == (rho["fp16"], ", fp16")
    of_b = (pl.col("model") == B) & (pl.col("precision") == "fp16")
    lost = known.tables["paper"].with_columns(pl.when(of_b).then(1).otherwise("n_finite_layers").alias("n_finite_layers"))
    found = rows_of(planted(known, paper=lost), "any_pair")[PAPER]
    assert (found["estimate"], found["about"][-6:]) == (rho["fp32"], ", fp32")


# --- one model -----------------------------------------------------------------------------------------------------------


def sure_of(paper, name, where, value):
    """Rows with a figure, and nearly the same without each unit."""
    n = paper.filter(where)[f"{name}_jackknife"].list.len()[0]
    without = pl.Series([[value + 1e-4 * k for k in range(n)]])
    return paper.with_columns(
        pl.when(where).then(pl.lit(without.first())).otherwise(f"{name}_jackknife").alias(f"{name}_jackknife"),
        pl.when(where).then(value).otherwise(name).alias(name),
    )


def gemma(known, n_units=3, **columns):
    """The first model as Gemma-3 base; `columns` of its rows of `paper` on so many passages, by precision."""
    entries = {A: known.entries[A].model_copy(update={"family": "gemma-3", "tuning": "base"}), B: known.entries[B]}
    paper = known.tables["paper"]
    for name, by_precision in columns.items():
        for precision, value in by_precision.items():
            own = (pl.col("model") == A) & (pl.col("precision") == precision) & (pl.col("n_units") == n_units)
            paper = paper.with_columns(pl.when(own).then(value).otherwise(name).cast(paper.schema[name]).alias(name))
            if f"{name}_jackknife" in paper.columns:
                paper = sure_of(paper, name, own, value)
    return Known(known.tables | {"paper": paper}, known.params, known.entries | entries)


def test_a_sibling_stands_for_the_published_outlier_and_is_named(known):
    other = known.tables["paper"].filter(model=B, precision="fp16", n_units=3)["rdm_std"][0]
    found = single_evidence.outlier(gemma(known, rdm_std={"fp16": 0.9}), claim("gemma_rdm_std"), "rdm_std")[0]
    assert found.verdict.verdict == HOLDS
    assert found.number.estimate == pytest.approx(0.9 - other)
    assert "a sibling of gemma-3-1b-pt" in found.number.about
    low = single_evidence.outlier(gemma(known, rdm_std={"fp16": 0.0}), claim("gemma_rdm_std"), "rdm_std")[0]
    assert low.verdict.verdict == FAILS
    assert single_evidence.outlier(known, claim("gemma_rdm_std"), "rdm_std")[0].verdict.verdict == NOT_TESTABLE


@pytest.mark.parametrize(
    ("finite", "layers", "spread", "expected"),
    [
        ((2, 4), (0, 2), (0.5, 0.2), HOLDS),
        ((4, 4), (0, 2), (0.5, 0.2), FAILS),  # nothing is lost
        ((2, 4), (2, 2), (0.5, 0.2), FAILS),  # the layer is the same
        ((2, 4), (0, 2), (0.2, 0.2), FAILS),  # and so is the spread
        ((2, 3), (0, 2), (0.5, 0.2), FAILS),  # the wide format does not hold it either
    ],
)
def test_the_outlier_is_overflow_where_a_wide_format_has_neither_its_layer_nor_its_spread(
    known, finite, layers, spread, expected
):
    values = {"n_finite_layers": finite, "layer": layers, "rdm_std": spread}
    both = {name: dict(zip(("fp16", "fp32"), own, strict=True)) for name, own in values.items()}
    run = gemma(known, n_layers={"fp16": 4, "fp32": 4}, **both)
    (found,) = single_evidence.overflow(run, claim("gemma_overflow"))
    # on six texts of each label nothing is lost
    assert found.verdict.verdict == (UNDECIDED if expected == HOLDS else expected)
    run = gemma(run, n_units=6, n_layers={"fp16": 4, "fp32": 4}, **both)
    (found,) = single_evidence.overflow(run, claim("gemma_overflow"))
    assert found.verdict.verdict == expected


@pytest.mark.parametrize(
    ("wide", "expected", "found"), [((0.1, 0.1), HOLDS, 0), ((0.9999, 0.1), FAILS, 1), ((0.9999, 0.9), FAILS, 2)]
)
def test_a_format_that_holds_its_states_may_leave_it_an_outlier(known, wide, expected, found):
    """fp16's states may make the spread, and the model still be above all others where nothing is lost."""
    run = gemma(known, anisotropy={"fp32": wide[0]}, rdm_std={"fp32": wide[1]})
    others = pl.col("model") == B
    paper = run.tables["paper"].with_columns(pl.when(others).then(0.5).otherwise(c).alias(c) for c in ("anisotropy", "rdm_std"))
    (judged,) = single_evidence.still_outlier(planted(run, paper=paper), claim("gemma_wide"))
    assert (judged.verdict.verdict, judged.number.estimate) == (expected, found)
    assert f"anisotropy {wide[0]:.3f}, {B} 0.500" in judged.number.about
    assert single_evidence.still_outlier(known, claim("gemma_wide"))[0].verdict.verdict == NOT_TESTABLE


def beside(known, *others):
    """The first model as Gemma-3 base with an RDM of sd .30 at every precision; others by name, their sd and that without each
    of three topics: None, if they have none."""
    run = gemma(known)
    one = run.tables["paper"].filter(model=A, precision="fp32", n_units=3)
    rows = [(A, 0.30, [0.30, 0.30, 0.30]), *others]
    paper = pl.concat(
        one.with_columns(
            pl.lit(m).alias("model"),
            pl.lit(p).alias("precision"),
            pl.lit(sd, pl.Float64).alias("rdm_std"),
            pl.lit(pl.Series([without], dtype=pl.List(pl.Float64)).first(), pl.List(pl.Float64)).alias("rdm_std_jackknife"),
            pl.lit(0.0).alias("anisotropy"),
            pl.lit(pl.Series([[0.0, 0.0, 0.0]]).first()).alias("anisotropy_jackknife"),
        )
        for m, sd, without in rows
        for p in ("fp16", "fp32")
    )
    entries = run.entries | {m: known.entries[B] for m, _, _ in others}
    read = known.params.read.model_copy(update={"models": [m for m, _, _ in rows]})
    return Known({**run.tables, "paper": paper}, known.params.model_copy(update={"read": read}), entries)


def test_the_other_model_that_is_named_beside_an_outlier_is_the_one_whose_difference_decides(known):
    run = beside(known, ("near", 0.25, [0.25, 0.10, 0.40]), ("sure", 0.24, [0.24, 0.245, 0.235]))
    (found,) = single_evidence.outlier(run, claim("gemma_rdm_std"), "rdm_std")
    assert found.verdict.verdict == UNDECIDED  # the near one may be anywhere
    assert found.number.about.endswith("0.300, sure 0.240, the one that decides of 2")
    assert found.number.estimate == pytest.approx(0.06)


def test_a_model_is_above_all_others_only_where_none_of_them_lacks_the_figure(known):
    run = beside(known, ("sure", 0.24, [0.24, 0.24, 0.24]))
    (judged,) = single_evidence.still_outlier(run, claim("gemma_wide"))
    assert (judged.verdict.verdict, judged.number.estimate) == (FAILS, 1)
    run = beside(known, ("sure", 0.24, [0.24, 0.24, 0.24]), ("lost", None, None))
    (judged,) = single_evidence.still_outlier(run, claim("gemma_wide"))
    assert (judged.verdict.verdict, judged.number.estimate) == (UNDECIDED, 1)
    assert single_evidence.outlier(run, claim("gemma_rdm_std"), "rdm_std")[0].verdict.verdict == UNDECIDED


@pytest.mark.parametrize(("moved", "expected"), [(0, HOLDS), (2, FAILS)])
def test_a_layer_that_int8_moves_is_told_with_what_it_makes_of_the_rdm(known, moved, expected):
    of_int8 = pl.col("precision").replace("fp16", "int8")
    paper = known.tables["paper"].filter(pl.col("seed").is_null(), setting="stories").with_columns(of_int8)
    layer = pl.when((pl.col("precision") == "int8") & (pl.col("model") == B)).then(1 + moved).otherwise(1)
    pairs = known.tables["paper_pairs"].with_columns(
        pl.col("precision_b").replace("fp16", "int8"), pl.lit(0.61).alias("spearman")
    )
    run = planted(known, paper=paper.with_columns(layer.cast(pl.Int64).alias("layer")), paper_pairs=pairs)
    (found,) = single_evidence.int8_layer(run, claim("int8_layer"))
    assert (found.verdict.verdict, found.number.estimate) == (expected, moved)
    if moved:
        assert re.fullmatch(rf"{B}, \d+ texts of a label: layer 1 at fp32, 3 at int8; .* 0.61", found.number.about)
    assert single_evidence.int8_layer(known, claim("int8_layer"))[0].verdict.verdict == NOT_TESTABLE


def test_a_size_correlation_needs_four_lineages_and_is_spearmans(known, rng):
    (few,) = single_evidence.size(known, claim("size_anisotropy"), "anisotropy")
    assert few.verdict.why == "2 lineages; 4 are needed"
    names = [f"m{i}" for i in range(6)]
    one = known.tables["paper"].filter(model=A, n_units=3, precision="fp32")
    values = rng.normal(size=6)
    paper = pl.concat(
        one.with_columns(pl.lit(n).alias("model"), pl.lit(v).alias("anisotropy")) for n, v in zip(names, values, strict=True)
    )
    entry = known.entries[A]
    entries = {n: entry.model_copy(update={"parameters": 10.0**i, "lineage": n}) for i, n in enumerate(names)}
    params = known.params.model_copy(update={"read": known.params.read.model_copy(update={"models": names})})
    (found,) = single_evidence.size(Known({"paper": paper}, params, entries), claim("size_anisotropy"), "anisotropy")
    assert found.number.estimate == pytest.approx(spearmanr(range(6), values).statistic)
    assert found.number.low < found.number.estimate < found.number.high
    assert (found.number.about, found.number.n) == ("6 models of 6 lineages", 1)  # one number, and no statement about each


@pytest.mark.parametrize(("n", "expected"), [(4, NOT_TESTABLE), (5, HOLDS)])
def test_an_order_that_no_lineage_moves_holds_only_where_chance_gives_it_rarely(known, n, expected):
    """All deletions of a perfect order are alike: a jackknife of no width. Of four lineages one order in 24 is that one."""
    names = [f"m{i}" for i in range(n)]
    one = known.tables["paper"].filter(model=A, n_units=3, precision="fp32")
    paper = pl.concat(
        one.with_columns(pl.lit(name).alias("model"), pl.lit(0.9 - k / 1000).alias("anisotropy"))
        for k, name in enumerate(names)
    )
    entries = {m: known.entries[A].model_copy(update={"parameters": 10.0**k, "lineage": m}) for k, m in enumerate(names)}
    params = known.params.model_copy(update={"read": known.params.read.model_copy(update={"models": names})})
    (found,) = single_evidence.size(Known({"paper": paper}, params, entries), claim("size_anisotropy"), "anisotropy")
    assert (found.verdict.verdict, found.number.estimate) == (expected, pytest.approx(-1))


# --- texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spearman", "ceiling", "reason", "expected"),  # of a side up to .36; unrelated geometries come to .12
    [
        (0.20, 0.80, None, HOLDS),
        (0.60, 0.80, None, FAILS),
        (0.60, None, "reliability .1", FAILS),  # too high for chance, whatever the reliability
        (0.40, 0.80, None, UNDECIDED),  # above, by no more than chance: rounding of another machine moves so much
        (0.20, 0.30, None, UNDECIDED),  # two sides that are one would be as low
        (0.20, 0.45, None, UNDECIDED),  # or would be as low by chance
        (0.20, 0.80, "reliability .1", UNDECIDED),
        (None, None, "not written", NOT_TESTABLE),
    ],
)
def test_a_raw_rho_is_judged_beside_chance_and_a_low_one_beside_the_sides_own_agreement(spearman, ceiling, reason, expected):
    row = {"model": "m", "spearman": spearman, "permuted_95": 0.12, "ceiling": ceiling, "reason": reason}
    assert text_evidence.as_published([row], claim("method_clean").side).verdict.verdict == expected


@pytest.mark.parametrize(("b", "expected"), [((0.20, 0.05), UNDECIDED), ((0.50, 0.05), FAILS), ((0.38, 0.01), FAILS)])
def test_of_several_models_each_is_held_against_its_own_chance(b, expected):
    """One lies above the side by less than chance; another, nearer to its own, does not stand for it."""
    rows = [
        {"model": m, "spearman": rho, "permuted_95": chance, "ceiling": 0.9, "reason": None}
        for m, (rho, chance) in {"a": (0.40, 0.30), "b": b}.items()
    ]
    found = text_evidence.as_published(rows, claim("method_clean").side)
    assert found.verdict.verdict == expected
    assert found.number.about == ("b" if expected == FAILS else "a")


def test_the_highest_of_several_models_at_the_side_is_seldom_taken_to_be_above_it(rng):
    """Six models whose two geometries are unrelated: one of them lies above its own 95% in a quarter of all runs."""
    side = claim("method_loose").side
    fallen = 0
    for _ in range(400):
        rows = [
            {"model": str(k), "spearman": x, "permuted_95": 0.1645, "ceiling": 0.9, "reason": None}
            for k, x in enumerate(side.at_most + 0.1 * rng.normal(size=6))
        ]
        fallen += text_evidence.as_published(rows, side).verdict.verdict == FAILS
    assert fallen / 400 < 0.08


@pytest.mark.parametrize(("values", "expected"), [((0.97, 0.95), FAILS), ((0.7, 0.5), HOLDS), ((0.97, 0.5), FAILS)])
def test_int8_is_judged_beside_the_reference_precision_by_the_model_that_it_changes_least(known, rng, values, expected):
    """The first rule took the lowest of all precisions: a model whose states fp16 loses made int8 another geometry."""
    run = world(known, [(v, 0.02) for v in (*values, 0.1)], rng)
    own = run.tables["pairs"].with_columns(
        pl.lit("one model").alias("kind"),
        pl.Series("model_a", ["m0", "m1", "m0"]),
        pl.Series("model_b", ["m0", "m1", "m0"]),
        pl.Series("precision_a", ["fp32", "fp32", "fp16"]),
        pl.lit("int8").alias("precision_b"),
    )
    found = text_evidence.of_precision(planted(run, pairs=own), claim("precision").other)
    assert found.verdict.verdict == expected
    assert found.number.n == 2


def test_biases_need_the_two_named_models_and_an_interval(known):
    (found,) = text_evidence.opposite_bias(known, claim("cross_experiment_bias"))
    assert found.verdict.verdict == NOT_TESTABLE
    assert "mistral-7b-instruct-v0.3 and llama-3.1-8b-instruct: not read in all three" in found.verdict.why


def test_a_bias_that_a_named_model_lacks_is_told_with_its_reason(known):
    bias = known.params.confounds.model_copy(update={"bias": ["across", "precision"]})
    params = known.params.model_copy(update={"confounds": bias})
    why = "b: layer 3 is not finite in some text"
    rows = [
        CONFOUNDS.blank() | {"model": model, "comparison": c, "factor": "total", "spearman": rho, "reason": reason}
        for model, rho, reason in ((text_evidence.BIASED[0], None, why), (text_evidence.BIASED[1], 0.25, None))
        for c in ("across", "precision")
    ]
    tables = known.tables | {"confounds": pl.DataFrame(rows, schema=CONFOUNDS.columns)}
    (found,) = text_evidence.opposite_bias(Known(tables, params, known.entries), claim("cross_experiment_bias"))
    one, other = text_evidence.BIASED
    assert found.verdict.why == f"{one}: across: {why}; precision: {why}; {other} +0.00"


def conversations(flips):
    """Rows of transcripts: question i of a model is given up where flips[i]."""
    made = []
    for model, own in flips.items():
        for i, flip in enumerate(own):
            for turn, stance in enumerate((1.0, -1.0 if flip else 1.0)):
                own_turn = {"item": f"q{i}", "turn": turn, "stance": stance}
                made.append({"model": model, "precision": "fp32", "kind": "epistemic"} | own_turn)
    return made


@pytest.mark.parametrize(("more", "fewer", "expected"), [(18, 2, HOLDS), (2, 18, FAILS), (10, 9, UNDECIDED)])
def test_flip_rates_are_compared_on_the_same_questions(known, more, fewer, expected):
    schema = known.tables["transcripts"].schema
    rows = conversations({A: [i < more for i in range(20)], B: [i < fewer for i in range(20)]})
    table = pl.DataFrame([dict.fromkeys(schema) | r for r in rows], schema=schema)
    (found,) = text_evidence.flips(planted(known, transcripts=table), claim("opposite_behaviour_flips"), A, B)
    assert found.verdict.verdict == expected
    assert found.number.estimate == pytest.approx((more - fewer) / 20)
    assert "of 20 questions that both know" in found.number.about


@pytest.mark.parametrize(
    ("known_to", "said"),
    [
        ({A: [0, 1]}, f"{B}: not asked"),
        ({A: [0, 1], B: []}, f"no question is known to both {A} and {B} before a push-back"),
        ({A: [0], B: [1]}, f"no question is known to both {A} and {B} before a push-back"),
    ],
)
def test_models_that_were_asked_and_know_nothing_in_common_are_not_said_to_be_unasked(known, known_to, said):
    schema = known.tables["transcripts"].schema
    rows = conversations({model: [True, True] for model in known_to})
    for row in rows:
        if row["turn"] == 0 and int(row["item"][1:]) not in known_to[row["model"]]:
            row["stance"] = -1.0
    table = pl.DataFrame([dict.fromkeys(schema) | r for r in rows], schema=schema)
    (found,) = text_evidence.flips(planted(known, transcripts=table), claim("opposite_behaviour_flips"), A, B)
    assert (found.verdict.verdict, found.verdict.why) == (NOT_TESTABLE, said)


# --- what a run of another design is told --------------------------------------------------------------------------------


def test_chances_are_those_of_the_simulated_design_or_none(known, monkeypatch):
    monkeypatch.setattr(claims, "reaches_both_sides", lambda row: True)
    emotions, topics = power.DESIGN
    as_simulated = known.tables["geometry"].with_columns(
        n_emotions=pl.lit(emotions, pl.Int64), n_units=pl.lit(topics, pl.Int64)
    )
    assert known.design != power.DESIGN
    assert rows_of(known, "any_pair")[OTHER]["if_true"] is None
    assert rows_of(planted(known, geometry=as_simulated), "any_pair")[OTHER]["if_true"].startswith("every pair at least .7")


@pytest.mark.parametrize(
    ("name", "texts"), [("three_passages", "six stories"), ("any_pair", "three texts"), ("emotions", "three")]
)
def test_who_did_not_follow_the_published_protocol_is_told_what_it_needs(known, name, texts):
    none = {table: known.tables[table].clear() for table in ("paper", "paper_pairs")}
    judged = claims.EVIDENCE[name](planted(known, **none), claim(name))
    assert judged[0].protocol == PAPER
    assert judged[0].verdict.verdict == NOT_TESTABLE
    assert judged[0].verdict.why.startswith(texts)
    assert "read at the last token" in judged[0].verdict.why
