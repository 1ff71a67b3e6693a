"""How far each nucleus is, in feature space, from everything that was labelled: one cheap update per answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.learning.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Diversity"]

SAMPLE = 4096
"""Nuclei from which the directions are found."""
CHUNK = 16_384
AT_ONCE = 64
"""Labelled ones that are compared with a chunk in one product."""


class Diversity:
    """Distances in the few directions in which nuclei differ most.

    Parameters
    ----------
    features : (N, F) array
        One row per nucleus; rows of NaN where features are not known.
    directions : int
        Directions that are kept.
    seed : int
        Of the sample that finds them.
    """

    @one_thread()
    def __init__(self, features: NDArray[np.floating], directions: int = 16, seed: int = 0) -> None:
        self._projected, self.known = _project(features, directions, seed)
        self._squares = (self._projected**2).sum(1)
        self._nearest: NDArray[np.float32] = np.full(len(features), np.inf, np.float32)
        self.labelled = 0

    @one_thread()
    def label(self, rows: NDArray[np.int64]) -> None:
        """Say that nuclei were labelled, by row."""
        rows = rows[self.known[rows]]
        self.labelled += len(rows)
        for k in range(0, len(rows), AT_ONCE):
            some = rows[k : k + AT_ONCE]
            for first in range(0, len(self._nearest), CHUNK):
                part = slice(first, first + CHUNK)
                away = self._projected[part] @ (-2 * self._projected[some].T)
                away += self._squares[some]
                nearest = np.maximum(away.min(1) + self._squares[part], 0)
                np.minimum(self._nearest[part], nearest, out=self._nearest[part])

    def scores(self) -> NDArray[np.float32]:
        """Distance to the nearest labelled one (N,), 0 to 1 for the farthest; 0 for all while nothing is labelled."""
        if not self.labelled:
            return np.zeros(len(self._nearest), np.float32)
        distance = np.sqrt(np.where(self.known, self._nearest, 0))
        # the very farthest are mostly debris: they must not make all others look alike
        largest = np.quantile(distance[:: max(len(distance) // SAMPLE, 1)], 0.95)
        score: NDArray[np.float32] = np.minimum(distance / max(float(largest), 1e-6), 1).astype(np.float32)
        return score


def _project(
    features: NDArray[np.floating], directions: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Standardised features in their main directions (N, D), and which rows are known (N,)."""
    count, width = features.shape
    picked = np.sort(np.random.default_rng(seed).permutation(count)[:SAMPLE])
    sample = features[picked].astype(np.float32)
    sample = sample[np.isfinite(sample).all(1)]
    projected = np.zeros((count, min(directions, width)), np.float32)
    known = np.zeros(count, bool)
    if len(sample) < 2:
        return projected, known
    mean, spread = sample.mean(0), np.maximum(sample.std(0), 1e-6)
    scaled = (sample - mean) / spread
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    turn = (vectors[:, ::-1][:, : projected.shape[1]] / spread[:, None]).astype(np.float32)
    for k in range(0, count, CHUNK):
        part = features[k : k + CHUNK].astype(np.float32)
        known[k : k + CHUNK] = np.isfinite(part).all(1)
        projected[k : k + CHUNK] = np.where(known[k : k + CHUNK, None], (part - mean) @ turn, 0)
    return projected, known
