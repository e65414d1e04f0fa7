"""The tables: their columns, keys and files. Long, one row per measurement, keys first.

Apart from `store`, so that a new column does not make models read again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.store import whole_or_nothing

TABLES = Path("data/tables")

_CONDITION = {
    "model": pl.String,
    "seed": pl.Int64,  # of an untrained twin's weights; null for a trained model
    "precision": pl.String,  # null for a reader of words alone
    "method": pl.String,
    "setting": pl.String,
}
_READOUT = {"position": pl.String, "variant": pl.String}

GEOMETRY = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "layer": pl.Int64,
        "depth": pl.Float64,
        "n_stimuli": pl.Int64,
        "unit": pl.String,  # of resampling: topic, or story where stories are not crossed with topics
        "n_units": pl.Int64,
        "n_emotions": pl.Int64,
        "anisotropy": pl.Float64,
        "n_neutral_components": pl.Int64,
        "rdm_mean": pl.Float64,
        "rdm_std": pl.Float64,
        "mean_cosine": pl.Float64,
        "mean_cosine_with_neutral": pl.Float64,
        "accuracy": pl.Float64,
        "accuracy_se": pl.Float64,
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "n_halvings": pl.Int64,
        "reason": pl.String,
    }
)

LAYERS = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "layer_rule": pl.String,
        "halving": pl.Int64,  # null: chosen on all topics
        "half": pl.Int64,
        "layer": pl.Int64,
        "plateau_low": pl.Int64,
        "plateau_high": pl.Int64,
        "reason": pl.String,
    }
)

_PAIR = {
    **{f"{key}_a": dtype for key, dtype in _CONDITION.items()},
    **{f"{key}_b": dtype for key, dtype in _CONDITION.items()},
    **_READOUT,
    "layer_rule": pl.String,
    "depth": pl.Float64,  # of the rule `matched_depth`
    "pairs": pl.String,  # of labels: all, within_sign (of valence), valence_removed
}

RSA = pl.Schema(
    {
        **_PAIR,
        "layer_a": pl.Int64,
        "layer_b": pl.Int64,
        "n_stimuli": pl.Int64,
        "unit": pl.String,
        "n_units": pl.Int64,
        "n_halvings": pl.Int64,
        "rho_same": pl.Float64,
        "rho_same_half": pl.Float64,  # on the same half: beside rho_cross, what reading the same passages adds
        "rho_cross": pl.Float64,
        "reliability_a": pl.Float64,
        "reliability_b": pl.Float64,
        "ceiling": pl.Float64,  # sqrt(reliability_a reliability_b): of rho_cross, never of rho_same
        "rho_dis": pl.Float64,
        "rho_same_without_label_low": pl.Float64,  # leave one label out: the lowest and highest value
        "rho_same_without_label_high": pl.Float64,
        "rho_dis_without_label_low": pl.Float64,
        "rho_dis_without_label_high": pl.Float64,
        "cka": pl.Float64,  # linear, over stories, of activations; best_layer_cv and all pairs of labels only
        "p_mantel_cross": pl.Float64,  # likewise
        "q_mantel_cross": pl.Float64,  # over the declared family
        "in_family": pl.Boolean,
        "reason": pl.String,
    }
)

INTERVALS = pl.Schema(
    {
        **_PAIR,
        "estimator": pl.String,  # rho_same, rho_cross, rho_dis
        "over": pl.String,  # topics, labels, topics_and_labels (conservative)
        "estimate": pl.Float64,
        "dof": pl.Int64,
        "ci_low": pl.Float64,  # 95%
        "ci_high": pl.Float64,
    }
)

NOISE_CEILING = pl.Schema(
    {
        "precision": pl.String,
        **_READOUT,
        "layer_rule": pl.String,
        "n_lineages": pl.Int64,
        "lower": pl.Float64,
        "lower_se": pl.Float64,
        "upper": pl.Float64,
        "upper_se": pl.Float64,
        "reason": pl.String,
    }
)

N_COMPONENTS = 3

CORPUS = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "words": pl.String,  # the reader of words that stands beside
        "layer": pl.Int64,  # best_layer_cv
        "accuracy": pl.Float64,
        "accuracy_se": pl.Float64,
        "words_accuracy": pl.Float64,
        "over_words": pl.Float64,  # accuracy - words_accuracy
        "over_words_se": pl.Float64,
        "where_words_fail": pl.Float64,  # accuracy on the stories that the reader of words gets wrong
        "where_words_fail_se": pl.Float64,
        "n_where_words_fail": pl.Int64,
        # of each principal component of the label vectors: share of variance, |Pearson r| with human norms; null without norms
        **{f"pc{k + 1}_{x}": pl.Float64 for k in range(N_COMPONENTS) for x in ("share", "valence", "arousal")},
    }
)

CONFUSION = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "emotion": pl.String,
        "predicted": pl.String,
        "layer": pl.Int64,
        "n_stimuli": pl.Int64,
    }
)

GROWTH = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "pairs": pl.String,  # of labels: all, or within_sign (of valence)
        "n_units": pl.Int64,  # in each of the two sets
        "unit": pl.String,
        "layer": pl.Int64,
        "n_draws": pl.Int64,
        "reliability": pl.Float64,
        "reliability_se": pl.Float64,
        "reason": pl.String,
    }
)

CONTROLS = pl.Schema(
    {
        **{key: dtype for key, dtype in _PAIR.items() if key not in ("layer_rule", "depth", "pairs")},
        "control": pl.String,  # stimulus_floor; words:<reader>; untrained
        "layer_a": pl.Int64,  # best_layer_cv
        "layer_b": pl.Int64,
        "rho_same": pl.Float64,
        "floor_mean": pl.Float64,  # stimulus_floor: rho_same with labels shuffled within topics, alike on both sides
        "floor_95": pl.Float64,
        "rho_dis": pl.Float64,
        "rho_dis_given": pl.Float64,  # others: partial correlation of the disattenuated values, given the control
        "rho_dis_given_se": pl.Float64,  # delete-one-topic jackknife
        "n_draws": pl.Int64,
        "reason": pl.String,
    }
)

HUMAN = pl.Schema(
    {
        **_CONDITION,
        **_READOUT,
        "norm": pl.String,  # valence, arousal, dominance, or all three
        "layer": pl.Int64,
        "depth": pl.Float64,
        "n_emotions": pl.Int64,  # those with norms
        "spearman": pl.Float64,  # of the model's RDM with the distances between norms
        "se_topic": pl.Float64,
        "se_label": pl.Float64,
        "ci_low": pl.Float64,  # 95%, over topics and labels
        "ci_high": pl.Float64,
        "reason": pl.String,
    }
)

SCHEMAS: dict[str, pl.Schema] = {
    "geometry": GEOMETRY,
    "layers": LAYERS,
    "corpus": CORPUS,
    "confusion": CONFUSION,
    "growth": GROWTH,
    "rsa": RSA,
    "intervals": INTERVALS,
    "noise_ceiling": NOISE_CEILING,
    "controls": CONTROLS,
    "human": HUMAN,
}
KEYS: dict[str, list[str]] = {
    "geometry": [*_CONDITION, *_READOUT, "layer"],
    "layers": [*_CONDITION, *_READOUT, "layer_rule", "halving", "half"],
    "corpus": [*_CONDITION, *_READOUT, "words"],
    "confusion": [*_CONDITION, *_READOUT, "emotion", "predicted"],
    "growth": [*_CONDITION, *_READOUT, "pairs", "n_units"],
    "rsa": [*_PAIR],
    "intervals": [*_PAIR, "estimator", "over"],
    "controls": [*(k for k in _PAIR if k not in ("layer_rule", "depth", "pairs")), "control"],
    "human": [*_CONDITION, *_READOUT, "norm", "layer"],
    "noise_ceiling": ["precision", *_READOUT, "layer_rule"],
}


def table_path(name: str) -> Path:
    return TABLES / f"{name}.parquet"


def write_table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write `data/tables/<name>.parquet`, sorted by its keys; a row that misses or adds a column is an error."""
    frame = table(name, rows)
    with whole_or_nothing(table_path(name)) as scratch:
        frame.write_parquet(scratch, compression="zstd", statistics=True)
    return frame


def table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a table of the schema of `name`, sorted by its keys, each of which must stand once."""
    schema = SCHEMAS[name]
    for row in rows:
        if row.keys() != set(schema):
            raise ValueError(f"{name}: a row has the columns {sorted(row)}; the schema says {sorted(schema)}")
    frame = pl.DataFrame(rows, schema=schema, orient="row").sort(KEYS[name], nulls_last=False)
    if frame.select(KEYS[name]).is_duplicated().any():
        raise ValueError(f"{name}: two rows with the same keys")
    nan = [c for c, dtype in schema.items() if dtype == pl.Float64 and frame[c].is_nan().any()]
    if nan:
        raise ValueError(f"{name}: NaN in {', '.join(nan)}; an estimate that does not exist is null, with a reason")
    return frame
