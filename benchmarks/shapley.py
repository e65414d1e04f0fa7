"""Do the intervals of the Shapley shares cover? Simulated cells of a factorial design, with known truth.

    python -m benchmarks.shapley [SETS] [--halvings N] [--strength X]

A story is what its label means, its topic, content of its own and noise of the reading: 20 labels x 24 topics. Three factors
make eight cells. `meaning` exchanges what labels mean and is the only one to change their geometry; the two others change how
it is read: `noise` makes the noise half as large again, `basis` turns the space of activations. So the truth is D(none, F)
of the geometry without noise for `meaning`, and 0 for the others.

Printed for every factor, over SETS (1,000) draws of topics: the mean share beside the truth, its standard deviation over the
sets beside the root mean square of the jackknife's, and how often the 95% interval covers, with the standard error of that.

- two factors: `meaning` and `noise`, all cells reading the same stories;
- three factors, all cells reading the same stories;
- three factors and own units: the cells that change `basis` read other stories, on 24 units of their own (as texts that a model
  wrote to prompts are other stories than a corpus). Nothing is shared between the two sides, every half of one goes with every
  half of the other, and the jackknife runs over both sets of units.

The project's tables have 100 halvings; 20 stand here for time. `--strength` is the length of what labels mean against the
content and noise of their stories: less of it makes cells less reliable (printed: the mean reliability of the first cell and of
the noisy one). A set counts as without shares where a distance does not exist, on all topics or without one.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.confounds import shapley
from analysis.confounds.shapley import Attribution
from analysis.controls import second_corpus
from analysis.rsa import gram, pairwise, parallel, rdm, split_half
from analysis.rsa.gram import Bools, Design, Floats
from analysis.rsa.split_half import Halves

LABELS, WIDTH = 20, 60
FACTORS = ("meaning", "noise", "basis")


@dataclass(frozen=True)
class World:
    """What labels mean at both levels of `meaning` (2, E, H), and the turned basis (H, H)."""

    meaning: Floats
    basis: Floats

    @classmethod
    def of(cls, strength: float, rng: np.random.Generator) -> World:
        shared = rng.normal(size=(LABELS, WIDTH))
        own = rng.normal(size=(2, LABELS, WIDTH))
        return cls(strength * (shared + 0.6 * own), np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0])

    @property
    def truth(self) -> float:
        """D(none, F) without noise, all of it the share of `meaning`."""
        one, two = (rdm.rdms(gram.centred_products(m @ m.T)) for m in self.meaning)
        return 1 - float(rdm.spearman(one, two))


def design(topics: int) -> Design:
    cells = [(f"e{e:02}", f"t{t:02}") for e in range(LABELS) for t in range(topics)]
    return Design.of([e for e, _ in cells], [t for _, t in cells])


def stories(d: Design, rng: np.random.Generator) -> Floats:
    """What all readers of a set see in its stories, (S, H): topic and content."""
    return 2 * rng.normal(size=(len(d.units), WIDTH))[d.unit] + 1.5 * rng.normal(size=(len(d.label), WIDTH))


def reading(cell: int, world: World, seen: Floats, d: Design, first: Bools, rng: np.random.Generator) -> Halves:
    meaning, noise, basis = (cell >> f & 1 for f in range(3))
    states = world.meaning[meaning][d.label] + seen + (1.5 if noise else 1.0) * rng.normal(size=seen.shape)
    return Halves.of(gram.cells(gram.gram(states @ world.basis if basis else states), d), d, first)


def same_stories(sides: list[Halves], factors: tuple[str, ...]) -> Attribution:
    found = pairwise.pairwise(sides).rho_dis
    assert found.without_topic is not None
    return shapley.attribute(1 - found.value, [1 - found.without_topic], factors)


def own_stories(one: list[Halves], two: list[Halves], factors: tuple[str, ...]) -> Attribution:
    """Cells of `one` (the last factor's first level) and of `two` have no unit in common."""
    own = [pairwise.pairwise(sides) for sides in (one, two)]
    cross = [p.rho_cross.value for p in own]
    without = [p.rho_cross.without_topic for p in own if p.rho_cross.without_topic is not None]
    ranks = [[second_corpus.mean_ranks(s) for s in sides] for sides in (one, two)]
    mean = [np.stack([m for m, _ in r]) for r in ranks]  # (C, P)
    left = [np.stack([w for _, w in r], axis=1) for r in ranks]  # (T, C, P)

    def whole(a: Floats, b: Floats, between: Floats) -> Floats:
        """rho_cross of all cells (U, 2 C, 2 C) from both sides' and what is between them (U, C, C)."""
        a, b = (np.broadcast_to(x, between.shape) for x in (a, b))
        return np.block([[a, between], [between.swapaxes(1, 2), b]])

    value = whole(cross[0], cross[1], (mean[0] @ mean[1].T)[None])
    left_out = whole(without[0], cross[1], left[0] @ mean[1].T), whole(cross[0], without[1], mean[0] @ left[1].swapaxes(1, 2))
    return shapley.attribute(1 - pairwise.disattenuated(value)[0], [1 - pairwise.disattenuated(x) for x in left_out], factors)


def one_set(world: World, d: Design, first: Bools, seed: tuple[int, int]) -> tuple[list[Attribution], list[float]]:
    """The attributions of the three designs, and the reliabilities of the first cell and of the noisy one."""
    rng = np.random.default_rng(seed)
    seen, others = stories(d, rng), stories(d, rng)
    cells = [reading(cell, world, seen, d, first, rng) for cell in range(8)]
    elsewhere = [reading(cell, world, others, d, first, rng) for cell in range(4, 8)]
    found = [
        same_stories(cells[:4], FACTORS[:2]),  # the third factor is the highest bit
        same_stories(cells, FACTORS),
        own_stories(cells[:4], elsewhere, FACTORS),
    ]
    return found, [split_half.reliability(cells[c]).value for c in (0, 2)]


def report(name: str, found: list[Attribution], truth: float) -> None:
    lost = sum(bool(f.missing) for f in found)
    print(f"{name}: {len(found)} sets, {lost} of them without shares")
    whole = [f for f in found if not f.missing]
    truths = np.array([truth] + [0.0] * (len(found[0].factors) - 1))
    values, errors, ends = (np.stack(x) for x in zip(*[(f.shares, f.se, f.interval()) for f in whole], strict=True))
    totals = np.array([f.total_interval() for f in whole])
    rows: list[tuple[str, float, Floats, Floats, NDArray[np.float64]]] = [
        (factor, truths[n], values[:, n], errors[:, n], ends[:, n]) for n, factor in enumerate(found[0].factors)
    ]
    rows.append(("total", truth, np.array([f.total for f in whole]), np.array([f.total_se for f in whole]), totals))
    for factor, true, share, se, interval in rows:
        covered = float(((interval[:, 0] <= true) & (true <= interval[:, 1])).mean())
        print(
            f"  {factor:8} truth {true:6.3f}  mean {share.mean():6.3f}  sd {share.std(ddof=1):.4f}"
            f"  jackknife {np.sqrt(np.square(se).mean()):.4f}  covers {covered:.1%}"
            f" +- {np.sqrt(covered * (1 - covered) / len(whole)):.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=int, nargs="?", default=1000)
    parser.add_argument("--halvings", type=int, default=20)
    parser.add_argument("--strength", type=float, default=0.8)
    given = parser.parse_args()
    world = World.of(given.strength, np.random.default_rng(1))
    d, first = design(24), split_half.halvings(24, given.halvings, 0)
    made = parallel.each(lambda n: one_set(world, d, first, (2, n)), range(given.sets))
    found, reliabilities = zip(*made, strict=True)
    plain, noisy = np.mean(reliabilities, axis=0)
    print(f"reliability {plain:.2f}, with more noise {noisy:.2f} (means)")
    names = ("two factors", "three factors", "three factors, own units")
    for name, attributions in zip(names, zip(*found, strict=True), strict=True):
        report(name, list(attributions), world.truth)


if __name__ == "__main__":
    main()
