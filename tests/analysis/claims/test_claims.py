"""Claims on the finished small project, on planted tables, and the reference against the published tables it rests on."""

import polars as pl
import pytest
from analysis.claims.verdicts import EXPLAINED, FAILS, FLOOR, HOLDS, NOT_TESTABLE, UNDECIDED
from scipy.stats import spearmanr

from analysis.claims import claims, pair_evidence, single_evidence
from analysis.claims.pair_evidence import OTHER, PAPER, SAME, Known
from analysis.claims.rules import PASSAGES
from pipeline import opening
from pipeline.models.entries import load_entries
from pipeline.params.whole import Params
from tests.conftest import ROOT

REFERENCE = ROOT / "data/reference"
A, B = "tiny-llama-3.2", "tiny-qwen2.5"


@pytest.fixture
def known(in_finished):
    return claims.load_known(Params.load())


def planted(known, **tables):
    """The same run with some tables changed."""
    return Known({**known.tables, **tables}, known.params, known.entries)


def verdict(known, claim, protocol):
    made = claims.rows(known, claims.load_claims(REFERENCE / "claims.csv").filter(claim=claim))
    (row,) = (r for r in made if r["protocol"] == protocol)
    return row


# --- the reference -------------------------------------------------------------------------------------------------------


def test_every_claim_of_the_reference_has_its_evidence_and_no_other(in_finished):
    assert set(claims.load_claims(REFERENCE / "claims.csv")["claim"]) == set(claims.EVIDENCE)


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


# --- the small project ---------------------------------------------------------------------------------------------------


def test_every_claim_has_a_verdict_and_a_reason_where_it_has_no_number(known):
    table = opening.table("claims")
    assert set(table["claim"]) == set(claims.EVIDENCE)
    verdicts = {HOLDS, FAILS, UNDECIDED, NOT_TESTABLE}
    assert all(v in verdicts or v.startswith(EXPLAINED) for v in table["verdict"])
    assert table.filter(pl.col("estimate").is_null())["why"].null_count() == 0
    assert (table.filter(pl.col("estimate").is_null())["verdict"] == NOT_TESTABLE).all()
    assert table["rules"].n_unique() == 1


def test_another_rule_gives_another_digest(known):
    before = claims.rows(known, claims.load_claims(REFERENCE / "claims.csv"))[0]["rules"]
    params = known.params.model_copy(update={"rsa": known.params.rsa.model_copy(update={"equivalence": 0.2})})
    after = claims.rows(Known(known.tables, params, known.entries), claims.load_claims(REFERENCE / "claims.csv"))[0]["rules"]
    assert before != after


def test_another_side_gives_another_digest(known):
    sides = claims.load_claims(REFERENCE / "claims.csv")
    moved = sides.with_columns(pl.when(pl.col("claim") == "falsifier").then(0.6).otherwise("at_least").alias("at_least"))
    assert claims.digest_of(known.params, sides) != claims.digest_of(known.params, moved)
    reworded = sides.with_columns(pl.lit("in other words").alias("text"))
    assert claims.digest_of(known.params, sides) == claims.digest_of(known.params, reworded)


def mature(known, value=True):
    """The two tiny models as mature base models of two families."""
    return known.tables["maturity"].with_columns(pl.lit(value).alias("mature"), pl.lit(True).alias("decides"))


def same_pair():
    fp32 = (pl.col("precision_a") == "fp32") & (pl.col("precision_b") == "fp32")
    stories = (pl.col("setting_a") == "stories") & (pl.col("setting_b") == "stories")
    return (pl.col("model_a") == A) & (pl.col("model_b") == B) & fp32 & stories


def planted_pair(known, rho, half, floor=0.3, left=(0.3, 0.5)):
    """The run with rho_same of the two models, its floor, and what is left of them beyond words; nothing else explains."""
    ours, control = same_pair(), pl.col("control")
    rsa = known.tables["rsa"].with_columns(pl.when(ours).then(rho).otherwise("rho_same").alias("rho_same"))
    row = known.tables["intervals"].filter(ours, estimator="rho_same", position="mean50", variant="centred")
    row = row.filter(layer_rule="best_layer_cv", pairs="all", over=known.params.claims.over)
    assert row.height == 1
    intervals = row.with_columns(pl.lit(rho - half).alias("ci_low"), pl.lit(rho + half).alias("ci_high"))
    words = ours & (control == "words:tfidf")
    assert not known.tables["controls"].filter(words).is_empty()
    ends = dict(zip(("left_low", "left_high"), left, strict=True)) | {"left": sum(left) / 2}
    controls = known.tables["controls"].with_columns(
        pl.when(ours & (control == FLOOR)).then(floor).otherwise("floor_95").alias("floor_95"),
        *(pl.when(words).then(value).otherwise(None).alias(name) for name, value in ends.items()),
    )
    return planted(known, rsa=rsa, intervals=intervals, controls=controls, maturity=mature(known))


@pytest.mark.parametrize(
    ("rho", "half", "floor", "left", "expected"),
    [
        (0.90, 0.05, 0.30, (0.30, 0.50), HOLDS),
        (0.50, 0.05, 0.30, (0.30, 0.50), FAILS),
        (0.75, 0.10, 0.30, (0.30, 0.50), UNDECIDED),
        (0.90, 0.05, 0.989, (0.30, 0.50), HOLDS),  # a floor describes
        (0.90, 0.05, 0.30, (-0.05, 0.04), EXPLAINED + "words:tfidf"),
        (0.90, 0.05, 0.30, (-0.05, 0.20), UNDECIDED),
    ],
)
def test_a_planted_pair_of_mature_models_gets_its_verdict(known, rho, half, floor, left, expected):
    run = planted_pair(known, rho, half, floor, left)
    found = verdict(run, "pairs", SAME)
    assert (found["verdict"], found["estimate"], found["about"]) == (expected, rho, f"{A} x {B}")
    assert found["floor"] == floor
    assert verdict(planted(run, maturity=mature(known, False)), "pairs", SAME)["verdict"] == NOT_TESTABLE


def test_a_claim_that_names_two_models_is_about_what_they_make_of_stories(known):
    """The first rule counted pairs with their input embeddings: four numbers, of which two do not hold."""
    rows = known.tables["rsa"].filter(position="mean50", variant="centred", layer_rule="best_layer_cv", pairs="all")
    both = [{r["model_a"], r["model_b"]} == {A, B} for r in rows.iter_rows(named=True)]
    assert (rows.filter(both)["setting_a"] != "stories").any() or (rows.filter(both)["setting_b"] != "stories").any()
    found = pair_evidence.named(planted_pair(known, 0.9, 0.05), A, B)
    assert [(e.about, e.estimate) for e in found[SAME]] == [(f"{A} x {B}", 0.9)]
    assert len(found[OTHER]) == 1
    assert all(m in known.params.read.models for e in pair_evidence.emotions(known)[OTHER] for m in e.about.split(" x "))


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
    numbers = {"spearman": same, "across": across, "p_across": p, "own_a": own, "own_b": own}
    pairs = known.tables["paper_pairs"].with_columns(pl.lit(v).alias(name) for name, v in numbers.items())
    run = planted(known, paper_pairs=pairs, maturity=mature(known))
    found = verdict(run, "pairs", PAPER)
    assert (found["verdict"], found["n"]) == (expected, 1)  # one pair, not one for each precision
    assert found["about"] == f"{A} x {B}, fp16"
    assert verdict(run, "emotions", PAPER)["verdict"] == (HOLDS if same == 0.5 else expected)


def test_a_shift_of_layers_is_that_of_the_published_rule(known):
    paper = known.tables["paper"].with_columns(pl.when(pl.col("model") == A).then(0).otherwise(2).cast(pl.Int64).alias("layer"))
    found = single_evidence.layer_shift(planted(known, paper=paper), A, B)
    assert {protocol: members[0].estimate for protocol, members in found.items()} == {PAPER: 2, SAME: 2}
    assert single_evidence.layer_shift(known, A, "gone")[PAPER][0].reason == "gone was not read at fp16"


def test_a_size_correlation_needs_four_lineages_and_is_spearmans(known, rng):
    assert single_evidence.size(known, "anisotropy")[PAPER][0].reason == "2 lineages; 4 are needed"
    names = [f"m{i}" for i in range(6)]
    one = known.tables["paper"].filter(model=A, n_units=3, precision="fp32")
    values = rng.normal(size=6)
    paper = pl.concat(
        one.with_columns(pl.lit(n).alias("model"), pl.lit(v).alias("anisotropy")) for n, v in zip(names, values, strict=True)
    )
    entry = known.entries[A]
    entries = {n: entry.model_copy(update={"parameters": 10.0**i, "lineage": n}) for i, n in enumerate(names)}
    params = known.params.model_copy(update={"read": known.params.read.model_copy(update={"models": names})})
    (found,) = single_evidence.size(Known({"paper": paper}, params, entries), "anisotropy")[PAPER]
    assert found.estimate == pytest.approx(spearmanr(range(6), values).statistic)
    assert found.low < found.estimate < found.high


def test_biases_of_both_signs_are_needed(known):
    row = known.tables["confounds"].filter(comparison="bias").head(1).with_columns(pl.lit(None, pl.String).alias("reason"))
    two = pl.concat([row.with_columns(pl.lit(m).alias("model"), pl.lit(v).alias("spearman")) for m, v in ((A, 0.2), (B, -0.2))])
    assert verdict(planted(known, confounds=two), "cross_experiment_bias", PAPER)["verdict"] == HOLDS
    alike = two.with_columns(pl.col("spearman").abs())
    assert verdict(planted(known, confounds=alike), "cross_experiment_bias", PAPER)["verdict"] == FAILS
    assert verdict(planted(known, confounds=row), "cross_experiment_bias", PAPER)["verdict"] == NOT_TESTABLE


def test_flip_rates_are_held_against_each_other_with_both_their_intervals(known):
    flip = {"kind": "epistemic", "precision": "fp32", "measure": "flip", "n_items": 10, "n_counted": 10, "mean_turn": None}
    rows = [
        {**flip, "model": m, "rate": r, "ci_low": r - 0.1, "ci_high": r + 0.1, "reason": None} for m, r in ((A, 0.8), (B, 0.2))
    ]
    table = pl.DataFrame(rows, schema=known.tables["compliance"].schema)
    (found,) = single_evidence.flips(planted(known, compliance=table), A, B)[SAME]
    assert (found.estimate, found.low, found.high) == pytest.approx((0.6, 0.4, 0.8))


def test_what_a_run_has_stands_in_the_table(known):
    rsa = opening.table("rsa").filter(position="mean50", variant="centred", layer_rule="best_layer_cv", pairs="all")
    rsa = rsa.filter(precision_a="fp32", precision_b="fp32", setting_a="stories", setting_b="stories")
    twins = rsa.filter(pl.col("seed_a").is_null() != pl.col("seed_b").is_null())
    found = pair_evidence.untrained(known)
    assert sorted(e.estimate for e in found[SAME]) == pytest.approx(sorted(twins["rho_same"]))
    assert len(found[OTHER]) == twins.height == 4
    assert load_entries(known.params)[A].tuning == "instruct"
