"""If the published effect is true, which verdict comes out? For each claim, at several reliabilities.

    python -m benchmarks.power [SETS] [TABLE]

Readers of simulated stories on 24 topics (`planted`), whose agreement without noise is moved to the published figures; every
claim is then judged as a run judges it. Claims that rest on questions, lineages or three passages are simulated as such.
Writes TABLE (data/reference/power.csv): claim, reliability at half of the topics (null where it plays no part), the chance of
each verdict, number of sets.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.claims import comparisons, rules
from analysis.claims.rules import DISATTENUATED, FAILS, HOLDS, NOT_TESTABLE, RAW, UNDECIDED, Published, Side
from analysis.rsa import across_passages, beyond, new_lineage, pairwise, simultaneous, split_half
from benchmarks import planted

MARGIN, HALVINGS = 0.1, 10
RELIABILITIES = (0.4, 0.6, 0.8, 0.9)
LINEAGES = (2, 2, 4, 2)
"""Mature models of each published lineage; all Llamas are one."""
PAPER = "data/reference/paper_rsa_grid.csv"


@dataclass(frozen=True)
class Noise:
    """What rho_dis of every pair differs from its truth, in each set, on all topics and without each: [(K,), (T, K)]."""

    reliability: float
    sets: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, truth: float, reliability: float, readers: int, pairs: list[tuple[int, int]], sets: int) -> Noise:
        world = planted.several(truth, reliability, readers, 2)
        d, first = planted.design(), split_half.halvings(planted.TOPICS, HALVINGS, 0)
        i, j = np.array(pairs).T
        made, own = [], []
        for n in range(sets):
            found = pairwise.pairwise(world.halves(d, first, (8, n)))
            assert found.rho_dis.without_topic is not None
            true = world.truth[i, j]
            made.append((found.rho_dis.value[i, j] - true, found.rho_dis.without_topic[:, i, j] - true))
            own.append(np.diag(found.rho_cross.value).mean())
        return cls(float(np.mean(own)), made)

    def verdicts(self, truth: np.ndarray, side: Side) -> list[str]:
        """On the lowest of the pairs, if these are the truths (K)."""
        found = []
        for n, (value, without) in enumerate(self.sets):
            k = slice(len(truth))
            own = truth + value[k]
            lowest = simultaneous.lowest(own, truth + without[:, k], n)
            number = rules.of_every(lowest, [str(x) for x in range(len(truth))], own.tolist(), DISATTENUATED)
            found.append(rules.judge(number, side).verdict)
        return found


def cross_pairs() -> list[tuple[int, int]]:
    lineage = np.repeat(np.arange(len(LINEAGES)), LINEAGES)
    return [(i, j) for i in range(len(lineage)) for j in range(i + 1, len(lineage)) if lineage[i] != lineage[j]]


def of_pairs(reliability: float, sets: int) -> Iterator[tuple[str, float, list[str]]]:
    """Claims on rho_dis. The truth of `every pair` is what was published, .74 to .89, as if it were free of noise."""
    pairs = cross_pairs()
    noise = Noise.of(0.8, reliability, sum(LINEAGES), pairs, sets)
    spread = np.linspace(0.74, 0.89, len(pairs))
    at_least = Side(at_least=0.7, scale=DISATTENUATED)
    yield "falsifier: every pair at least .7, truth .74 to .89", noise.reliability, noise.verdicts(spread, at_least)
    alike = np.full(len(pairs), 0.9)
    yield "falsifier: every pair at least .7, truth .90", noise.reliability, noise.verdicts(alike, at_least)
    one = Side(at_least=rules.as_rounded("0.74")[0], scale=DISATTENUATED)
    yield "opposite_behaviour: one pair at least .735, truth .81", noise.reliability, noise.verdicts(np.array([0.81]), one)
    close = Noise.of(0.95, reliability, 4, [(0, 1), (2, 3)], sets)
    same = rules.nearly_identical(MARGIN)
    yield "base_instruct: one family nearly identical, truth .95", close.reliability, close.verdicts(np.array([0.95]), same)
    yield "base_instruct: one family nearly identical, truth .99", close.reliability, close.verdicts(np.array([0.99]), same)
    far = Noise.of(0.3, reliability, 4, [(0, 1), (2, 3)], sets)
    other = rules.another_geometry(MARGIN)
    for claim, truth in (("method_clean", 0.36), ("precision", 0.53)):
        words = f"{claim}: another geometry, truth {truth:.2f}"
        yield words, far.reliability, far.verdicts(np.array([truth]), other)


def of_words(reliability: float, sets: int) -> Iterator[tuple[str, float, list[str]]]:
    """Words explain everything, or half of the rest is shared as well."""
    noise = planted.pair(0.8, reliability, 11).readers[0].noise
    d, first = planted.design(), split_half.halvings(planted.TOPICS, HALVINGS, 0)
    for share, name in ((0.0, "beyond words: words are all there is"), (0.5, "beyond words: half of the rest is shared")):
        found, own = [], []
        for n in range(sets):
            numbers = pairwise.pairwise(planted.words_and_more(share, 1, 2.5 * noise).halves(d, first, (3, n)))
            left = beyond.beyond(numbers.rho_dis, 2).interval((0, 1))
            found.append({beyond.MORE: HOLDS}.get(verdict := beyond.verdict(*left, MARGIN), verdict))
            own.append(np.diag(numbers.rho_cross.value).mean())
        yield name, float(np.mean(own)), found


def of_questions(sets: int) -> Iterator[tuple[str, None, list[str]]]:
    """Published: .80 against .20 of ten questions; whether a question flips goes with the question."""
    rng = np.random.default_rng(1)
    for n in (10, 20, 40):
        found = []
        for _ in range(sets):
            hard = 0.5 * rng.normal(size=n)
            one, other = (hard + np.sqrt(0.75) * rng.normal(size=n) > cut for cut in (-0.8416, 0.8416))
            number = comparisons.paired_difference(one, other)
            found.append(rules.judge(number, Side(at_least=0.3)).verdict)
        yield f"opposite_behaviour_flips: {n} questions, at least .3 more, truth .6", None, found


def of_lineages(sets: int) -> Iterator[tuple[str, None, list[str]]]:
    """A new lineage, if lineages differ as the published grid's do."""
    rng = np.random.default_rng(2)
    grid = pl.read_csv(PAPER)
    lineage = {m: m.split("-")[0].rstrip("0123456789.") for m in {*grid["model_a"], *grid["model_b"]}}
    rows = [r for r in grid.iter_rows(named=True) if "gemma" not in {lineage[r["model_a"]], lineage[r["model_b"]]}]
    a, b = ([lineage[r[f"model_{s}"]] for r in rows] for s in "ab")
    published = new_lineage.predict(new_lineage.of_lineages(np.array([r["spearman"] for r in rows]), a, b)[0])
    assert published is not None
    for f in (3, 4, 6, 10):
        found = []
        for _ in range(sets):
            u = published.sd_lineage * rng.normal(size=f)
            e = np.triu(published.sd_pair * rng.normal(size=(f, f)), 1)
            number = rules.of_new_lineage(new_lineage.predict(published.mean + np.add.outer(u, u) + e + e.T), f)
            found.append(rules.judge(number, Side(at_least=0.7, scale=DISATTENUATED)).verdict)
        yield f"new_lineage: at least .7, from {f} lineages", None, found


def of_passages(reliability: float, sets: int) -> Iterator[tuple[str, float, list[str]]]:
    """Three passages a label, two readers who agree to .85: what the published protocol can say of itself."""
    world = planted.pair(0.85, reliability, 11)
    d, chosen = planted.design(topics=3), across_passages.triples(3, 1, 0)
    permutations = pairwise.label_permutations(planted.LABELS, 199, 0)
    found = []
    for n in range(sets):
        p = across_passages.passages(world.grams(d, (6, n)), d, chosen, permutations, 79, n)
        own = float(np.sqrt(max(p.across[0, 0] * p.across[1, 1], 0.0)))
        one = Published("a x b", float(p.same[0, 1]), float(p.across[0, 1]), float(p.p[0, 1]), own)
        found.append(rules.judge_published([one], Side(at_least=0.0, scale=RAW)).verdict)
    yield "published protocol: found across passages, truth .85", reliability, found


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    path = sys.argv[2] if len(sys.argv) > 2 else "data/reference/power.csv"
    made = [*of_questions(sets), *of_lineages(sets)]
    for reliability in RELIABILITIES:
        made += [*of_pairs(reliability, sets), *of_words(reliability, sets), *of_passages(reliability, sets)]
    rows = []
    for claim, reliability, verdicts in made:
        n = Counter(v if v in (HOLDS, FAILS, UNDECIDED, NOT_TESTABLE) else "explained" for v in verdicts)
        names = (HOLDS, FAILS, UNDECIDED, "explained", NOT_TESTABLE)
        shares = {name.replace(" ", "_"): round(n[name] / len(verdicts), 3) for name in names}
        rows.append({"claim": claim, "reliability": reliability and round(reliability, 2), **shares, "sets": len(verdicts)})
    table = pl.DataFrame(rows).sort("claim", "reliability", maintain_order=True)
    table.write_csv(path)
    with pl.Config(tbl_rows=-1, fmt_str_lengths=80, tbl_width_chars=160):
        print(table)


if __name__ == "__main__":
    main()
