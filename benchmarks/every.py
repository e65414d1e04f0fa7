"""A statement about every pair: how often it falls falsely, and how often it is found true. Ten readers, forty-five pairs.

    python -m benchmarks.every [SETS]

Readers read the same stories on 24 topics, so that pairs share their noise as they do in a run. Each pair's rho_dis is moved by
what its own truth differs from the wanted one: all pairs are at the border (.735), or all at .80, .85, .90. Beside the rule of
`simultaneous` stands the old one, pair by pair.
"""

from __future__ import annotations

import sys

import numpy as np

from analysis.rsa import pairwise, simultaneous, split_half
from benchmarks import planted

READERS, HALVINGS, BORDER = 10, 10, 0.735


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    d, first = planted.design(), split_half.halvings(planted.TOPICS, HALVINGS, 0)
    i, j = np.triu_indices(READERS, k=1)
    for reliability in (0.6, 0.8, 0.9):
        world = planted.several(0.8, reliability, READERS, 2)
        moved = world.truth[i, j]
        verdicts: dict[float, list[tuple[bool, bool, bool, bool]]] = {t: [] for t in (BORDER, 0.8, 0.85, 0.9)}
        halves, rel = [], []
        for n in range(sets):
            found = pairwise.pairwise(world.halves(d, first, (8, n)))
            rel.append(float(np.diag(found.rho_cross.value).mean()))
            without = found.rho_dis.without_topic
            assert without is not None
            half = split_half.t_quantile(0.975, planted.TOPICS - 1) * pairwise.jackknife_se(without)[i, j]
            halves.append(half.mean())
            for truth, rows in verdicts.items():
                shift = truth - moved
                own = found.rho_dis.value[i, j] + shift
                one = simultaneous.lowest(own, without[:, i, j] + shift, n)
                assert one is not None
                old = (bool((own - half).min() >= BORDER), bool((own + half).min() < BORDER))
                rows.append((one.low >= BORDER, one.high < BORDER, *old))
        print(f"{READERS} readers, reliability {np.mean(rel):.2f}, half-width of a pair {np.mean(halves):.3f}, {sets} sets")
        for truth, rows in verdicts.items():
            holds, fails, old_holds, old_fails = np.mean(rows, axis=0)
            print(
                f"  all pairs at {truth}: holds {holds:.1%}, does not hold {fails:.1%};"
                f" pair by pair {old_holds:.1%}, {old_fails:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
