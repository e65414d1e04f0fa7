"""What do readers of words owe to document frequencies that both halves of the stories share?

    python -m benchmarks.idf

TF-IDF weighs words by how few stories hold them; the weights come from all stories, without their labels, so that two halves
of the topics are not quite independent. Printed: reliability of each reader of words, and what two of them share, with
frequencies of all stories, with those of each half's own stories, and with none.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import CountVectorizer

from analysis.readers.words import READERS
from analysis.rsa import gram, pairwise, permutation, split_half
from analysis.rsa.gram import Design, Floats

HALVINGS = 40


def weighted(counts: csr_array, fitted_on: np.ndarray | None) -> Floats:
    """Gram matrix (S, S) of unit rows of (1 + log tf) * idf, idf of the stories `fitted_on` (None: no idf)."""
    x = counts.copy()
    x.data = 1 + np.log(x.data)
    if fitted_on is not None:
        frequency = np.asarray((counts[fitted_on] > 0).sum(axis=0)).ravel()
        x = x @ diags_array(np.log((1 + len(fitted_on)) / (1 + frequency)) + 1)
    norms = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    x = diags_array(1 / norms) @ x
    k = (x @ x.T).toarray()
    return np.asarray(gram.centred_products(k))


def halves(counts: csr_array, d: Design, first: np.ndarray, idf: str) -> Floats:
    """Standardised ranks (N, 2, P)."""
    everyone = np.arange(len(d.label))
    if idf != "of each half":
        k = weighted(counts, everyone if idf == "of all" else None)
        return permutation.split_ranks(permutation.factor(k), d, first, ~first)
    made = [
        permutation.label_ranks(permutation.factor(weighted(counts, everyone[m[d.unit]])), d, m[None])[0]
        for h in first
        for m in (h, ~h)
    ]
    return np.stack(made).reshape(len(first), 2, -1)


def main() -> None:
    frame = pl.read_csv("data/stimuli/stories.csv").filter(pl.col("emotion") != "neutral")
    d = Design.of(frame["emotion"].to_list(), frame["topic"].to_list())
    first = split_half.halvings(len(d.units), HALVINGS, 20260)
    texts = frame["text"].to_list()
    counts = [csr_array(CountVectorizer(**options).fit_transform(texts)).astype(float) for options in READERS.values()]
    for idf in ("of all", "of each half", "none"):
        cross = pairwise.cross_halves(np.stack([halves(c, d, first, idf) for c in counts]))
        own = ", ".join(f"{name} {cross[n, n]:.4f}" for n, name in enumerate(READERS))
        print(f"idf {idf}: reliability {own}; rho_cross {cross[0, 1]:.4f}, rho_dis {pairwise.disattenuated(cross)[0, 1]:.4f}")


if __name__ == "__main__":
    main()
