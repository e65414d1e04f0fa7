"""What the tables say about readers and pairs, in words, from their numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES, TWO_UNTRAINED, UNTRAINED, WORDS
from analysis.report.view import View
from analysis.rsa.names import CV, PAPER
from pipeline.params.reading import STORIES


@dataclass(frozen=True)
class Finding:
    key: str
    question: str
    short: str
    words: list[str]


def number(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no -0.00


def units(row: dict[str, Any]) -> str:
    """`6 topics`, or `6 stories of each label` where stories are not crossed with topics."""
    return f"{row['n_units']} topics" if row["unit"] == "topic" else f"{row['n_units']} stories of each label"


def spread(values: pl.Series) -> str:
    """`0.31`, or `0.28 to 0.35` over several; "not estimable" where there is none."""
    known = values.drop_nulls()
    if known.is_empty():
        return "not estimable"
    low, high = number(known.min()), number(known.max())  # type: ignore[arg-type]
    return low if low == high else f"{low} to {high}"


def similar(view: View) -> Finding:
    question = "How similar are the geometries?"
    words, between, twins = [], view.pairs(TWO_LINEAGES), view.pairs(UNTRAINED)
    if between.is_empty():
        short = f"one trained model, so none between models; with its untrained twin rho_same {spread(twins['rho_same'])}"
        short += f", on disjoint topics {spread(twins['rho_cross'])}"
        words.append(
            f"This profile reads one trained model ({', '.join(view.trained)}), so no two trained models are compared; the grid"
            " holds its precisions and its untrained twin. A profile with more models fills it."
        )
    else:
        reliabilities = pl.concat([between["reliability_a"], between["reliability_b"]])
        short = f"two trained models: rho_same {spread(between['rho_same'])}, on disjoint topics {spread(between['rho_cross'])}"
        words.append(
            f"Over {between.height} pairs of trained models, rho_same is {spread(between['rho_same'])}. On disjoint halves of"
            f" the topics rho_cross is {spread(between['rho_cross'])} under reliabilities of"
            f" {spread(reliabilities)}; disattenuated, rho_dis is {spread(between['rho_dis'])}."
        )
    if not twins.is_empty():
        words.append(
            f"A trained model and an untrained draw of its architecture ({twins.height} pairs) reach rho_same"
            f" {spread(twins['rho_same'])} at their best layers; that much needs no learning."
        )
    words.append(
        "The left grid compares on the same stories, as published. The right one lets the two sides read different topics:"
        " its diagonal is each reader's own reliability, and nothing off the diagonal can be expected above the geometric"
        " mean of its two."
    )
    return Finding("similar", question, short, words)


def depth(view: View) -> Finding:
    best, paper = view.at_best_layer(), view.chosen(PAPER)
    lines, shorts = [], []
    for model in view.trained:
        row = best.filter(pl.col("is_reference"), model=model)
        if row.is_empty() or row["accuracy"][0] is None:
            lines.append(f"{model}: no layer has a held-out accuracy ({_reason(view, model)}).")
            continue
        choice = view.chosen(CV).filter(pl.col("is_reference"), model=model).row(0, named=True)
        published = paper.filter(pl.col("is_reference"), model=model)["layer"][0]
        n = max(view.curves().filter(pl.col("is_reference"), model=model)["layer"])
        shorts.append(f"{model}: layer {choice['layer']} of 0-{n}, accuracy {number(row['accuracy'][0])}")
        lines.append(
            f"{model} names the emotion of a story on a topic it has no centroid from in {row['accuracy'][0]:.0%} of cases at"
            f" layer {choice['layer']} (chance {1 / row['n_emotions'][0]:.0%}); layers {choice['plateau_low']} to"
            f" {choice['plateau_high']} are within one standard error of the best. The published rule picks layer {published}."
        )
    twins = best.filter(pl.col("untrained") & pl.col("is_reference"))
    if not twins.is_empty():
        lines.append(f"The untrained draws reach {spread(twins['accuracy'])} at theirs: what tokens and architecture give.")
    for reader in best.filter("only_words").iter_rows(named=True):
        lines.append(f"A bag of words ({reader['model']}) reaches {number(reader['accuracy'])}.")
    lines.append(
        "The published rule takes the lowest mean pairwise cosine of the centred vectors. Centred vectors of equal length have"
        " exactly -1/(n-1) there whatever they mean, so it follows how equal the lengths are."
    )
    return Finding("depth", "At which depth?", "; ".join(shorts) or "not estimable", lines)


def _reason(view: View, model: str) -> str:
    reasons = view.curves().filter(pl.col("is_reference"), model=model)["reason"].drop_nulls()
    return reasons[0] if len(reasons) else "no reason recorded"


def noise(view: View) -> Finding:
    best = view.at_best_layer(all_positions=True).filter(pl.col("is_reference") & ~pl.col("untrained") & ~pl.col("only_words"))
    lines, shorts = [], []
    for row in best.sort("model", "position").iter_rows(named=True):
        name = f"{row['model']}, {row['position']}"
        if row["reliability"] is None:
            lines.append(f"{name}: {row['reason']}.")
            continue
        half = units(row | {"n_units": row["n_units"] // 2})
        lines.append(
            f"{name}: two RDMs of this one model, from {half} each, correlate at {number(row['reliability'])}"
            f" (standard error {number(row['reliability_se'])})."
        )
        if row["position"] == view.params.report.position:
            shorts.append(f"{row['model']} agrees with itself at {number(row['reliability'])} ({half} against as many)")
    untrained = view.at_best_layer().filter(pl.col("untrained") & pl.col("is_reference"))
    if not untrained.is_empty():
        lines.append(f"Untrained draws agree with themselves at {spread(untrained['reliability'])}.")
    for reader in view.at_best_layer().filter("only_words").iter_rows(named=True):
        lines.append(f"A bag of words ({reader['model']}) agrees with itself at {number(reader['reliability'])}.")
    lines.append(
        "This is the quantity that bounds rho_cross. It does not bound rho_same, whose two sides share the noise of the same"
        " stories."
    )
    return Finding("noise", "How much is noise?", "; ".join(shorts) or "not estimable", lines)


def passages(view: View) -> Finding:
    lines, shorts = [], []
    for kind in (TWO_LINEAGES, UNTRAINED, WORDS, TWO_UNTRAINED):
        rows = view.pairs(kind)
        if rows.is_empty():
            continue
        lines.append(
            f"{kind.capitalize()} ({rows.height} pairs): {spread(rows['rho_same_half'])} on the same half of the topics,"
            f" {spread(rows['rho_cross'])} on different halves; on all stories, as published, {spread(rows['rho_same'])}."
        )
        same, cross = (number(rows[c].median()) for c in ("rho_same_half", "rho_cross"))  # type: ignore[arg-type]
        shorts.append(f"{kind} {same} -> {cross}")
    lines.append(
        "The first two numbers rest on equally many stories, so that their difference is what reading the same passages adds;"
        " what untrained networks share, passages, words and tokenizer give. Few topics leave both uncertain: hold a difference"
        " against the standard error of the reliability before reading anything into it."
    )
    short = "; ".join(shorts) + " (median rho, same -> different half of the topics)" if shorts else "no pair to compare"
    return Finding("passages", "How much is the passages, the words, or an untrained network?", short, lines)


def precision(view: View) -> Finding:
    rows, lines, shorts = view.pairs(ONE_MODEL), [], []
    for row in rows.iter_rows(named=True):
        pair = f"{row['precision_a']} and {row['precision_b']}"
        same_reader = (pl.col("reader_a") == row["reader_a"]) & (pl.col("reader_b") == row["reader_b"])
        by_depth = view.over_depth(ONE_MODEL).filter(same_reader)["rho_same"].drop_nulls()
        if row["rho_same"] is None or by_depth.is_empty():
            lines.append(f"{row['model_a']}, {pair}: {row['reason'] or 'no matched depth was asked for'}.")
            continue
        lines.append(
            f"{row['model_a']}, {pair} on identical tokens: rho_same {min(by_depth):.4f} or more at every matched depth;"
            f" {row['rho_same']:.4f} at their best layers ({row['layer_a']} and {row['layer_b']}). On different topics"
            f" {number(row['rho_cross'])}; freed of noise {number(row['rho_dis'])}."
        )
        if row["is_reference_a"] or row["is_reference_b"]:
            shorts.append(f"{row['model_a']} {row['precision_a']}-{row['precision_b']} {min(by_depth):.3f}")
    question = "What does precision change?"
    lost = view.overflow.filter(pl.col("n_bad_layers") > 0, setting=STORIES)
    lines += [
        f"{row['reader']}: {row['reason']}. This precision does not hold the model's states; numbers from these layers are"
        " null, and its best layer is one of the others."
        for row in lost.iter_rows(named=True)
    ]
    if not lines:
        return Finding("precision", question, "one precision: nothing to compare", ["One precision was read."])
    short = f"lowest rho_same over depths, identical tokens: {', '.join(shorts)}"
    if lost.height:
        short += f"; states beyond the precision's range: {', '.join(lost['reader'])}"
    return Finding("precision", question, short, lines)
