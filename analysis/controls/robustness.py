"""One reader with one choice made otherwise: another position, layer, scaling, reading, or a covariate taken out.

Each is a Gram matrix over the headline stories at the reader's own layer, so that nothing else changes with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.readers.readers import Headline, Readout
from analysis.rsa import gram
from analysis.rsa.gram import Floats
from pipeline.schemas.choices import LAST_LAYER, LAST_QUARTER, LENGTH_REMOVED, TOPIC_REMOVED, UNIT_NORM

WITHIN = (UNIT_NORM, LAST_LAYER, LAST_QUARTER, LENGTH_REMOVED, TOPIC_REMOVED)
"""The choices that need no other activations than the readout's own."""


def unit(states: NDArray[np.floating]) -> Floats:
    """States (S, H), each scaled to length 1; a zero state stays zero."""
    x = np.asarray(states, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1.0))


def last_quarter(n_layers: int) -> slice:
    """The last quarter of the layers, at least one."""
    return slice(n_layers - max(1, round(n_layers / 4)), n_layers)


def residual_gram(k: Floats, covariates: Floats) -> Floats:
    """K (S, S) of the stories' residuals after least squares on `covariates` (S, C) and a constant."""
    x = np.column_stack([np.ones(len(k)), covariates])
    q, r = np.linalg.qr(x)
    # a covariate that others already say (topics sum to the constant) has no direction of its own
    own = np.abs(np.diagonal(r)) > 1e-9 * np.abs(r).max()
    basis, _ = np.linalg.qr(x[:, own]) if not own.all() else (q, r)
    left = k - basis @ (basis.T @ k)
    return np.asarray(left - (left @ basis) @ basis.T)


def within(readout: Readout, headline: Headline, layer: int, choice: str) -> Floats | None:
    """K over the headline stories with a choice of `WITHIN`; None where it means nothing here, or states are not finite."""
    if choice in (LAST_LAYER, LAST_QUARTER) and readout.n_layers == 1:
        return None
    layers = {LAST_LAYER: slice(readout.n_layers - 1, None), LAST_QUARTER: last_quarter(readout.n_layers)}.get(
        choice, slice(layer, layer + 1)
    )
    rows = headline.rows
    if not readout.finite[:, layers].all():
        return None
    states = readout.states[:, layers].mean(axis=1, dtype=np.float64)
    if choice == UNIT_NORM:
        states = unit(states)
    # centred over all stories, as the headline's own Gram matrix is
    k = headline.gram(gram.gram(states))
    if choice == LENGTH_REMOVED:
        return residual_gram(k, standardised(readout.n_tokens[rows]))
    if choice == TOPIC_REMOVED:
        return residual_gram(k, dummies([readout.topics[i] for i in rows]))
    return k


def standardised(values: NDArray[np.int64]) -> Floats:
    """Values (S) as one column of mean 0 and standard deviation 1; no column where all are equal."""
    x = values.astype(np.float64)
    spread = x.std()
    return np.asarray(((x - x.mean()) / spread)[:, None]) if spread > 0 else np.zeros((len(x), 0))


def dummies(names: Sequence[str]) -> Floats:
    """One column per name but the first, 1 where a story has it: (S, n - 1)."""
    known = sorted(set(names))[1:]
    return np.array([[name == k for k in known] for name in names], dtype=np.float64).reshape(len(names), len(known))
