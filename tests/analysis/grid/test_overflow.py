import numpy as np
import xarray as xr

from analysis.grid import overflow
from analysis.readers.readers import Reader


def read(finite, seeds=False):
    dims = (("seed",) if seeds else ()) + ("stimulus", "position", "layer")
    coords = {"seed": [3, 4]} if seeds else {}
    return xr.DataArray(finite, coords, dims)


def test_the_first_bad_layer_and_the_share_of_texts_are_counted_over_positions():
    finite = np.ones((5, 2, 6), bool)
    finite[1, 0, 3:] = finite[1, 1, 4:] = False
    finite[2, 1, 4] = False
    row = overflow.row(Reader("m", None, "fp16"), read(finite))
    assert (row["first_bad_layer"], row["n_bad_layers"], row["n_bad_stimuli"]) == (3, 3, 2)
    assert (row["share_bad_stimuli"], row["share_bad_at_first"]) == (2 / 5, 1 / 5)
    assert row["reason"] == "not finite from layer 3 on, in 2 of 5 texts"


def test_what_is_finite_has_a_row_too_and_every_draw_its_own():
    finite = np.ones((2, 4, 1, 3), bool)
    finite[1, :, :, 2] = False
    good, bad = (overflow.row(Reader("m", s, "fp16"), read(finite, seeds=True)) for s in (3, 4))
    assert (good["first_bad_layer"], good["n_bad_stimuli"], good["share_bad_stimuli"], good["reason"]) == (None, 0, 0.0, None)
    assert (bad["seed"], bad["first_bad_layer"], bad["share_bad_stimuli"]) == (4, 2, 1.0)
