"""Do the intervals cover, and does the test hold its level? Simulated readers of simulated stories, with known truth.

    python -m benchmarks.coverage [SETS]

Each set draws 24 topics anew. A story is what its label means to a reader, plus content of its own that both readers see
(each through its own linear map), plus noise. Printed, over SETS (1,000):

- coverage of the 95% intervals over topics: rho_same (of its expectation at this number of topics, the mean over sets),
  rho_cross and rho_dis (of their values without noise);
- how often p_mantel_cross <= 0.05 where labels mean nothing, and rho_same there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from analysis.rsa import gram, pairwise, parallel, rdm, split_half
from analysis.rsa.gram import Design, Floats
from analysis.rsa.split_half import Halves

LABELS, TOPICS, WIDTH, CONTENT = 20, 24, 60, 30
PERMUTATIONS, BOOTSTRAP, HALVINGS = 999, 400, 50


@dataclass(frozen=True)
class World:
    """What two readers make of labels (E, H), and how they see a story's own content (CONTENT, H)."""

    meaning: tuple[Floats, Floats]
    sight: tuple[Floats, Floats]

    @classmethod
    def of(cls, strength: float, rng: np.random.Generator) -> World:
        shared = rng.normal(size=(LABELS, WIDTH))
        meaning = [strength * (shared + rng.normal(size=(LABELS, WIDTH))) for _ in range(2)]
        sight = [rng.normal(size=(CONTENT, WIDTH)) for _ in range(2)]
        return cls((meaning[0], meaning[1]), (sight[0], sight[1]))

    @property
    def truth(self) -> float:
        """Spearman's rho of the two RDMs without noise."""
        entries = [rdm.rdms(gram.centred_products(m @ m.T)) for m in self.meaning]
        return float(rdm.spearman(entries[0], entries[1]))


def design() -> Design:
    cells = [(f"e{e:02}", f"t{t:02}") for e in range(LABELS) for t in range(TOPICS)]
    return Design.of([e for e, _ in cells], [t for _, t in cells])


def one_set(world: World, d: Design, first: np.ndarray, draws: np.ndarray, seed: tuple[int, int]) -> pairwise.Pairwise:
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(LABELS * TOPICS, CONTENT))
    sides = []
    for meaning, sight in zip(world.meaning, world.sight, strict=True):
        states = meaning[d.label] + content @ sight / np.sqrt(CONTENT) * 3 + rng.normal(size=(len(d.label), WIDTH))
        sides.append(Halves.of(gram.cells(gram.gram(states), d), d, first, draws=draws))
    return pairwise.pairwise(sides)


def covered(estimates: list[pairwise.Estimate], truth: float) -> float:
    inside = []
    for estimate in estimates:
        half, _ = estimate.intervals(TOPICS, LABELS)[pairwise.TOPICS]
        inside.append(abs(estimate.value[0, 1] - truth) <= half[0, 1])
    return float(np.mean(inside))


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    d, first = design(), split_half.halvings(TOPICS, HALVINGS, 0)
    draws = split_half.bootstrap(TOPICS, BOOTSTRAP, 0)
    world = World.of(0.8, np.random.default_rng(1))
    found = parallel.each(lambda n: one_set(world, d, first, draws, (2, n)), range(sets))
    same = float(np.mean([f.rho_same.value[0, 1] for f in found]))
    cross = float(np.mean([f.rho_cross.value[0, 1] for f in found]))
    reliability = float(np.mean([f.rho_cross.value[0, 0] for f in found]))
    print(f"{sets} sets, truth {world.truth:.3f}: rho_same {same:.3f}, rho_cross {cross:.3f}, rel {reliability:.3f} (means)")
    print(f"rho_same covers its expectation in {covered([f.rho_same for f in found], same):.1%}")
    print(f"rho_cross covers its expectation in {covered([f.rho_cross for f in found], cross):.1%}")
    print(f"rho_dis covers the truth in {covered([f.rho_dis for f in found], world.truth):.1%}")

    nothing = World.of(0.0, np.random.default_rng(3))
    permutations = pairwise.label_permutations(LABELS, PERMUTATIONS, 0)

    def test(n: int) -> tuple[float, float]:
        rng = np.random.default_rng((4, n))
        content = rng.normal(size=(LABELS * TOPICS, CONTENT))
        states = [content @ sight + 0.1 * rng.normal(size=(len(content), WIDTH)) for sight in nothing.sight]
        a, b = (Halves.of(gram.cells(gram.gram(x), d), d, first) for x in states)
        return pairwise.mantel_cross(a, b, LABELS, permutations), split_half.rho_same(a, b)

    tested = np.array(parallel.each(test, range(sets)))
    print(
        f"labels that mean nothing: rho_same {tested[:, 1].mean():.2f}, p_mantel_cross <= 0.05 in"
        f" {(tested[:, 0] <= 0.05).mean():.1%}"
    )


if __name__ == "__main__":
    main()
