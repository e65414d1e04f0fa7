"""Layer against layer: each cell equals the pair's own numbers."""

import numpy as np
import pytest

from analysis.controls import layer_map
from analysis.readers.readers import Headline, Reader, Readout
from analysis.rsa import gram, split_half
from pipeline.schemas.choices import CHOICES


@pytest.fixture
def readouts(rng):
    """Two models of 3 and 2 layers on 4 emotions x 4 topics."""
    labels = [e for e in ("a", "b", "c", "d") for _ in range(4)]
    made = []
    for name, n_layers in (("one", 3), ("two", 2)):
        states = rng.normal(size=(16, n_layers, 7)).astype(np.float32)
        whole = np.ones((16, n_layers), bool)
        ids, tokens = [str(i) for i in range(16)], np.full(16, 100)
        arguments = labels, ["t", "u", "v", "w"] * 4, ids, tokens, states, whole, states[:3], whole[:3]
        made.append(Readout(Reader(name, None, "fp32"), "p", *arguments))
    return made


def stacks(readouts, untrained=(False, False)):
    first = split_half.halvings(4, 10, 0)
    return [
        layer_map.stack(r, Headline.of(r, None), u, first, 0.5, "centred") for r, u in zip(readouts, untrained, strict=True)
    ]


def test_every_cell_is_the_pairs_own_rho_same_and_rho_cross(readouts):
    rows = layer_map.rows(stacks(readouts), {"position": "p", "variant": "centred"})
    assert all(r["choice"] == "layers" and r["layer_rule"] == "each" and r.keys() == set(CHOICES.columns) for r in rows)
    assert len(rows) == 3 * 3 + 3 * 2 + 2 * 2
    first = split_half.halvings(4, 10, 0)
    headline = Headline.of(readouts[0], None)
    for row in rows:
        sides = []
        for n in "ab":
            states = next(r for r in readouts if r.reader.model == row[f"model_{n}"]).states[:, row[f"layer_{n}"]]
            sides.append(split_half.Halves.of(headline.cells(gram.gram(states)), headline.design, first))
        assert row["rho_same"] == pytest.approx(split_half.rho_same(*sides))
        assert row["rho_cross"] == pytest.approx(split_half.rho_cross(*sides))


def test_a_layer_that_is_not_finite_is_absent_and_two_untrained_networks_have_no_map(readouts):
    readouts[0].finite[5, 1] = False
    rows = layer_map.rows(stacks(readouts), {})
    assert {r["layer_a"] for r in rows if r["model_a"] == "one"} == {0, 2}
    assert layer_map.rows(stacks(readouts, (True, True)), {}) == []
    assert {(r["model_a"], r["model_b"]) for r in layer_map.rows(stacks(readouts, (False, True)), {})} == {
        ("one", "one"),
        ("one", "two"),
    }
