"""Tables of the stage `pairs`: every pair of readers."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import (
    JACKKNIFE,
    LAYERS_OF_BOTH,
    PAIR_OF_READERS,
    REASON,
    RELIABILITIES,
    RHO_CROSS,
    RHO_DIS,
    RHO_SAME,
    UNIT,
    ends,
)
from pipeline.schemas.table import Column, Table

AT = {"position": Column(pl.String, "Which tokens are read: the report's position (`report` of params.yaml), or another.")}

PAIRS = Table(
    "pairs",
    title="Every pair of readers",
    question="How alike are two readers, how much of it is the passages or the words, and how sure is that?",
    grain="Two readers at one position and the report's variant, each at its best_layer_cv.",
    described={
        **PAIR_OF_READERS,
        **AT,
        "kind": Column(
            pl.String,
            "two lineages, one lineage (trained models); one model (two precisions, or a model and its input embeddings);"
            " untrained (a trained model and an untrained twin), two untrained; words (a trained model and a reader of words),"
            " two word readers, untrained and words.",
        ),
        "is_headline": Column(pl.Boolean, "Whether the position is the report's: the others say what hangs on it."),
        "is_reference": Column(pl.Boolean, "Whether both are at the precision that stands for their model: its most exact."),
        **LAYERS_OF_BOTH,
        "n_stimuli": Column(pl.Int64, "Stories behind the row, those of the neutral label not counted."),
        "unit": UNIT,
        "n_units": Column(pl.Int64, "How many units there are."),
        "rho_same": RHO_SAME,
        **ends("rho_same", "topics"),
        "rho_same_half": Column(
            pl.Float64, "The same on one half of the topics: less rho_cross, what reading the same passages adds."
        ),
        "floor_95": Column(
            pl.Float64, "95% quantile of rho_same with labels shuffled within topics, alike on both sides: what passages give."
        ),
        "rho_cross": RHO_CROSS,
        **ends("rho_cross", "topics"),
        "p_cross": Column(
            pl.Float64,
            "One-sided p of rho_cross: the larger of two permutation tests, of one side's labels and of labels within topics."
            " Of trained models and readers of words at their reference precision.",
        ),
        "q_cross": Column(
            pl.Float64, "The same adjusted over the pairs of two lineages at the reference precision (Benjamini and Hochberg)."
        ),
        **RELIABILITIES,
        "rho_dis": RHO_DIS,
        **ends("rho_dis", "topics"),
        "rho_dis_without_label_low": Column(pl.Float64, "The lowest rho_dis with one emotion left out."),
        "rho_dis_without_label_high": Column(pl.Float64, "The highest rho_dis with one emotion left out."),
        "smallest_visible": Column(
            pl.Float64, "The smallest difference of rho_dis that the design finds, at the 5% level with 80% power."
        ),
        "p_equivalent_to_one": Column(
            pl.Float64, "Two one-sided tests of rho_dis against the margin of params; small: the two geometries are one."
        ),
        "within_sign": Column(pl.Float64, "rho_dis over the pairs of emotions of one sign of valence."),
        **ends("within_sign", "topics"),
        "valence_removed": Column(pl.Float64, "rho_dis with the difference of the emotions' human valence taken out."),
        **ends("valence_removed", "topics"),
        "beyond_words": Column(
            pl.Float64, "What is left of rho_dis beyond the words that explain most: `left` of table beyond."
        ),
        **ends("beyond_words", "topics"),
        "words": Column(pl.String, "Which reader of words that is, or all_words."),
        "rho_dis_jackknife": Column(
            JACKKNIFE, "rho_dis without each topic, topics in sorted order: for statements about several pairs at once."
        ),
        "within_sign_jackknife": Column(JACKKNIFE, "The same of within_sign."),
        "valence_removed_jackknife": Column(JACKKNIFE, "The same of valence_removed."),
        "reason": REASON,
    },
    keys=[*PAIR_OF_READERS, *AT],
)

BEYOND = Table(
    "beyond",
    title="What is left of a pair beyond a control",
    question="Do words, or a network without training, give all that two readers have in common?",
    grain="One pair of the table pairs and one control.",
    described={
        **PAIR_OF_READERS,
        **AT,
        "control": Column(
            pl.String,
            "words:<reader of words>, words:input_embeddings (the pair's own models'), words:all_words (all of these at once),"
            " or untrained. Words are those of the whole text, at every position.",
        ),
        "n_readers": Column(
            pl.Int64, "Readers that stand for the control: those whose geometry can be told from noise; means are over them."
        ),
        "left": Column(
            pl.Float64,
            "d = rho_dis less the product of both sides' rho_dis with the control: what the control does not give. all_words:"
            " less the fit of a regression on all of them. Null where no geometry of the control can be told from noise.",
        ),
        **ends("left", "topics"),
        "left_jackknife": Column(JACKKNIFE, "left without each topic."),
        "reason": REASON,
    },
    keys=[*PAIR_OF_READERS, *AT, "control"],
)

LINEAGES = Table(
    "lineages",
    title="Pairs across lineages",
    question="How alike are models that do not descend from one another, and what would a new lineage show?",
    grain="The pairs of two lineages at one position and precision; one of their numbers.",
    described={
        **AT,
        "precision": Column(pl.String, "The precision that both are read at."),
        "estimator": Column(pl.String, "rho_same, rho_cross or rho_dis."),
        "n_lineages": Column(pl.Int64, "Lineages with such a pair."),
        "n_pairs": Column(pl.Int64, "Pairs of trained models of two lineages that have the number."),
        "n_unknown": Column(pl.Int64, "Pairs that have none."),
        "lowest": Column(pl.Float64, "The lowest value over the pairs."),
        "lowest_low": Column(pl.Float64, "rho_dis: lower end of the simultaneous 95% interval of the lowest, over topics."),
        "lowest_high": Column(pl.Float64, "rho_dis: its upper end (max-t over the pairs)."),
        "median": Column(pl.Float64, "The median over the pairs."),
        "highest": Column(pl.Float64, "The highest value over the pairs."),
        "median_without_lineage_low": Column(pl.Float64, "The lowest median with one lineage left out."),
        "median_without_lineage_high": Column(pl.Float64, "The highest median with one lineage left out."),
        "new_lineage": Column(pl.Float64, "rho_dis: mean over pairs of lineages, which a new one is predicted from."),
        "new_lineage_low": Column(pl.Float64, "Lower end of the 95% prediction interval of a new lineage with one of these."),
        "new_lineage_high": Column(pl.Float64, "Its upper end."),
        "ceiling_low": Column(
            pl.Float64,
            "Noise ceiling, lower bound. rho_cross: mean rho of a lineage with the mean of the others, from three lineages on;"
            " rho_same: of a model with the mean of the other models, from two on.",
        ),
        "ceiling_high": Column(pl.Float64, "The same with the lineage, or the model, itself in the mean."),
        "reason": REASON,
    },
    keys=[*AT, "precision", "estimator"],
)
