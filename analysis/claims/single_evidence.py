"""Claims about one model, or about all: layers, figures of the published table, size, steering."""

from __future__ import annotations

from dataclasses import replace
from math import factorial, inf

import numpy as np
import polars as pl
from scipy import stats

from analysis.claims import comparisons, rules
from analysis.claims.known import THREE, Judged, Known, Row, as_published, lacking, said_of
from analysis.claims.protocols import OTHER, PAPER
from analysis.claims.reference import Claim
from analysis.claims.rules import Number, Side, Verdict
from analysis.rsa import names, split_half
from pipeline.params.reading import STORIES

GEMMA, FAMILY = ("gemma-3-1b-pt", "gemma-3-1b-it"), "gemma-3"
WIDE = ("fp32", "bf16")
"""Precisions whose range holds every model's states."""
FIGURES = {"anisotropy": "anisotropy", "RDM sd": "rdm_std"}
"""The two in which the published outlier is one, and their columns of `paper`."""


def gemma(known: Known, tuning: str) -> str | None:
    """The published outlier or its tuned twin; of models that were read a sibling stands for it, and is named."""
    return known.stands_for(GEMMA[tuning == "instruct"], FAMILY, tuning)


def in_name(model: str, published: str) -> str:
    return model if model == published else f"{model}, a sibling of {published}"


def fact(protocol: str, about: str, value: float, side: Side, n: int = 1) -> Judged:
    """A number that is what it is on these texts, to be on the side or not."""
    number = Number(about, value, exact=True, n=n)
    return Judged(protocol, number, rules.judge(number, side))


def published_row(known: Known, model: str, precisions: tuple[str, ...], n_units: int = THREE) -> Row | None:
    """The model's row of `paper` on three texts of a label, or on more, at the first of the precisions that it was read at."""
    paper = known.tables["paper"]
    rows = as_published(paper, "setting") if n_units == THREE else paper.filter(n_units=n_units, setting=STORIES)
    rows = rows.filter(pl.col("seed").is_null(), model=model)
    return next((r for p in precisions for r in rows.filter(precision=p).iter_rows(named=True)), None)


def base_row(known: Known, precisions: tuple[str, ...]) -> Row | None:
    """The row of Gemma-3 base on three texts of a label, at the first of the precisions that it was read at."""
    model = gemma(known, "base")
    return None if model is None else published_row(known, model, precisions)


def beside_others(known: Known, column: str, own: tuple[str, ...], others: tuple[str, ...]) -> Number:
    """By how much a figure of Gemma-3 base, at the first precision of `own` that it was read at, lies above the highest of the
    models of other families, at the first of `others` or at what stands for each; over topics, or over neutral texts."""
    row = base_row(known, own)
    if row is None or row[column] is None:
        why = f"no Gemma-3 base was read at {' or '.join(own)}" if row is None else f"{row['model']}: {row['reason']}"
        return Number("", None, reason=why)
    names = [m for m in known.trained if known.family(m) != FAMILY]
    read = {m: published_row(known, m, (*others, known.references[m])) for m in names}
    there = {m: r for m, r in read.items() if r is not None and r[column] is not None}
    if not there:
        return Number("", None, reason="no model of another family was read")
    said = {m: f"{row[column]:.3f}, {m} {r[column]:.3f}" for m, r in there.items()}
    if row[f"{column}_jackknife"] is None or any(r[f"{column}_jackknife"] is None for r in there.values()):
        highest = max(there, key=lambda m: there[m][column])
        return Number(said[highest], row[column] - there[highest][column], reason=f"{said[highest]}: no interval")
    values = {said[m]: (r[column], np.array(r[f"{column}_jackknife"])) for m, r in there.items()}
    found = comparisons.beyond_all(row[column], np.array(row[f"{column}_jackknife"]), values)
    return replace(found, n_unknown=len(names) - len(there))


def outlier(known: Known, claim: Claim, column: str) -> list[Judged]:
    """A figure of Gemma-3 base at fp16, as published, less the highest of the models of other families."""
    number, row = beside_others(known, column, ("fp16",), ("fp16",)), base_row(known, ("fp16",))
    if row is not None:
        number = replace(number, about=f"{in_name(row['model'], GEMMA[0])}, at fp16 {number.about}".rstrip())
    return [Judged(PAPER, number, rules.judge(number, claim.asserted()))]


def overflow(known: Known, claim: Claim) -> list[Judged]:
    """1 where fp16 loses Gemma-3's states and a wide format holds all, by which the published rule takes a later layer and
    finds a narrower RDM; else 0. Where other numbers of texts give another answer, it is undecided."""
    side = claim.asserted()
    model = gemma(known, "base")
    found = [] if model is None else [f for n in numbers_of_texts(known) if (f := overflown(known, model, n)) is not None]
    if not found:
        return [lacking(PAPER, "Gemma-3 base was not read both at fp16 and at fp32 or bf16")]
    (met, about), *more = found
    judged = fact(PAPER, about, float(met), side)
    if others := [words for other, words in more if other != met]:
        judged = replace(judged, verdict=Verdict(rules.UNDECIDED, f"{about}; but {'; '.join(others)}"))
    return [judged]


def numbers_of_texts(known: Known) -> list[int]:
    """Of each label, on which the published protocol was run: as published first."""
    stories = known.tables["paper"].filter(pl.col("n_units") > THREE, setting=STORIES)
    return [THREE, *stories["n_units"].unique().sort()]


def overflown(known: Known, model: str, n_units: int) -> tuple[bool, str] | None:
    """Whether fp16 makes the layer earlier and the RDM wider, with so many texts of a label, and what is seen."""
    narrow, wide = (published_row(known, model, at, n_units) for at in (("fp16",), WIDE))
    if narrow is None or wide is None or narrow["layer"] is None or wide["layer"] is None:
        return None
    lost = narrow["n_layers"] - narrow["n_finite_layers"]
    met = lost > 0 and wide["n_finite_layers"] == wide["n_layers"]
    met = met and narrow["layer"] < wide["layer"] and narrow["rdm_std"] > wide["rdm_std"]
    return met, (
        f"{in_name(model, GEMMA[0])}, {n_units} texts of a label: fp16 loses {lost} of {narrow['n_layers']} layers; layer"
        f" {narrow['layer']}, RDM sd {narrow['rdm_std']:.3f}; at {wide['precision']} layer {wide['layer']},"
        f" {wide['rdm_std']:.3f}"
    )


def still_outlier(known: Known, claim: Claim) -> list[Judged]:
    """In how many of the two published figures Gemma-3 base lies above all other families at a format that holds its states:
    surely so, where the interval of the difference lies above 0 and no model lacks the figure."""
    claim.asserted()
    numbers = {name: beside_others(known, column, WIDE, ()) for name, column in FIGURES.items()}
    if lost := [n.reason for n in numbers.values() if n.estimate is None]:
        return [lacking(PAPER, lost[0] or "not measured")]
    ends = {name: n.interval or (-inf, inf) for name, n in numbers.items()}
    row = base_row(known, WIDE) or {}
    said = "; ".join(f"{name} {n.about}" for name, n in numbers.items())
    said = f"{in_name(row['model'], GEMMA[0])}, {row['precision']}: {said}"
    surely = [name for name, (low, _) in ends.items() if low > 0 and not numbers[name].n_unknown]
    maybe = [name for name, (_, high) in ends.items() if high > 0]
    verdict = rules.FAILS if surely else rules.UNDECIDED if maybe else rules.HOLDS
    sure = f"{' and '.join(surely)} by an interval; " if surely else ""
    above = sum((n.estimate or 0) > 0 for n in numbers.values())
    return [Judged(PAPER, Number(said, float(above), exact=True, n=len(numbers)), Verdict(verdict, f"{sure}{said}"))]


def int8_layer(known: Known, claim: Claim) -> list[Judged]:
    """By how many layers int8 moves the published rule's choice, of the model and number of texts where it moves most."""
    side = claim.asserted()
    rows = known.tables["paper"].filter(pl.col("seed").is_null(), pl.col("layer").is_not_null(), setting=STORIES)
    pairs = known.tables["paper_pairs"].filter(pl.col("seed_a").is_null(), pl.col("seed_b").is_null(), setting_a=STORIES)
    made = []
    for model in known.trained:
        at = {p: rows.filter(model=model, precision=p) for p in (known.references[model], "int8")}
        if len(at) < 2:
            continue
        for n, layer, moved in (
            at[known.references[model]].join(at["int8"], on="n_units").select("n_units", "layer", "layer_right").iter_rows()
        ):
            rho = pairs.filter(model_a=model, model_b=model, n_units=n, precision_a=known.references[model], precision_b="int8")
            words = f"{model}, {n} texts of a label: layer {layer} at {known.references[model]}, {moved} at int8"
            words += "".join(f"; the two RDMs correlate at {x:.2f}" for x in rho["spearman"].drop_nulls())
            made.append((abs(moved - layer), words))
    if not made:
        return [lacking(PAPER, "no model was read at int8 and at another precision")]
    most, about = max(made)
    return [fact(PAPER, about, float(most), side, len(made))]


def layer_shift(known: Known, claim: Claim) -> list[Judged]:
    """By how many layers the published rule's choice is deeper in the tuned model, at fp16 and at a precision that holds."""
    side = claim.asserted()
    models = [gemma(known, tuning) for tuning in ("base", "instruct")]
    if None in models:
        return [lacking(PAPER, "Gemma-3 was not read as base and instruct")]
    made = []
    for precisions in (("fp16",), WIDE):
        rows = [published_row(known, m, precisions) for m in models if m is not None]
        if all(r is not None and r["layer"] is not None for r in rows):
            one, other = (r for r in rows if r is not None)
            about = f"{one['model']} layer {one['layer']}, {other['model']} layer {other['layer']}, {one['precision']}"
            made.append(fact(PAPER if precisions != WIDE else OTHER, about, other["layer"] - one["layer"], side))
    return made or [lacking(PAPER, "no layer could be chosen")]


def regime(known: Known, claim: Claim) -> list[Judged]:
    """1 where the base model explodes under the published steering and the tuned one is surgical, else 0."""
    side = claim.asserted()
    models = [gemma(known, tuning) for tuning in ("base", "instruct")]
    rows = known.tables["steering"].filter(pl.col("strength").is_null(), rule="paper", target="emotions")
    labels = [rows.filter(model=m)["regime"].to_list() for m in models if m is not None]
    if len(labels) < len(models) or not all(labels):
        return [lacking(PAPER, "Gemma-3 was not steered as base and instruct")]
    about = "; ".join(f"{m}: {own[0]}" for m, own in zip(models, labels, strict=True))
    return [fact(PAPER, about, float([own[0] for own in labels] == ["explosive", "surgical"]), side)]


def size(known: Known, claim: Claim, column: str) -> list[Judged]:
    """Spearman of a figure with the number of parameters over trained models; the interval leaves out lineages."""
    side = claim.asserted()
    rows = [published_row(known, m, (known.references[m],)) for m in known.trained]
    there = [r for r in rows if r is not None and r[column] is not None]
    models, values = [r["model"] for r in there], np.array([r[column] for r in there], dtype=np.float64)
    sizes = np.array([known.entries[m].parameters for m in models])
    lineages = np.array([known.lineage(m) for m in models])
    own = sorted(set(lineages))
    if len(own) < split_half.FEWEST_UNITS:
        return [lacking(PAPER, f"{len(own)} lineage{'s' * (len(own) != 1)}; {split_half.FEWEST_UNITS} are needed")]
    theta = np.array([stats.spearmanr(sizes[lineages != n], values[lineages != n]).statistic for n in own])
    estimate = float(stats.spearmanr(sizes, values).statistic)
    half = split_half.t_quantile(0.975, len(own) - 1) * split_half.jackknife_se(theta)
    about = f"{len(models)} models of {len(own)} lineages"
    number = Number(about, estimate, estimate - half, estimate + half)
    if half == 0 and (abs(estimate) < 1 - 1e-9 or 1 / factorial(len(own)) > rules.ONE_END):
        # a rank correlation that no lineage moves says how few there are, not how sure it is
        number = Number(about, estimate, reason=f"{len(own)} lineages in this order may be chance: no interval")
    return [Judged(PAPER, number, rules.judge(number, side))]


# --- what the method takes for granted -----------------------------------------------------------------------------------


def best_layer(known: Known, claim: Claim) -> list[Judged]:
    """The model of which the published rule's choice lies furthest from the layers that are as good as the best, in layers."""
    side = claim.asserted()
    chosen = known.tables["layers"].filter(
        pl.col("halving").is_null(), pl.col("seed").is_null(), variant="centred", setting=STORIES
    )
    found = []
    for model in known.trained:
        own = chosen.filter(model=model, precision=known.references[model], position="last")
        by_rule = {r["layer_rule"]: r for r in own.iter_rows(named=True)}
        paper, cv = by_rule.get(names.PAPER), by_rule.get(names.CV)
        if paper and cv and paper["layer"] is not None and cv["layer"] is not None:
            outside = max(cv["plateau_low"] - paper["layer"], paper["layer"] - cv["plateau_high"], 0)
            as_good = f"as good as the best are {cv['plateau_low']} to {cv['plateau_high']}"
            found.append((outside, f"{model}, last token: layer {paper['layer']}; {as_good}"))
    if not found:
        return [lacking(PAPER, "no layer at the last token")]
    outside, about = max(found)
    return [fact(PAPER, about, float(outside), side, len(found))]


def three_passages(known: Known, claim: Claim) -> list[Judged]:
    """The lowest reliability of two disjoint threes of texts, of trained models under the published protocol."""
    side = claim.asserted()
    rows = known.tables["paper"].filter(pl.col("n_units") > 3, pl.col("seed").is_null(), setting=STORIES)
    own = [
        r for r in rows.iter_rows(named=True) if r["model"] in known.trained and r["precision"] == known.references[r["model"]]
    ]
    found = []
    for r in own:
        value, se, dof = r["reliability_three"], r["reliability_three_se"], r["n_units"] - 1
        if value is not None and se is not None:
            about = f"{r['model']}: all against all {r['reliability'] or 0:.2f}; three texts of each label against three others"
            half = split_half.t_quantile(1 - rules.ONE_END, dof) * se
            found.append((about, value, value - half, value + half, dof))
    if not found:
        return [lacking(PAPER, said_of(own, "six stories of each label are needed, read at the last token"))]
    number = rules.of_intervals(found, side.scale)
    number = replace(number, n_unknown=len(known.trained) - len(found))
    return [Judged(PAPER, number, rules.judge(number, side))]


def elsewhere(known: Known, claim: Claim, command: str) -> list[Judged]:
    """A claim that another command holds."""
    return [lacking(PAPER, f"not part of a run; `{command}` tests it")]
