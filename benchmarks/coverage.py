"""Do the intervals over topics cover? Simulated readers of simulated stories, with known truth.

    python -m benchmarks.coverage [SETS]

Each set draws 24 topics anew (`planted`). Over SETS (500) sets, in each cell of a grid of truths (0, .3, .8, .97) and
reliabilities (.3, .6, .9), the share of 95% intervals that hold what they estimate, and what is wrong with the estimate
itself:

- rho_same: of its expectation at this number of topics, the mean over sets;
- rho_dis: of the rho without noise; its bias, the mean half-width, and how often it is null for want of reliability.

Aim: 92 to 98%.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from analysis.rsa import pairwise, split_half
from analysis.rsa.gram import Design
from analysis.rsa.split_half import Reliability
from benchmarks import planted
from benchmarks.planted import World

BOOTSTRAP, HALVINGS = 300, 30
TRUTHS, RELIABILITIES = (0.0, 0.3, 0.8, 0.97), (0.3, 0.6, 0.9)


@dataclass(frozen=True)
class Set:
    """Estimate and half-width of both numbers, and the reliabilities."""

    same: tuple[float, float]
    dis: tuple[float, float]
    reliabilities: tuple[float, float]
    readable: bool


def one_set(world: World, d: Design, first: np.ndarray, draws: np.ndarray, n: int) -> Set:
    halves = world.halves(d, first, (2, n), draws)
    found = pairwise.pairwise(halves)
    own: list[Reliability] = [split_half.reliability(h) for h in halves]

    def at(estimate: pairwise.Estimate) -> tuple[float, float]:
        half, _ = estimate.intervals(planted.TOPICS, planted.LABELS)[pairwise.TOPICS]
        return float(estimate.value[0, 1]), float(half[0, 1])

    values = (own[0].value, own[1].value)
    return Set(at(found.rho_same), at(found.rho_dis), values, all(r.reason is None for r in own))


def covered(numbers: np.ndarray, truth: float) -> float:
    return float(np.mean(np.abs(numbers[:, 0] - truth) <= numbers[:, 1]))


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    d, first = planted.design(), split_half.halvings(planted.TOPICS, HALVINGS, 0)
    draws = split_half.bootstrap(planted.TOPICS, BOOTSTRAP, 0)
    for truth in TRUTHS:
        for wanted in RELIABILITIES:
            world = planted.pair(truth, wanted, 11)
            found = [one_set(world, d, first, draws, n) for n in range(sets)]
            same, dis = np.array([f.same for f in found]), np.array([f.dis for f in found if f.readable])
            reliability = float(np.mean([f.reliabilities for f in found]))
            true = float(world.truth[0, 1])
            print(
                f"truth {true:.2f}, reliability {reliability:.2f}:"
                f" rho_same covers {covered(same, same[:, 0].mean()):.1%}; rho_dis covers {covered(dis, true):.1%},"
                f" bias {dis[:, 0].mean() - true:+.3f}, half-width {dis[:, 1].mean():.3f}, null in {1 - len(dis) / sets:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
