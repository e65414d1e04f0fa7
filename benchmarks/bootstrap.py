"""How fast RDMs of resampled topics are made, against rsatoolbox and against direct numpy; ratios within one run.

    pip install rsatoolbox; python -m benchmarks.bootstrap

The work of one layer: 1,000 draws of topics with replacement from 504 stories (21 labels x 24 topics), and of each draw the
centred cosine RDM over labels. Ours goes through K (stories x stories) and includes making it. "Direct" is numpy as one would
write it with care: cell means once, then every draw's label means by one matrix product, centring, cosines. rsatoolbox
averages its own resampled datasets, and is timed on fewer draws, since each costs the same. Activations are random: no
number's value matters to the time. All three are checked to agree. BLAS keeps to one thread in all, as in
the stages, where layers are what is spread over the cores.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from analysis.rsa import gram, parallel, rdm, split_half
from analysis.rsa.gram import Design, Floats

LABELS, TOPICS, DRAWS, ROUNDS, FEW = 21, 24, 1000, 3, 20


def design() -> Design:
    cells = [(f"e{e:02}", f"t{t:02}") for e in range(LABELS) for t in range(TOPICS)]
    return Design.of([e for e, _ in cells], [t for _, t in cells])


def ours(states: Floats, d: Design, draws: Floats) -> Floats:
    cells = gram.cells(gram.gram(states), d)
    return rdm.rdms(gram.centred_products(gram.label_products(cells, d, draws)))


def direct(states: Floats, draws: Floats) -> Floats:
    cells = states.reshape(LABELS, TOPICS, -1).astype(np.float64)
    i, j = rdm.pairs(LABELS)
    made = np.empty((len(draws), len(i)))
    for start in range(0, len(draws), 50):
        weights = draws[start : start + 50] / TOPICS
        means = np.tensordot(weights, cells, axes=(1, 1))  # (D, E, H)
        means -= means.mean(axis=1, keepdims=True)
        means /= np.linalg.norm(means, axis=2, keepdims=True)
        made[start : start + 50] = 1 - (means @ means.transpose(0, 2, 1))[:, i, j]
    return made


def with_rsatoolbox(states: Floats, d: Design, draws: Floats) -> Floats:
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm

    labels = np.array(d.labels)[d.label]
    made = []
    for counts in draws.astype(int):
        rows = np.repeat(np.arange(len(states)), counts[d.unit])
        centred = states[rows] - np.mean(states[rows], axis=0)  # crossed: the mean over stories is the mean over labels
        data = Dataset(centred, obs_descriptors={"label": labels[rows]})
        made.append(calc_rdm(data, method="correlation", descriptor="label").get_vectors()[0])
    return np.stack(made)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@parallel.one_thread
def main() -> None:
    d = design()
    draws = split_half.bootstrap(TOPICS, DRAWS, seed=0).astype(np.float64)
    for width in (576, 4096):
        states = np.random.default_rng(1).normal(size=(LABELS * TOPICS, width))
        states -= states.mean(axis=1, keepdims=True)  # so that rsatoolbox's correlation distance is the cosine distance
        few = draws[:FEW]
        assert np.allclose(ours(states, d, few), direct(states, few), atol=1e-9)
        ways: dict[str, tuple[Callable[[], object], int]] = {
            "ours": (lambda: ours(states, d, draws), DRAWS),  # noqa: B023
            "direct numpy": (lambda: direct(states, draws), DRAWS),  # noqa: B023
        }
        try:
            assert np.allclose(ours(states, d, few), with_rsatoolbox(states, d, few), atol=1e-9)
            ways["rsatoolbox"] = (lambda: with_rsatoolbox(states, d, few), FEW)  # noqa: B023
        except ImportError:
            print("rsatoolbox is not installed; without it")
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (work, n) in ways.items():
                times[name].append(seconds(work) * DRAWS / n)
        own = statistics.median(times["ours"])
        for name, taken in times.items():
            middle = statistics.median(taken)
            print(f"width {width}: {name:14} {middle:8.3f} s a layer, {middle / own:6.1f}x ours")


if __name__ == "__main__":
    main()
