"""Numbers that claims about one model are about: its layer, its figures, what steering, behaviour and writing say of it."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from analysis.claims.pair_evidence import OTHER, PAPER, SAME, THREE, Known, Row, as_published, of_ours, references_of
from analysis.claims.verdicts import Evidence
from analysis.rsa import names, split_half
from pipeline.params.reading import STORIES

# --- one model --------------------------------------------------------------------------------------------------------


def paper_figure(known: Known, model: str, column: str) -> dict[str, list[Evidence]]:
    """One figure of the published table of geometry, at fp16 as published, and at a precision that holds every state."""
    return {PAPER: [_figure(known, model, column, ("fp16",))], SAME: [_figure(known, model, column, ("fp32", "bf16"))]}


def _figure(known: Known, model: str, column: str, precisions: tuple[str, ...]) -> Evidence:
    rows = as_published(known.tables["paper"], "setting").filter(pl.col("precision").is_in(precisions), model=model)
    if rows.is_empty():
        return Evidence(model, None, reason=f"{model} was not read at {' or '.join(precisions)}")
    row = rows.row(0, named=True)
    about = f"{model} {row['precision']}: {row['n_finite_layers']} of {row['n_layers']} layers finite, layer {row['layer']}"
    return Evidence(about, row[column], exact=True, reason=row["reason"] if row[column] is None else None)


def layer_shift(known: Known, base: str, tuned_: str) -> dict[str, list[Evidence]]:
    """By how many layers the published rule's choice is deeper in the tuned model."""
    found = {}
    for protocol, precisions in ((PAPER, ("fp16",)), (SAME, ("fp32", "bf16"))):
        one, other = (_figure(known, m, "layer", precisions) for m in (base, tuned_))
        if one.estimate is None or other.estimate is None:
            found[protocol] = [one if one.estimate is None else other]
        else:
            found[protocol] = [Evidence(f"{one.about}; {other.about}", other.estimate - one.estimate, exact=True)]
    return found


def regime(known: Known, base: str, tuned_: str) -> dict[str, list[Evidence]]:
    """1 where the base model explodes under the published steering and the tuned one does not, else 0."""
    rows = known.tables["regimes"].filter(pl.col("strength").is_null(), rule="paper", directions="emotions")
    labels = {m: rows.filter(model=m)["regime"].to_list() for m in (base, tuned_)}
    if lacking := [m for m, own in labels.items() if not own]:
        return {PAPER: [Evidence(", ".join(lacking), None, reason=f"{', '.join(lacking)} was not steered")]}
    words = "; ".join(f"{m}: {own[0]}" for m, own in labels.items())
    met = labels[base][0] == "explosive" and labels[tuned_][0] == "surgical"
    return {PAPER: [Evidence(words, float(met), exact=True)]}


def at_reference(known: Known, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows at each model's reference precision."""
    return rows.filter(pl.col("precision") == pl.col("model").replace_strict(references_of(known), default=None))


def size(known: Known, column: str) -> dict[str, list[Evidence]]:
    """Spearman of a figure with the number of parameters over trained models; the interval leaves out lineages."""
    rows = as_published(known.tables["paper"], "setting").filter(pl.col("model").is_in(known.params.read.models))
    rows = rows.filter(pl.col("precision") == pl.col("model").replace_strict(references_of(known), default=None)).drop_nulls(
        column
    )
    models, values = rows["model"].to_list(), rows[column].to_numpy()
    sizes = np.array([known.entries[m].parameters for m in models])
    lineages = np.array([known.lineage(m) for m in models])
    names = sorted(set(lineages))
    if len(names) < split_half.FEWEST_UNITS:
        why = f"{len(names)} lineage{'s' * (len(names) != 1)}; {split_half.FEWEST_UNITS} are needed"
        return {PAPER: [Evidence(f"{len(models)} models", None, reason=why)]}
    theta = np.array([stats.spearmanr(sizes[lineages != n], values[lineages != n]).statistic for n in names])
    estimate = float(stats.spearmanr(sizes, values).statistic)
    half = split_half.t_quantile(0.975, len(names) - 1) * split_half.jackknife_se(theta)
    return {PAPER: [Evidence(f"{len(models)} models of {len(names)} lineages", estimate, estimate - half, estimate + half)]}


def best_layer(known: Known) -> dict[str, list[Evidence]]:
    """By how many layers the published rule's choice misses those that are as good as the best, negative; 0 among them."""
    chosen = known.tables["layers"].filter(pl.col("halving").is_null(), variant="centred", setting=STORIES)
    found: dict[str, list[Evidence]] = {PAPER: [], SAME: []}
    for model, precision in references_of(known).items():
        if model not in known.params.read.models:
            continue
        for protocol, position in ((PAPER, "last"), (SAME, known.params.report.position)):
            own = chosen.filter(model=model, precision=precision, position=position)
            rules = {r["layer_rule"]: r for r in own.iter_rows(named=True)}
            paper, cv = rules.get(names.PAPER), rules.get(names.CV)
            if paper is None or cv is None or paper["layer"] is None or cv["layer"] is None:
                found[protocol].append(Evidence(model, None, reason=f"no layer at the position {position}"))
                continue
            outside = max(cv["plateau_low"] - paper["layer"], paper["layer"] - cv["plateau_high"], 0)
            words = f"{model}, {position}: layer {paper['layer']}; as good as the best are {cv['plateau_low']}"
            found[protocol].append(Evidence(f"{words} to {cv['plateau_high']}", float(-outside), exact=True))
    return found


def three_passages(known: Known) -> dict[str, list[Evidence]]:
    """Reliability between the RDMs of two disjoint threes of texts, of trained models under the published protocol."""
    rows = known.tables["paper"].filter(pl.col("n_units") > THREE, setting=STORIES)
    rows = at_reference(known, rows.filter(pl.col("model").is_in(known.params.read.models)))
    made = []
    for r in rows.iter_rows(named=True):
        about = f"{r['model']}: one text against another {_number(r['reliability_one'])}, all {_number(r['reliability'])}"
        made.append(Evidence(about, r["reliability_three"], exact=True, reason=r["reason"]))
    return {PAPER: made}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


# --- behaviour and confounds ---------------------------------------------------------------------------------------------


def flips(known: Known, more: str, fewer: str) -> dict[str, list[Evidence]]:
    """Difference of two flip rates at the first precision that is asked; the interval is that of two exact ones, conservative.
    Beside each stands how many questions flip where the wrong answer is merely named."""
    table = known.tables["compliance"].filter(pl.col("precision").is_in(known.params.behaviour.precisions[:1]))
    rows = {(r["model"], r["measure"]): r for r in table.iter_rows(named=True)}
    if lacking := [m for m in (more, fewer) if rows.get((m, "flip"), {}).get("rate") is None]:
        return {SAME: [Evidence("", None, reason=f"{', '.join(lacking)}: not asked")]}
    a, b = rows[more, "flip"], rows[fewer, "flip"]
    mentions = [_number(rows.get((m, "flip_by_mention"), {}).get("rate")) for m in (more, fewer)]
    words = [f"{m} {r['rate']:.2f} (named alone {x})" for m, r, x in zip((more, fewer), (a, b), mentions, strict=True)]
    return {SAME: [Evidence(", ".join(words), a["rate"] - b["rate"], a["ci_low"] - b["ci_high"], a["ci_high"] - b["ci_low"])]}


def confound(known: Known, comparison: str) -> dict[str, list[Evidence]]:
    """A published comparison, and the same two experiments by rho_dis; for precision, on identical tokens."""
    made: dict[str, list[Evidence]] = {PAPER: [], OTHER: []}
    for row in known.tables["confounds"].filter(comparison=comparison).iter_rows(named=True):
        reason = row["reason"] or "no interval under this definition"
        made[PAPER].append(Evidence(row["model"], row["spearman"], ceiling=row["ceiling"], reason=reason))
    if comparison == "precision":
        made[OTHER] = of_precision(known)
    else:
        pair = known.params.confounds.published.get(comparison, [])
        totals = known.tables["attributions"].filter(factor="total")
        for row in totals.filter(pl.concat_list("experiment_a", "experiment_b") == pair).iter_rows(named=True) if pair else []:
            low, high = (None if row[f"ci_{x}"] is None else 1 - row[f"ci_{x}"] for x in ("high", "low"))
            estimate = None if row["share"] is None else 1 - row["share"]
            made[OTHER].append(Evidence(row["model"], estimate, low, high, reason=row["reason"]))
    return {p: members or [Evidence("", None, reason="no model was asked to write")] for p, members in made.items()}


def of_precision(known: Known) -> list[Evidence]:
    """rho_dis of int8 with each other precision of a model that is not quantised, on identical tokens."""

    def wanted(row: Row) -> bool:
        precisions = {row["precision_a"], row["precision_b"]}
        same = row["model_a"] == row["model_b"] and row["setting_a"] == row["setting_b"] == STORIES
        return same and "int8" in precisions and len(precisions & {"fp16", "bf16", "fp32"}) == 1

    return of_ours(known, wanted, "rho_dis", references=False)


def opposite_bias(known: Known) -> dict[str, list[Evidence]]:
    """1 where models that write have biases of both signs, else 0; two models are needed."""
    rows = known.tables["confounds"].filter(comparison="bias")
    values = {r["model"]: r["spearman"] for r in rows.iter_rows(named=True) if r["spearman"] is not None}
    words = ", ".join(f"{m} {v:+.2f}" for m, v in values.items())
    if len(values) < 2:
        return {PAPER: [Evidence(words, None, reason=f"two models that write are needed{f'; {words}' if words else ''}")]}
    reasons = rows["reason"].drop_nulls().to_list()
    both = float(min(values.values()) < 0 < max(values.values()))
    return {PAPER: [Evidence(words, both, exact=not reasons, reason=reasons[0] if reasons else None)]}


def elsewhere(_: Known, command: str) -> dict[str, list[Evidence]]:
    """A claim that another command holds."""
    return {PAPER: [Evidence("", None, reason=f"not part of a run; `{command}` tests it")]}
