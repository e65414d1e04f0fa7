"""The columns that tables share, above all those that name who read what, and at which read-out."""

from __future__ import annotations

import polars as pl

from pipeline.schemas.table import Column

READER = {
    "model": Column(pl.String, "The model, by its file in data/models; or a reader of words alone: tfidf, char_ngrams."),
    "seed": Column(pl.Int64, "Seed of the random weights of an untrained twin; null for a trained model."),
    "precision": Column(pl.String, "fp32, bf16, fp16, int8 or nf4; null for a reader of words alone."),
    "method": Column(
        pl.String, "comprehension (a corpus was read), generation (the model's own texts), or the name of the setting."
    ),
    "setting": Column(pl.String, "What was read: stories, or the name of another reading or writing."),
}

READOUT = {
    "position": Column(pl.String, "Tokens that are read: last, middle, or mean<n> (the mean from token n on)."),
    "variant": Column(
        pl.String, "centred (less the mean over the stimuli), or denoised (also without the neutral texts' components)."
    ),
}

LAYER_RULE = Column(
    pl.String, "How the layer is chosen: best_layer_cv, best_layer_paper, best_layer_cv_crossfit, matched_depth."
)
UNIT = Column(
    pl.String,
    "What is resampled: topic; story where stories are not crossed with topics; fold where labels have unequally many of them,"
    " dealt out to as many folds as the smallest label has stories.",
)
REASON = Column(pl.String, "Why a value is missing; null where nothing is.")


def on_both_sides(columns: dict[str, Column]) -> dict[str, Column]:
    """The same columns for side a of a pair, then for side b."""
    return {f"{key}_{side}": Column(c.dtype, f"Of {side}: {c.about}") for side in "ab" for key, c in columns.items()}


PAIR_OF_READERS = on_both_sides(READER)
"""What names a pair of readers."""

PAIR_HERE = {**PAIR_OF_READERS, **READOUT}
"""What names a pair of readers at one read-out."""

JACKKNIFE = pl.List(pl.Float64)
"""A number without each unit in turn: for statements about several numbers at once."""
LAYERS_OF_BOTH = {
    "layer_a": Column(pl.Int64, "The layer of a, counted from 0."),
    "layer_b": Column(pl.Int64, "The layer of b, counted from 0."),
}
RELIABILITIES = {
    "reliability_a": Column(pl.Float64, "Split-half reliability of a's RDM: mean Spearman rho between its two halves."),
    "reliability_b": Column(pl.Float64, "Split-half reliability of b's RDM."),
}
RHO_SAME = Column(pl.Float64, "Spearman's rho of the two RDMs on the same stories.")
RHO_CROSS = Column(pl.Float64, "Mean Spearman's rho of a's RDM on one half of the topics with b's on the other half.")
RHO_DIS = Column(pl.Float64, "rho_cross / sqrt(reliability_a reliability_b): disattenuated for noise, never clipped.")


def ends(of: str, over: str) -> dict[str, Column]:
    """The two ends of the 95% interval of one of several numbers of a row."""
    return {
        f"{of}_low": Column(pl.Float64, f"Lower end of the 95% interval of {of}, over {over}."),
        f"{of}_high": Column(pl.Float64, f"Upper end of the 95% interval of {of}, over {over}."),
    }


def interval(of: str, over: str) -> dict[str, Column]:
    """The two ends of a 95% interval."""
    return {
        "ci_low": Column(pl.Float64, f"Lower end of the 95% interval of {of}, over {over}."),
        "ci_high": Column(pl.Float64, f"Upper end of the 95% interval of {of}, over {over}."),
    }
