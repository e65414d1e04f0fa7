"""The principal components of neutral texts, which `denoised` vectors are without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def neutral_components(neutral: NDArray[np.floating], share: float) -> Floats:
    """The fewest principal components (C, H) of neutral activations (N, H) that hold at least `share` of their variance.

    Orthonormal rows, float64. Found through the (N, N) Gram matrix, since N is far below H.
    """
    a = np.array(neutral, dtype=np.float64)
    a -= a.mean(axis=0)
    values, left = np.linalg.eigh(a @ a.T)
    values, left = np.clip(values[::-1], 0, None), left[:, ::-1]
    rank = int(np.count_nonzero(values > values[0] * 1e-12)) if values[0] > 0 else 0
    if rank == 0 or share <= 0:
        return np.zeros((0, a.shape[1]))
    count = min(int(np.searchsorted(np.cumsum(values) / values.sum(), share * (1 - 1e-12))) + 1, rank)
    rows = left[:, :count].T @ a
    # Each component's sign is arbitrary; a projection does not depend on it.
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
