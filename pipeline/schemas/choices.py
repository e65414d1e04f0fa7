"""Table `choices`: what the numbers of the table `pairs` owe to choices that could have been made otherwise."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import (
    LAYERS_OF_BOTH,
    PAIR_OF_READERS,
    READOUT,
    REASON,
    RELIABILITIES,
    RHO_CROSS,
    RHO_DIS,
    RHO_SAME,
    ends,
)
from pipeline.schemas.parted import PartedTable
from pipeline.schemas.table import Column

EVERY_READOUT, LAYERS, STORIES, POSITION, READING = "readout", "layers", "stories", "position", "reading"
UNIT_NORM, LAST_LAYER, LAST_QUARTER = "unit_norm", "last_layer", "last_quarter"
LENGTH_REMOVED, TOPIC_REMOVED = "length_removed", "topic_removed"
ONE_EMOTION, FEWER_EMOTIONS, FEWER_TOPICS = "one_emotion", "fewer_emotions", "fewer_topics"
PEOPLE, BANKS = "human", "imported"

READOUTS, CONTROLS, EMOTIONS, TOPICS, HUMAN, IMPORTED = "readouts", "controls", "emotions", "topics", "human", "imported"
"""The parts, each of one stage."""

ONE_SIDED = {
    POSITION: "another position, value, at the layer of the headline's",
    READING: "the stories read with another option, value",
    UNIT_NORM: "each story's state scaled to length 1",
    LAST_LAYER: "the last layer",
    LAST_QUARTER: "the mean of the last quarter of the layers",
    LENGTH_REMOVED: "length in tokens regressed out",
    TOPIC_REMOVED: "topics regressed out",
}
"""What is changed on one side or both, all else equal."""

PARTS = {
    READOUTS: {
        EVERY_READOUT: "position, variant, layer_rule, depth and emotions as they stand, each reader at its own layer; the"
        " headline's among them",
    },
    CONTROLS: {
        **ONE_SIDED,
        LAYERS: "every layer of a with every layer of b",
        STORIES: "b read another author's stories, setting_b",
    },
    EMOTIONS: {
        ONE_EMOTION: "the distances of one emotion from all others alone",
        FEWER_EMOTIONS: "random subsets of the emotions; rho_dis is the median over those that have one",
    },
    TOPICS: {
        FEWER_TOPICS: "a reader with itself, on two disjoint sets of n_units topics; rho_cross is its reliability there",
    },
    HUMAN: {PEOPLE: "b is people: the distances between their ratings, setting_b, of the emotion words"},
    IMPORTED: {BANKS: "b is a bank, vectors that others published; a is a reader of ours, or another bank"},
}

WITH = "with "
"""What stands before an emotion, where the pairs of emotions that it is of are counted."""

EVERY_LAYER = "each"
"""The layer rule of rows that are about every layer."""

_OTHERS = {
    "model_b": Column(pl.String, "Of b: the same; or human, or a bank by its file in data/banks."),
    "method_b": Column(pl.String, "Of b: the same; imported, of vectors that others published, which a may be, too."),
    "setting_b": Column(
        pl.String, "Of b: the same; of human the ratings: valence, arousal, dominance or all three; null where it is not known."
    ),
}
_RULES = "best_layer_cv, best_layer_paper, best_layer_cv_crossfit, matched_depth, or each (every layer is a row)"

CHOICES = PartedTable(
    "choices",
    title="Every other choice",
    question="Would another choice have given another answer?",
    grain="Two readers, or a reader with itself, and one choice that is made otherwise than in the table pairs.",
    described={
        "choice": Column(pl.String, "What is made otherwise; its part of the table says what each value means."),
        "value": Column(pl.String, "Of position and reading: which one instead."),
        **PAIR_OF_READERS,
        **_OTHERS,
        **READOUT,
        "layer_rule": Column(pl.String, f"How the layers are chosen: {_RULES}."),
        "depth": Column(
            pl.Float64,
            "Layer / number of layers, of both sides, or of a where b has no layers; null where each side has its own.",
        ),
        **LAYERS_OF_BOTH,
        "emotions": Column(
            pl.String,
            "Which pairs of emotions count: all (that both sides have), within_sign (of valence), valence_removed, with"
            " <emotion>, or <n> drawn (random subsets of n).",
        ),
        "n_units": Column(
            pl.Int64, "Topics of each side, or stories of a label where they have none; of two sources, of the one with fewer."
        ),
        "changed": Column(
            pl.String,
            "The side that is changed: a, b or both; a reader with itself has b changed. Null where it is not one side's.",
        ),
        "n_emotions": Column(pl.Int64, "Emotions compared."),
        "n_drawn": Column(pl.Int64, "Random subsets of emotions, or pairs of sets of topics, behind the row."),
        "rho_same": RHO_SAME,
        "rho_same_half": Column(pl.Float64, "The same on one half of the topics, as few as in rho_cross."),
        "rho_whole": Column(
            pl.Float64,
            "Spearman's rho of the two RDMs, each from all that its side has, where these are not known to be the same stories:"
            " stories, human, imported.",
        ),
        **ends("rho_whole", "topics"),
        "rho_cross": RHO_CROSS,
        **ends("rho_cross", "topics"),
        **RELIABILITIES,
        "rho_dis": RHO_DIS,
        **ends("rho_dis", "topics"),
        "drawn_5": Column(
            pl.Float64, "5% quantile of rho_dis over the subsets of emotions drawn: so low may it be by their choice."
        ),
        "drawn_95": Column(pl.Float64, "95% quantile of the same."),
        "change": Column(
            pl.Float64, "rho_dis less that of the same pair with nothing changed; less 1 for a reader with itself."
        ),
        "change_se": Column(pl.Float64, "Delete-one-topic jackknife standard error of change."),
        "p_equivalent": Column(pl.Float64, "Two one-sided tests; small: change is shown to be within the margin of params."),
        "reason": REASON,
    },
    keys=[
        *("choice", "value", *PAIR_OF_READERS, *READOUT),
        *("layer_rule", "depth", *LAYERS_OF_BOTH, "emotions", "n_units"),
    ],
    by="choice",
    parts=PARTS,
)
