"""Non-maximum suppression: of several points for one nucleus, the best stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["suppress_non_maxima"]


def suppress_non_maxima(points: NDArray[np.float32], scores: NDArray[np.float32], radius: float) -> NDArray[np.intp]:
    """Rows of points (N, 2) that have no better one within `radius`; of equal scores the upper left one is better.

    A point that is itself suppressed still suppresses others. The usual greedy rule would spare those, but then the
    fate of a nucleus could hang on a chain of others of any length, and on where a tile ends. The two rules give the
    same F1 (docs/models.md).
    """
    if len(points) < 2:
        return np.arange(len(points))
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")
    rank = np.empty(len(points), np.intp)
    rank[np.lexsort((points[:, 1], points[:, 0], -scores))] = np.arange(len(points))
    gone = np.zeros(len(points), bool)
    gone[np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])] = True
    return np.flatnonzero(~gone)
