"""What the tables say, in words: five questions, answered from their numbers alone. The page and the terminal say the same.

python -m analysis.report.findings
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.layers import CV, DEPTH, PAPER
from pipeline import opening, store
from pipeline.entries import ModelEntry, load_entries
from pipeline.params import Params, load_params, run_stage

# Which precision stands for a model where precision is not the question: the most exact that was read.
REFERENCE = ("fp32", "bf16", "fp16", "int8", "nf4")
BETWEEN, TWINS, SEEDS, PRECISIONS, OTHER = (
    "two trained models",
    "trained and untrained",
    "two untrained draws",
    "two precisions",
    "other",
)


@dataclass(frozen=True)
class Finding:
    key: str
    question: str
    short: str
    words: list[str]


def _name(model: str, seed: str, precision: str) -> pl.Expr:
    draw = pl.when(pl.col(seed).is_null()).then(pl.lit(" ")).otherwise(pl.lit(" #") + pl.col(seed).cast(pl.String) + " ")
    return pl.col(model) + draw + pl.col(precision)


@dataclass(frozen=True)
class View:
    """The tables with what a reader needs beside each row: the condition's name, and what kind of pair it is."""

    params: Params
    entries: dict[str, ModelEntry]
    geometry: pl.DataFrame
    layers: pl.DataFrame
    rsa: pl.DataFrame

    @classmethod
    def of(
        cls, params: Params, entries: dict[str, ModelEntry], geometry: pl.DataFrame, layers: pl.DataFrame, rsa: pl.DataFrame
    ) -> View:
        reference = {m: min(params.precisions_of(m), key=REFERENCE.index) for m in entries}
        untrained = [m for m, entry in entries.items() if entry.untrained]

        def described(table: pl.DataFrame, s: str = "") -> pl.DataFrame:
            return table.with_columns(
                _name(f"model{s}", f"seed{s}", f"precision{s}").alias(f"condition{s}"),
                pl.col(f"model{s}").is_in(untrained).alias(f"untrained{s}"),
                (pl.col(f"precision{s}") == pl.col(f"model{s}").replace_strict(reference)).alias(f"is_reference{s}"),
            )

        both = described(described(rsa, "_a"), "_b")
        references = pl.col("is_reference_a") & pl.col("is_reference_b")
        same_weights = (pl.col("model_a") == pl.col("model_b")) & pl.col("seed_a").eq_missing(pl.col("seed_b"))
        n_untrained = pl.col("untrained_a").cast(pl.Int8) + pl.col("untrained_b").cast(pl.Int8)
        kind = (
            pl.when(same_weights)
            .then(pl.lit(PRECISIONS))
            .when(references & (n_untrained == 0))
            .then(pl.lit(BETWEEN))
            .when(references & (n_untrained == 1))
            .then(pl.lit(TWINS))
            .when(references)
            .then(pl.lit(SEEDS))
            .otherwise(pl.lit(OTHER))
        )
        return cls(params, entries, described(geometry), described(layers), both.with_columns(kind.alias("kind")))

    def _here(self, table: pl.DataFrame) -> pl.DataFrame:
        report = self.params.report
        return table.filter(position=report.position, variant=report.variant)

    def grid(self) -> list[str]:
        """The conditions that the RSA grid shows, in the order of params: all, or, where they are many, each model at its
        reference precision and one draw of each twin."""
        rows = self.at_best_layer().unique("condition").to_dicts()
        if len(rows) > 16:
            rows = [
                r for r in rows if r["is_reference"] and (not r["untrained"] or r["seed"] == self.entries[r["model"]].draws[0])
            ]
        rank = list(self.entries)
        rows.sort(key=lambda r: (rank.index(r["model"]), r["seed"] or 0, REFERENCE.index(r["precision"])))
        return [r["condition"] for r in rows]

    def curves(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at the report's variant, and at its position unless all are asked for."""
        return self.geometry.filter(variant=self.params.report.variant) if all_positions else self._here(self.geometry)

    def pairs(self, kind: str | None = None, rule: str = CV) -> pl.DataFrame:
        """`rsa` at the report's position and variant under one layer rule."""
        rows = self._here(self.rsa).filter(layer_rule=rule)
        return rows if kind is None else rows.filter(kind=kind)

    def chosen(self, rule: str) -> pl.DataFrame:
        """`layers`, the choices on all topics of one rule."""
        return self._here(self.layers).filter(pl.col("halving").is_null(), layer_rule=rule)

    def at_best_layer(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at each condition's best_layer_cv."""
        best = self.layers.filter(pl.col("halving").is_null(), layer_rule=CV).select(*store.KEYS["geometry"])
        return self.curves(all_positions).join(best, on=store.KEYS["geometry"], how="semi", nulls_equal=True)

    @property
    def trained(self) -> list[str]:
        return [m for m, entry in self.entries.items() if not entry.untrained]


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


def findings(view: View) -> list[Finding]:
    return [similar(view), depth(view), noise(view), passages(view), precision(view)]


def similar(view: View) -> Finding:
    question = "How similar are the geometries?"
    words, between, twins = [], view.pairs(BETWEEN), view.pairs(TWINS)
    if between.is_empty():
        short = f"one trained model, so none between models; with its untrained twin rho_same {spread(twins['rho_same'])}"
        short += f", on disjoint topics {spread(twins['rho_cross'])}"
        words.append(
            f"This profile reads one trained model ({', '.join(view.trained)}), so no two trained models are compared; the grid"
            " holds its precisions and its untrained twin. A profile with more models fills it."
        )
    else:
        short = f"two trained models: rho_same {spread(between['rho_same'])}, on disjoint topics {spread(between['rho_cross'])}"
        words.append(
            f"Over {between.height} pairs of trained models, rho_same is {spread(between['rho_same'])}. On disjoint halves of"
            f" the topics rho_cross is {spread(between['rho_cross'])} under a ceiling of {spread(between['ceiling'])};"
            f" disattenuated, rho_dis is {spread(between['rho_dis'])}."
        )
    if not twins.is_empty():
        words.append(
            f"A trained model and an untrained draw of its architecture ({twins.height} pairs) reach rho_same"
            f" {spread(twins['rho_same'])} at their best layers; that much needs no learning."
        )
    words.append(
        "The left grid compares on the same stories, as published. The right one lets the two sides read different topics:"
        " its diagonal is each condition's own reliability, and nothing off the diagonal can be expected above the geometric"
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
    lines.append(
        "The published rule takes the lowest mean pairwise cosine of the centred vectors. Centred vectors of equal length have"
        " exactly -1/(n-1) there whatever they mean, so it follows how equal the lengths are."
    )
    return Finding("depth", "At which depth?", "; ".join(shorts) or "not estimable", lines)


def _reason(view: View, model: str) -> str:
    reasons = view.curves().filter(pl.col("is_reference"), model=model)["reason"].drop_nulls()
    return reasons[0] if len(reasons) else "no reason recorded"


def noise(view: View) -> Finding:
    best = view.at_best_layer(all_positions=True).filter(pl.col("is_reference") & ~pl.col("untrained"))
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
    lines.append(
        "This is the quantity that bounds rho_cross. It does not bound rho_same, whose two sides share the noise of the same"
        " stories."
    )
    return Finding("noise", "How much is noise?", "; ".join(shorts) or "not estimable", lines)


def passages(view: View) -> Finding:
    lines, shorts = [], []
    for kind in (BETWEEN, TWINS, SEEDS):
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
    return Finding("passages", "How much is the passages, or an untrained network?", short, lines)


def precision(view: View) -> Finding:
    rows, lines, shorts = view.pairs(PRECISIONS), [], []
    for row in rows.iter_rows(named=True):
        pair = f"{row['precision_a']} and {row['precision_b']}"
        same_condition = (pl.col("condition_a") == row["condition_a"]) & (pl.col("condition_b") == row["condition_b"])
        by_depth = view.pairs(PRECISIONS, DEPTH).filter(same_condition)["rho_same"].drop_nulls()
        if row["rho_same"] is None or by_depth.is_empty():
            lines.append(f"{row['model_a']}, {pair}: {row['reason'] or 'no matched depth was asked for'}.")
            continue
        lines.append(
            f"{row['model_a']}, {pair} on identical tokens: rho_same {min(by_depth):.4f} or more at every matched depth;"
            f" {row['rho_same']:.4f} at their best layers ({row['layer_a']} and {row['layer_b']}). On different topics"
            f" {number(row['rho_cross'])}, under a ceiling of {number(row['ceiling'])}."
        )
        if row["is_reference_a"] or row["is_reference_b"]:
            shorts.append(f"{row['model_a']} {row['precision_a']}-{row['precision_b']} {min(by_depth):.3f}")
    question = "What does precision change?"
    if not lines:
        return Finding("precision", question, "one precision: nothing to compare", ["One precision was read."])
    return Finding("precision", question, f"lowest rho_same over depths, identical tokens: {', '.join(shorts)}", lines)


def load_view() -> View:
    params = load_params()
    return View.of(params, load_entries(params), *(opening.table(name) for name in ("geometry", "layers", "rsa")))


def main(arguments: list[str]) -> None:
    """Print the headline numbers, and where everything is."""
    view = load_view()
    print()
    for finding in findings(view):
        print(textwrap.fill(f"{finding.question} {finding.short}", width=110, subsequent_indent="    "))
    report, tables = store.REPORT / "index.html", ", ".join(str(store.table_path(name)) for name in store.SCHEMAS)
    print(f"\nreport   {report}\ntables   {tables}\nvectors  {store.VECTORS}")


if __name__ == "__main__":
    run_stage(main)
