"""The tables as a reader looks at them: at the report's position and variant, each row with its name and kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import polars as pl

from analysis.readers.sections import ReaderSections
from analysis.rsa.names import ALL_PAIRS, CV
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.corpus import CorpusSections
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.reading import Precision
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections
from pipeline.params.steering import SteeringSections
from pipeline.schemas.every import TABLES
from pipeline.schemas.geometry import GEOMETRY
from pipeline.store import tables
from pipeline.texts import labels

BETWEEN, TWINS, SEEDS, PRECISIONS, WORDS, OTHER = (
    "two trained models",
    "trained and untrained",
    "two untrained draws",
    "two precisions",
    "trained and words alone",
    "other",
)


class Params(ReaderSections, CorpusSections, RsaSections, SteeringSections, ReportSections):
    """The sections that the report shows."""

    profile: str


def _name(model: str, seed: str, precision: str) -> pl.Expr:
    draw = pl.when(pl.col(seed).is_null()).then(pl.lit("")).otherwise(pl.lit(" #") + pl.col(seed).cast(pl.String))
    return pl.concat_str(pl.col(model), draw, (pl.lit(" ") + pl.col(precision)).fill_null(""))


PAIRED = ("rsa", "intervals", "controls", "choices", "layer_map", "second", "paper_pairs")
EMBEDDINGS_OF = ", input embeddings"
ABOUT_MODELS = (
    *("samples", "confounds", "attributions", "variance", "maturity", "claims", "steering", "regimes", "doses"),
    *("compliance", "behaviour_geometry"),
)
VIEWED = ("geometry", "overflow", "layers", *PAIRED, "corpus", "confusion", "growth", "human", "paper", *ABOUT_MODELS)


@dataclass(frozen=True)
class View:
    """The tables with what a reader needs beside each row: the reader's name, and what kind of pair it is."""

    params: Params
    entries: dict[str, ModelEntry]
    geometry: pl.DataFrame
    overflow: pl.DataFrame
    layers: pl.DataFrame
    rsa: pl.DataFrame
    intervals: pl.DataFrame
    controls: pl.DataFrame
    choices: pl.DataFrame
    layer_map: pl.DataFrame
    second: pl.DataFrame
    corpus: pl.DataFrame
    confusion: pl.DataFrame
    growth: pl.DataFrame
    human: pl.DataFrame
    paper: pl.DataFrame
    paper_pairs: pl.DataFrame
    samples: pl.DataFrame
    confounds: pl.DataFrame
    attributions: pl.DataFrame
    variance: pl.DataFrame
    maturity: pl.DataFrame
    claims: pl.DataFrame
    steering: pl.DataFrame
    regimes: pl.DataFrame
    doses: pl.DataFrame
    compliance: pl.DataFrame
    behaviour_geometry: pl.DataFrame

    @classmethod
    def of(cls, params: Params, entries: dict[str, ModelEntry], read: dict[str, pl.DataFrame]) -> View:
        """`read`: the tables by name."""
        reference = {m: params.reference_of(m) for m in entries} | dict.fromkeys(params.words)
        untrained = [m for m, entry in entries.items() if entry.untrained]

        def described(table: pl.DataFrame, s: str = "") -> pl.DataFrame:
            embeddings = pl.col(f"setting{s}") == INPUT_EMBEDDINGS
            # a reader's place in the page is its own, beside the model whose embeddings it reads
            reader = pl.col(f"model{s}") + pl.when(embeddings).then(pl.lit(EMBEDDINGS_OF)).otherwise(pl.lit(""))
            return table.with_columns(
                pl.col(f"precision{s}").eq_missing(pl.col(f"model{s}").replace_strict(reference)).alias(f"is_reference{s}"),
                pl.col(f"model{s}").is_in(untrained).alias(f"untrained{s}"),
                (pl.col(f"model{s}").is_in(params.words) | embeddings).alias(f"only_words{s}"),
                reader.alias(f"model{s}"),
            ).with_columns(_name(f"model{s}", f"seed{s}", f"precision{s}").alias(f"reader{s}"))

        paired = {name: described(described(read[name], "_a"), "_b") for name in PAIRED}
        references = pl.col("is_reference_a") & pl.col("is_reference_b")
        same_weights = (pl.col("model_a") == pl.col("model_b")) & pl.col("seed_a").eq_missing(pl.col("seed_b"))
        n_words = pl.col("only_words_a").cast(pl.Int8) + pl.col("only_words_b").cast(pl.Int8)
        n_untrained = pl.col("untrained_a").cast(pl.Int8) + pl.col("untrained_b").cast(pl.Int8)
        kind = (
            pl.when(same_weights)
            .then(pl.lit(PRECISIONS))
            .when(references & (n_untrained == 0) & (n_words == 1))
            .then(pl.lit(WORDS))
            .when(n_words > 0)
            .then(pl.lit(OTHER))
            .when(references & (n_untrained == 0))
            .then(pl.lit(BETWEEN))
            .when(references & (n_untrained == 1))
            .then(pl.lit(TWINS))
            .when(references)
            .then(pl.lit(SEEDS))
            .otherwise(pl.lit(OTHER))
        )
        rest = {name: described(table) for name, table in read.items() if name not in (*PAIRED, *ABOUT_MODELS)}
        rest |= {name: read[name] for name in ABOUT_MODELS}
        paired["rsa"] = paired["rsa"].with_columns(kind.alias("kind"))
        return cls(params, entries, **paired, **rest)

    def here(self, table: pl.DataFrame) -> pl.DataFrame:
        report = self.params.report
        return table.filter(position=report.position, variant=report.variant)

    def grid(self) -> list[str]:
        """The readers that the RSA grid shows, in the order of params: all, or, where they are many, each model at its
        reference precision and one draw of each twin."""
        rows = self.at_best_layer().unique("reader").to_dicts()
        if len(rows) > 16:
            rows = [
                r for r in rows if r["is_reference"] and (not r["untrained"] or r["seed"] == self.entries[r["model"]].draws[0])
            ]
        rank, precisions = [*self.entries, *self.word_readers], [*get_args(Precision), None]
        rows.sort(key=lambda r: (rank.index(r["model"]), r["seed"] or 0, precisions.index(r["precision"])))
        return [r["reader"] for r in rows]

    def curves(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at the report's variant, and at its position unless all are asked for."""
        return self.geometry.filter(variant=self.params.report.variant) if all_positions else self.here(self.geometry)

    def pairs(self, kind: str | None = None, rule: str = CV) -> pl.DataFrame:
        """`rsa` at the report's position and variant under one layer rule."""
        rows = self.here(self.rsa).filter(layer_rule=rule, pairs=ALL_PAIRS)
        return rows if kind is None else rows.filter(kind=kind)

    def chosen(self, rule: str) -> pl.DataFrame:
        """`layers`, the choices on all topics of one rule."""
        return self.here(self.layers).filter(pl.col("halving").is_null(), layer_rule=rule)

    def at_best_layer(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at each reader's best_layer_cv."""
        best = self.layers.filter(pl.col("halving").is_null(), layer_rule=CV).select(*GEOMETRY.keys)
        return self.curves(all_positions).join(best, on=GEOMETRY.keys, how="semi", nulls_equal=True)

    @property
    def labels(self) -> list[str]:
        """The emotions that headline figures use, neighbours by sign of valence and family."""
        known = sorted(self.confusion["emotion"].unique())
        norms = labels.emotions(self.params.corpus.emotions, known)
        order = {sign: rank for rank, sign in enumerate(labels.SIGNS)}
        rows = sorted(norms.iter_rows(named=True), key=lambda r: (order.get(r["sign"], 9), r["family"] or "", r["emotion"]))
        return [row["emotion"] for row in rows]

    @property
    def word_readers(self) -> list[str]:
        """The readers of words alone: each trained model's input embeddings, then those of params."""
        return [*(m + EMBEDDINGS_OF for m in self.trained), *self.params.words]

    @property
    def trained(self) -> list[str]:
        return [m for m, entry in self.entries.items() if not entry.untrained]


def load_view() -> View:
    params = Params.load()
    return View.of(params, load_entries(params), {name: tables.read_table(TABLES[name]) for name in VIEWED})
