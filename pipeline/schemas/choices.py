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

ABOUT = {
    EVERY_READOUT: "position, variant, layer_rule, depth and emotions as they stand, the headline's among them",
    POSITION: "value is read, at the layer of the headline's position",
    READING: "value was read: the stories with one option of reading changed",
    UNIT_NORM: "each story's state scaled to length 1",
    LAST_LAYER: "the last layer",
    LAST_QUARTER: "the mean of the last quarter of the layers",
    LENGTH_REMOVED: "length in tokens regressed out",
    TOPIC_REMOVED: "topics regressed out",
    LAYERS: "every layer against every layer",
    STORIES: "b read another author's stories, setting_b",
}
"""The choices that are made otherwise, and how."""

ONE_SIDED = (POSITION, READING, UNIT_NORM, LAST_LAYER, LAST_QUARTER, LENGTH_REMOVED, TOPIC_REMOVED)
"""Those that are changed on one side or both, all else equal."""

EVERY_LAYER = "each"
"""The layer rule of rows that are about every layer."""

READOUTS, CONTROLS = "readouts", "controls"

_RULES = "best_layer_cv, best_layer_paper, best_layer_cv_crossfit, matched_depth, or each (every layer is a row)"

CHOICES = PartedTable(
    "choices",
    title="Every other choice",
    question="Would another choice have given another answer?",
    grain="Two readers, or a reader with itself, and one choice that is made otherwise than in the table pairs.",
    described={
        "choice": Column(pl.String, f"What is made otherwise: {'; '.join(f'{k} ({v})' for k, v in ABOUT.items())}."),
        "value": Column(pl.String, "Of position and reading: which one instead."),
        **PAIR_OF_READERS,
        **READOUT,
        "layer_rule": Column(pl.String, f"How the layers are chosen: {_RULES}."),
        "depth": Column(
            pl.Float64, "Layer / number of layers, where both sides are compared at one; null where each has its own."
        ),
        **LAYERS_OF_BOTH,
        "emotions": Column(
            pl.String,
            "Which pairs of emotions count: all (that both sides have), within_sign (of valence), valence_removed.",
        ),
        "n_units": Column(
            pl.Int64, "Topics of each side, or stories of a label where they have none; of two sources, of the one with fewer."
        ),
        "changed": Column(
            pl.String,
            "The side that is changed: a, b or both; a reader with itself has b changed. Null where it is not one side's.",
        ),
        "n_emotions": Column(pl.Int64, "Emotions compared."),
        "rho_same": RHO_SAME,
        "rho_same_half": Column(pl.Float64, "The same on one half of the topics; rho_cross has as few."),
        "rho_cross": RHO_CROSS,
        **RELIABILITIES,
        "rho_dis": RHO_DIS,
        **ends("rho_dis", "topics"),
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
    parts={READOUTS: (EVERY_READOUT,), CONTROLS: (*ONE_SIDED, LAYERS, STORIES)},
)
