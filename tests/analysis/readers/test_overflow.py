"""What a precision could not hold, from planted rows of `geometry`."""

import polars as pl

from analysis.readers.overflow import of_readers
from pipeline.schemas.geometry import GEOMETRY

SCHEMA = {name: GEOMETRY.columns[name] for name in GEOMETRY.keys} | dict.fromkeys(
    ("n_stimuli", "n_not_finite", "n_neutral_not_finite"), pl.Int64
)


def rows(lost, seed=None, neutral=None):
    """Rows of one reader of five stories: by position, how many are not finite at each layer."""
    return [
        dict.fromkeys(SCHEMA)
        | {"model": "m", "seed": seed, "precision": "fp16", "setting": "stories", "position": position, "variant": variant}
        | {"layer": n, "n_stimuli": 5, "n_not_finite": count, "n_neutral_not_finite": (neutral or [0] * len(counts))[n]}
        for position, counts in lost.items()
        for variant in ("centred", "denoised")
        for n, count in enumerate(counts)
    ]


def found(*tables):
    frame = pl.DataFrame([row for table in tables for row in table], schema=SCHEMA).sample(fraction=1, shuffle=True, seed=3)
    return of_readers(frame).sort("seed", nulls_last=False).to_dicts()


def test_the_first_bad_layer_and_the_share_of_stories_are_counted_over_positions():
    (row,) = found(rows({"last": [0, 0, 0, 1, 1, 0], "mean0": [0, 0, 0, 0, 2, 2]}))
    assert (row["n_layers"], row["first_bad_layer"], row["n_bad_layers"], row["n_bad_stimuli"]) == (6, 3, 3, 2)
    assert (row["share_bad_stimuli"], row["share_bad_at_first"]) == (2 / 5, 1 / 5)
    assert row["reason"] == "not finite from layer 3 on, in 2 of 5 stories"


def test_what_is_finite_has_a_row_too_and_every_draw_its_own():
    good, bad = found(rows({"last": [0, 0, 0]}, seed=3), rows({"last": [0, 0, 5]}, seed=4))
    assert (good["first_bad_layer"], good["n_bad_stimuli"], good["share_bad_stimuli"], good["reason"]) == (None, 0, 0.0, None)
    assert good["share_bad_at_first"] == 0.0
    assert (bad["seed"], bad["first_bad_layer"], bad["share_bad_stimuli"]) == (4, 2, 1.0)


def test_a_layer_that_neutral_texts_alone_lose_is_bad_too():
    (row,) = found(rows({"last": [0, 0, 0]}, neutral=[0, 2, 2]))
    assert (row["first_bad_layer"], row["n_bad_layers"], row["n_bad_stimuli"], row["share_bad_at_first"]) == (1, 2, 0, 0.0)
    assert row["reason"] == "not finite from layer 1 on, in 0 of 5 stories"
