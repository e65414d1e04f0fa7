"""Tables of the published protocol: each reader at its own layer, and every pair."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.keys import JACKKNIFE, LAYERS_OF_BOTH, READER, REASON, UNIT, on_both_sides
from pipeline.schemas.table import Column, Table

HERE = {
    "position": Column(pl.String, "The token that is read: the last, as published."),
    "n_units": Column(pl.Int64, "Topics used, or texts of each label where they are not crossed: 3 as published, and all."),
}

PAPER = Table(
    "paper",
    title="The published protocol, each reader",
    question="What does the published protocol measure, and would other texts give the same?",
    grain="One reader, on three topics or on all.",
    described={
        **READER,
        **HERE,
        "unit": UNIT,
        "n_labels": Column(pl.Int64, "Labels in the RDM; the neutral one counts, as published."),
        "n_stimuli": Column(pl.Int64, "Texts used."),
        "n_layers": Column(pl.Int64, "Layers of the model."),
        "n_finite_layers": Column(pl.Int64, "Layers that are finite in every text; only these stand for choice."),
        "layer": Column(pl.Int64, "The layer, best_layer_paper."),
        "depth_percent": Column(pl.Float64, "100 layer / number of layers, as published."),
        "mean_cosine": Column(pl.Float64, "Mean cosine over all pairs of centred vectors at that layer."),
        "rdm_std": Column(pl.Float64, "Population standard deviation of the RDM's entries."),
        "rdm_std_jackknife": Column(
            JACKKNIFE,
            "The same without each unit, in sorted order, at the layer that the rule takes then: for a model beside others.",
        ),
        "anisotropy": Column(
            pl.Float64, "Mean cosine over all pairs of the neutral texts' raw last-token states at that layer."
        ),
        "anisotropy_jackknife": Column(JACKKNIFE, "The same without each neutral text, the layer kept."),
        "reliability": Column(pl.Float64, "Spearman's rho of the RDMs over all labels between halves of the units."),
        "reliability_se": Column(pl.Float64, "Its standard error, over units."),
        "reliability_three": Column(
            pl.Float64, "The same between disjoint threes of units: a study of the published size, again."
        ),
        "reliability_three_se": Column(pl.Float64, "Its standard error, over units."),
        "reliability_one": Column(pl.Float64, "Mean Spearman's rho of RDMs from one text of each label, over pairs of texts."),
        "reason": REASON,
    },
    keys=[*READER, *HERE],
)

ACROSS = {
    "across": Column(
        pl.Float64,
        "On three units: Spearman's rho of the RDM of one passage of each label in a with that of the two others in b, both"
        " ways round; mean over triples of topics. It shares no passage.",
    ),
    "own_a": Column(pl.Float64, "The same of a with itself: what one passage of each label says of two others."),
    "own_b": Column(pl.Float64, "The same of b with itself."),
    "p_mantel": Column(pl.Float64, "p of across under permutations of one side's labels; between trained models alone."),
    "p_shuffle": Column(pl.Float64, "p of across under labels shuffled within topics, alike on both sides; likewise."),
    "p_across": Column(pl.Float64, "The larger of both: small only where neither kind of chance gives as much."),
    "n_triples": Column(pl.Int64, "Triples of topics behind across; 1 where three passages of each label are all there are."),
}

PAPER_PAIRS = Table(
    "paper_pairs",
    title="The published protocol, every pair",
    question="How alike are two readers under the published protocol, and how alike with labels that mean nothing?",
    grain="Two readers, on three topics or on all.",
    described={
        **on_both_sides(READER),
        **HERE,
        **LAYERS_OF_BOTH,
        "spearman": Column(pl.Float64, "Spearman's rho of the RDMs over all labels, as published."),
        "spearman_emotions": Column(pl.Float64, "The same over the emotions alone, centred anew."),
        "floor_mean": Column(pl.Float64, "Mean of spearman with labels shuffled within topics, alike on both sides."),
        "floor_95": Column(pl.Float64, "95% quantile of the same."),
        "n_shuffles": Column(pl.Int64, "Shuffles drawn."),
        **ACROSS,
        "reason": REASON,
    },
    keys=[*on_both_sides(READER), *HERE],
)
