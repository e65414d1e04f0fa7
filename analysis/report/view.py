"""The tables as a reader looks at them: at the report's position and variant, each row with its name and kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from analysis.readers import overflow
from analysis.readers.kinds import ONE_MODEL, TWO_LINEAGES
from analysis.readers.sections import ReaderSections
from analysis.rsa.names import CV, DEPTH
from pipeline.models.entries import ModelEntry, load_entries
from pipeline.params.behaviour import BehaviourSections
from pipeline.params.confounds import ConfoundsSections
from pipeline.params.corpus import CorpusSections
from pipeline.params.geometry import INPUT_EMBEDDINGS
from pipeline.params.report import ReportSections
from pipeline.params.rsa import RsaSections
from pipeline.params.steering import SteeringSections
from pipeline.schemas.choices import EVERY_READOUT
from pipeline.schemas.corpus import EMOTION_PAIRS
from pipeline.schemas.every import TABLES
from pipeline.schemas.geometry import GEOMETRY
from pipeline.store import chosen_layers, parts
from pipeline.texts import labels


class Params(
    ReaderSections, CorpusSections, RsaSections, SteeringSections, BehaviourSections, ConfoundsSections, ReportSections
):
    """The sections that the report shows."""

    profile: str


def _name(model: str, seed: str, precision: str) -> pl.Expr:
    draw = pl.when(pl.col(seed).is_null()).then(pl.lit("")).otherwise(pl.lit(" #") + pl.col(seed).cast(pl.String))
    return pl.concat_str(pl.col(model), draw, (pl.lit(" ") + pl.col(precision)).fill_null(""))


PAIRED = ("pairs", "beyond", "choices", "paper_pairs")
EMBEDDINGS_OF = ", input embeddings"
ABOUT_MODELS = ("writings", "confounds", "maturity", "claims", "steering", "behaviour")
RAW = ("lineages", "prediction")
"""Tables that are shown as they stand."""
VIEWED = ("geometry", *PAIRED, "corpus", "emotion_pairs", "paper", *ABOUT_MODELS, *RAW)


@dataclass(frozen=True)
class View:
    """The tables with what a reader needs beside each row: the reader's name, and what kind of pair it is."""

    params: Params
    entries: dict[str, ModelEntry]
    geometry: pl.DataFrame
    overflow: pl.DataFrame
    layers: pl.DataFrame
    every_pair: pl.DataFrame
    beyond: pl.DataFrame
    choices: pl.DataFrame
    corpus: pl.DataFrame
    emotion_pairs: pl.DataFrame
    paper: pl.DataFrame
    paper_pairs: pl.DataFrame
    writings: pl.DataFrame
    confounds: pl.DataFrame
    maturity: pl.DataFrame
    claims: pl.DataFrame
    steering: pl.DataFrame
    behaviour: pl.DataFrame
    raw: dict[str, pl.DataFrame]
    """Every table as it is published."""

    @classmethod
    def of(cls, params: Params, entries: dict[str, ModelEntry], read: dict[str, pl.DataFrame]) -> View:
        """`read`: the tables by name, and `layers`."""
        reference = {m: params.reference_of(m) for m in entries} | dict.fromkeys(params.words)
        untrained = [m for m, entry in entries.items() if entry.untrained]

        def described(table: pl.DataFrame, s: str = "") -> pl.DataFrame:
            embeddings = (pl.col(f"setting{s}") == INPUT_EMBEDDINGS).fill_null(False)
            most_exact = pl.col(f"model{s}").replace_strict(reference, default=None)
            # a reader's place in the page is its own, beside the model whose embeddings it reads
            reader = pl.col(f"model{s}") + pl.when(embeddings).then(pl.lit(EMBEDDINGS_OF)).otherwise(pl.lit(""))
            return table.with_columns(
                pl.col(f"precision{s}").eq_missing(most_exact).alias(f"is_reference{s}"),
                pl.col(f"model{s}").is_in(untrained).alias(f"untrained{s}"),
                (pl.col(f"model{s}").is_in(params.words) | embeddings).alias(f"only_words{s}"),
                reader.alias(f"model{s}"),
            ).with_columns(_name(f"model{s}", f"seed{s}", f"precision{s}").alias(f"reader{s}"))

        paired = {name: described(described(read[name], "_a"), "_b") for name in PAIRED}
        rest = {name: described(table) for name, table in read.items() if name not in (*PAIRED, *ABOUT_MODELS, *RAW)}
        rest |= {name: read[name] for name in ABOUT_MODELS}
        rest["overflow"] = described(overflow.of_readers(read["geometry"]))
        at = pl.col("position") == params.report.position
        paired |= {"every_pair": paired.pop("pairs").filter(at), "beyond": paired["beyond"].filter(at)}
        return cls(params, entries, **paired, **rest, raw=read)

    @property
    def readout(self) -> dict[str, str]:
        """The position and variant of headline figures, as columns name them."""
        return {"position": self.params.report.position, "variant": self.params.report.variant}

    @property
    def at(self) -> dict[str, str]:
        """The same of tables whose rows are all of the report's variant."""
        return {"position": self.params.report.position}

    def here(self, table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(**self.readout)

    def otherwise(self, *choices: str) -> pl.DataFrame:
        """The rows of `choices` under some of them, at the report's position and variant."""
        return self.here(self.choices).filter(pl.col("choice").is_in(choices))

    def of_one(self, choice: str) -> pl.DataFrame:
        """The same of a choice that is about one reader: the columns of side a, named without it."""
        rows = self.otherwise(choice)
        return rows.rename({c: c.removesuffix("_a") for c in rows.columns if c.endswith("_a")})

    def grid(self) -> list[str]:
        """The readers that the grid of pairs shows, in the order of params: each model at its reference precision, one draw of
        each twin, and the readers of words."""
        rows = self.at_best_layer().filter("is_reference").unique("reader").to_dicts()
        rows = [r for r in rows if not r["untrained"] or r["seed"] == self.entries[r["model"]].draws[0]]
        rank = [*self.entries, *self.word_readers]
        rows.sort(key=lambda r: rank.index(r["model"]))
        return [r["reader"] for r in rows]

    def curves(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at the report's variant, and at its position unless all are asked for."""
        return self.geometry.filter(variant=self.params.report.variant) if all_positions else self.here(self.geometry)

    def pairs(self, kind: str | None = None) -> pl.DataFrame:
        """`pairs`, those of a kind at each model's reference precision; of one model, its precisions."""
        if kind is None:
            return self.every_pair
        own = self.every_pair.filter(kind=kind)
        if kind == ONE_MODEL:
            return own.filter(pl.col("setting_a") == pl.col("setting_b"))
        return own.filter("is_reference")

    def elsewhere(self) -> dict[str, pl.DataFrame]:
        """`pairs` of trained models of two lineages at the positions that are not the report's, each at its own best layers."""
        rows = self.raw["pairs"].filter(~pl.col("is_headline"), kind=TWO_LINEAGES, is_reference=True)
        return {str(position): own for (position,), own in rows.group_by("position", maintain_order=True)}

    def over_depth(self, *kinds: str) -> pl.DataFrame:
        """`choices` at matched depths, of the kinds of pairs asked for, with each row's ceiling of rho_cross."""
        own = pl.concat([self.pairs(kind) for kind in kinds]).select("reader_a", "reader_b", "kind")
        at = self.otherwise(EVERY_READOUT).filter(layer_rule=DEPTH).join(own, on=["reader_a", "reader_b"])
        product = pl.col("reliability_a") * pl.col("reliability_b")
        positive = (pl.col("reliability_a") > 0) & (pl.col("reliability_b") > 0)
        return at.with_columns(pl.when(positive).then(product.sqrt()).alias("ceiling"))

    def chosen(self, rule: str) -> pl.DataFrame:
        """`layers`, the choices on all topics of one rule."""
        return self.here(self.layers).filter(pl.col("halving").is_null(), layer_rule=rule)

    def at_best_layer(self, all_positions: bool = False) -> pl.DataFrame:
        """`geometry` at each reader's best_layer_cv."""
        best = self.layers.filter(pl.col("halving").is_null(), layer_rule=CV).select(*GEOMETRY.keys)
        return self.curves(all_positions).join(best, on=GEOMETRY.keys, how="semi", nulls_equal=True)

    @cached_property
    def confusion(self) -> pl.DataFrame:
        """From `emotion_pairs`: how many stories of each `emotion` are given which name (`predicted`), `n_stimuli`; what never
        occurs has no row."""
        of = ("emotion_a", "emotion_b", "n_stimuli_a", "n_stimuli_b", "n_a_as_b", "n_b_as_a")
        who = [c for c in self.emotion_pairs.columns if c not in EMOTION_PAIRS.columns or c in (*EMOTION_PAIRS.keys, "layer")]
        who = [c for c in who if c not in of]
        wrong = pl.concat(
            self.emotion_pairs.select(
                *who,
                pl.col(f"emotion_{a}").alias("emotion"),
                pl.col(f"emotion_{b}").alias("predicted"),
                pl.col(f"n_{a}_as_{b}").alias("n_stimuli"),
                pl.col(f"n_stimuli_{a}").alias("n_named"),
            )
            for a, b in ("ab", "ba")
        )
        right = wrong.group_by(*who, "emotion", maintain_order=True).agg(
            pl.col("emotion").first().alias("predicted"),
            (pl.col("n_named").first() - pl.col("n_stimuli").sum()).alias("n_stimuli"),
        )
        return pl.concat([right, wrong.drop("n_named")]).filter(pl.col("n_stimuli") > 0)

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
    def lineages(self) -> list[str]:
        """Lineages of the trained models, in the order of params."""
        return list(dict.fromkeys(self.entries[m].lineage for m in self.trained))

    @property
    def trained(self) -> list[str]:
        return [m for m, entry in self.entries.items() if not entry.untrained]


def load_view() -> View:
    params = Params.load()
    read = {name: parts.read(TABLES[name]) for name in VIEWED}
    return View.of(params, load_entries(params), read | {"layers": chosen_layers.read(params.readers)})
