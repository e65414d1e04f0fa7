"""Do the permutation tests of rho_cross hold their level, and what do they find?

    python -m benchmarks.levels [SETS]

Of SETS (2,000) simulated sets, the share in which p <= .05:

- labels mean nothing to either reader, and what both see of the passages gives a rho_same of .2, .5, .9 (at most 6%);
- two strong geometries that have nothing to do with one another (at most 7.5%);
- readers who agree a little, at low reliabilities: power (of a tenth of the sets).

A shuffle's rejection is exact: drawing stops once p can no longer be .05 or less.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from analysis.rsa import floor, pairwise, permutation, split_half
from analysis.rsa.gram import Design
from benchmarks import planted
from benchmarks.planted import World

PERMUTATIONS, SHUFFLES, HALVINGS, LEVEL, CHUNK = 999, 199, 10, 0.05, 20


def rejects_by_shuffle(factors: list, d: Design, first: np.ndarray, observed: float, seed: int) -> bool:
    """Whether p_shuffle <= LEVEL with SHUFFLES shuffles."""
    enough, as_good = int(LEVEL * (1 + SHUFFLES)), 0
    shuffles = floor.shuffles(d, SHUFFLES, seed)
    for start in range(0, SHUFFLES, CHUNK):
        null = permutation.shuffled_cross(factors, d, first, ~first, shuffles[start : start + CHUNK])[:, 0, 1]
        as_good += int(np.count_nonzero(null >= observed - 1e-12))
        if as_good >= enough:
            return False
    return True


def one_set(world: World, d: Design, first: np.ndarray, mantel: permutation.Mantel, n: int) -> tuple[float, bool, bool]:
    """rho_same of one set, and whether either test rejects."""
    factors = world.states(d, (4, n))
    ranks = [permutation.split_ranks(f, d, first, ~first) for f in factors]
    observed = float(pairwise.cross_halves(np.stack(ranks))[0, 1])
    whole = [permutation.label_ranks(f, d, np.ones((1, len(d.units)), dtype=bool))[0] for f in factors]
    shuffle = rejects_by_shuffle(factors, d, first, observed, n)
    return float(whole[0] @ whole[1]), mantel.p(ranks[0], ranks[1]) <= LEVEL, shuffle


def constant(world: World) -> Callable[[int], World]:
    return lambda n: world


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    d, first = planted.design(), split_half.halvings(planted.TOPICS, HALVINGS, 0)
    mantel = permutation.Mantel(planted.LABELS, pairwise.label_permutations(planted.LABELS, PERMUTATIONS, 0))
    worlds: dict[str, Callable[[int], World]] = {}
    for r in (0.2, 0.5, 0.9):
        worlds[f"no label effect, rho_same {r}"] = constant(planted.without_labels(r, 3))
    worlds["unrelated strong geometries"] = planted.unrelated(5)
    for truth, reliability in ((0.15, 0.2), (0.3, 0.2), (0.3, 0.3)):
        worlds[f"power: truth {truth}, reliability {reliability}"] = constant(planted.pair(truth, reliability, 6))
    for name, world in worlds.items():
        own = sets // 10 if name.startswith("power") else sets
        found = np.array([one_set(world(n), d, first, mantel, n) for n in range(own)])
        both = found[:, 1] * found[:, 2]
        print(
            f"{name}: rho_same {found[:, 0].mean():.2f}, p_mantel {found[:, 1].mean():.1%}, p_shuffle {found[:, 2].mean():.1%},"
            f" p_cross {both.mean():.1%} (of {own})",
            flush=True,
        )


if __name__ == "__main__":
    main()
