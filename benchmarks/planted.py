"""Planted worlds: readers of simulated stories whose shared geometry, reliability and shared sight of passages are known.

A story is what its label means to a reader, plus content of its own that every reader sees through its own linear map, plus
noise. Topics are drawn anew in every set; meanings and sights are the world's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.rsa import gram, pairwise, permutation, rdm, split_half
from analysis.rsa.gram import Bools, Design, Floats
from analysis.rsa.split_half import Halves

LABELS, TOPICS, WIDTH, CONTENT = 20, 24, 60, 30


@dataclass(frozen=True)
class Reader:
    """What labels mean (E, H), how content is seen (CONTENT, H), and the standard deviation of noise in each direction."""

    meaning: Floats
    sight: Floats
    noise: float = 1.0

    def states(self, content: Floats, design: Design, rng: np.random.Generator) -> Floats:
        """Activations (S, H) of stories with this content (S, CONTENT)."""
        noise = self.noise * rng.normal(size=(len(design.label), self.meaning.shape[1]))
        return np.asarray(self.meaning[design.label] + content @ self.sight + noise)


@dataclass(frozen=True)
class World:
    readers: tuple[Reader, ...]

    @property
    def truth(self) -> Floats:
        """Spearman's rho of the RDMs without noise or content, of every two readers."""
        r = rdm.ranks(np.stack([rdm.rdms(gram.centred_products(x.meaning @ x.meaning.T)) for x in self.readers]))
        return np.asarray(r @ r.T)

    def states(self, design: Design, seed: tuple[int, ...]) -> list[Floats]:
        """Activations (S, H) of one set of stories, which all readers read."""
        rng = np.random.default_rng(seed)
        content = rng.normal(size=(len(design.label), CONTENT))
        return [x.states(content, design, rng) for x in self.readers]

    def grams(self, design: Design, seed: tuple[int, ...]) -> list[Floats]:
        """Gram matrices (S, S) of the same."""
        return [gram.gram(x) for x in self.states(design, seed)]

    def ranks(self, design: Design, first: Bools, seed: tuple[int, ...]) -> Floats:
        """Standardised ranks (C, N, 2, P) of the RDMs of both halves."""
        return np.stack([permutation.split_ranks(x, design, first, ~first) for x in self.states(design, seed)])

    def whole(self, design: Design, seed: tuple[int, ...]) -> Floats:
        """Standardised ranks (C, P) of the RDMs of all stories."""
        everything = np.ones((1, len(design.units)), dtype=bool)
        return np.stack([permutation.label_ranks(x, design, everything)[0] for x in self.states(design, seed)])

    def halves(self, design: Design, first: Bools, seed: tuple[int, ...], draws: np.ndarray | None = None) -> list[Halves]:
        return [Halves.of(gram.cells(k, design), design, first, draws=draws) for k in self.grams(design, seed)]


def design(labels: int = LABELS, topics: int = TOPICS) -> Design:
    """Labels crossed with topics, one story in each cell."""
    cells = [(f"e{e:02}", f"t{t:02}") for e in range(labels) for t in range(topics)]
    return Design.of([e for e, _ in cells], [t for _, t in cells])


def sights(n: int, content: float, shared: float, rng: np.random.Generator) -> list[Floats]:
    """Linear maps of content, whose parts in common have the share `shared` of the variance."""
    common = rng.normal(size=(CONTENT, WIDTH))
    own = [rng.normal(size=(CONTENT, WIDTH)) for _ in range(n)]
    scale = content / np.sqrt(CONTENT)
    return [scale * (np.sqrt(shared) * common + np.sqrt(1 - shared) * x) for x in own]


def geometry(rng: np.random.Generator) -> Floats:
    """Label vectors (E, H) along a few strong directions: a geometry of equal distances has no rank order to share."""
    return np.asarray(rng.normal(size=(LABELS, WIDTH)) * np.geomspace(3.0, 0.1, WIDTH))


def agreement(a: Floats, b: Floats) -> float:
    """Spearman's rho of the RDMs of two sets of label vectors (E, H)."""
    r = rdm.ranks(np.stack([rdm.rdms(gram.centred_products(x @ x.T)) for x in (a, b)]))
    return float(r[0] @ r[1])


def meanings(truth: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two sets of label vectors (E, H) whose RDMs' Spearman is `truth` (to .002): a mixture of one geometry and another."""
    for _ in range(1000):
        one, other = geometry(rng), geometry(rng)

        def mixed(share: float, one: Floats = one, other: Floats = other) -> Floats:
            return np.asarray(np.sqrt(share) * one + np.sqrt(1 - share) * other)

        def reached(share: float, one: Floats = one, mixed: Callable[[float], Floats] = mixed) -> float:
            return agreement(one, mixed(share))

        if reached(0.0) <= truth:
            share = bisected(reached, truth, (0.0, 1.0))
            if abs(reached(share) - truth) < 0.002:
                return one, mixed(share)
    raise ValueError(f"no two geometries of rho {truth} were found")


def bisected(of: Callable[[float], float], wanted: float, between: tuple[float, float], steps: int = 40) -> float:
    """Where a rising function reaches `wanted`."""
    low, high = between
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) < wanted else (low, middle)
    return (low + high) / 2


@cache
def pair(truth: float, reliability: float, seed: int, topics: int = TOPICS, content: float = 2.0, shared: float = 0.5) -> World:
    """Two readers, each of about `reliability` at half of the topics, whose RDMs agree to `truth` without noise.

    Noise and what is seen of passages are scaled alike.
    """
    rng = np.random.default_rng((seed, round(1000 * truth)))
    one, other = meanings(truth, rng)
    seen = sights(2, content, shared, rng)
    d, first = design(topics=topics), split_half.halvings(topics, 10, 0)

    def world(scale: float) -> World:
        return World(tuple(Reader(m, scale * s, scale) for m, s in zip((one, other), seen, strict=True)))

    def unreliable(log_scale: float) -> float:
        found = [pairwise.cross_halves(world(float(np.exp(log_scale))).ranks(d, first, (seed, n))) for n in range(6)]
        return -float(np.mean([np.diag(x) for x in found]))

    return world(float(np.exp(bisected(unreliable, -reliability, (-3.0, 4.0), steps=14))))


@cache
def without_labels(rho_same: float, seed: int) -> World:
    """Two readers to whom labels mean nothing and whose rho_same is about `rho_same`: what they see of passages is shared."""
    rng = np.random.default_rng(seed)
    d, nothing, scale = design(), np.zeros((LABELS, WIDTH)), 3.0
    common = rng.normal(size=(CONTENT, WIDTH)) * scale
    own = [rng.normal(size=(CONTENT, WIDTH)) * scale for _ in range(2)]

    def world(shared: float) -> World:
        return World(tuple(Reader(nothing, np.sqrt(shared) * common + np.sqrt(1 - shared) * x, noise_of(shared)) for x in own))

    def noise_of(shared: float) -> float:
        return float(40.0 * (1 - shared) ** 2 + 0.3)

    def rho(shared: float) -> float:
        found = [world(shared).whole(d, (seed, n)) for n in range(12)]
        return float(np.mean([r[0] @ r[1] for r in found]))

    return world(bisected(rho, rho_same, (0.0, 1.0), steps=12))


def unrelated(seed: int, reliability: float = 0.8) -> Callable[[int], World]:
    """Worlds of two strong geometries that have nothing to do with one another, drawn anew in every set."""
    scale = pair(0.0, reliability, seed).readers[0]

    def world(n: int) -> World:
        rng = np.random.default_rng((seed, n, 7))
        seen = sights(2, 2.0 * scale.noise, 0.5, rng)
        return World(tuple(Reader(geometry(rng), s, scale.noise) for s in seen))

    return world


def words_and_more(share: float, seed: int, noise: float = 1.0) -> World:
    """Two models and, third, a reader of words. A model's geometry: words, another of both with the `share`, a little of its
    own."""
    rng = np.random.default_rng((seed, round(1000 * share)))
    words, more = geometry(rng), geometry(rng)
    own = [np.sqrt(1 - share) * words + np.sqrt(share) * more + 0.3 * geometry(rng) for _ in range(2)]
    seen = sights(3, 1.0, 0.5, rng)
    return World(tuple(Reader(m, s, noise) for m, s in zip([*own, words], seen, strict=True)))


def halves_of_words(share: float, seed: int, noise: float = 1.0) -> World:
    """Two models and two readers of words, each of whom knows one half of the words, and little of the other. A model's
    geometry: all words, and another of both with the `share`."""
    rng = np.random.default_rng((seed, round(1000 * share), 2))
    one, other = (geometry(rng)[:, : WIDTH // 2] for _ in range(2))
    model = np.sqrt(1 - share) * np.hstack([one, other]) + np.sqrt(share) * geometry(rng)
    meant = [model, model, np.hstack([one, 0.3 * other]), np.hstack([0.3 * one, other])]
    return World(tuple(Reader(m, s, noise) for m, s in zip(meant, sights(4, 1.0, 0.5, rng), strict=True)))


def several(truth: float, reliability: float, n: int, seed: int) -> World:
    """`n` readers, any two of whom agree to about `truth` without noise: each adds a geometry of its own to one in common."""
    rng = np.random.default_rng((seed, n))
    base = pair(truth, reliability, seed).readers[0]
    common, own = geometry(rng), [geometry(rng) for _ in range(n)]

    def world(share: float) -> World:
        mixed = [np.sqrt(share) * common + np.sqrt(1 - share) * x for x in own]
        seen = sights(n, 2.0 * base.noise, 0.5, np.random.default_rng((seed, 5)))
        return World(tuple(Reader(m, s, base.noise) for m, s in zip(mixed, seen, strict=True)))

    i, j = np.triu_indices(n, k=1)
    return world(bisected(lambda share: float(world(share).truth[i, j].mean()), truth, (0.0, 1.0), steps=20))
