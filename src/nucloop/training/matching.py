"""Matching predictions with reference nuclei while a detector learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign"]


def assign(
    points: NDArray[np.float32], probability: NDArray[np.float32], targets: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Give each reference nucleus one cell: least total of 0.1 x distance (px) - probability (Hungarian).

    Parameters
    ----------
    points : (N, 2) array
        Predicted centres, pixels.
    probability : (N,) array
        Predicted nucleus probability.
    targets : (M, 2) array
        Reference centres, pixels.

    Returns
    -------
    (2, min(M, K)) array
        Rows of `points` and of `targets`.
    """
    if not len(targets):
        return np.zeros((2, 0), np.intp)
    # only cells near some nucleus can win: a far one costs more than any probability can repay
    near = np.unique(
        np.concatenate(cKDTree(points).query(targets, k=min(12, len(points)))[1].reshape(len(targets), -1))
    )
    distance = np.linalg.norm(points[near][:, None] - targets[None], axis=-1)
    rows, columns = linear_sum_assignment(0.1 * distance - probability[near][:, None])
    return np.stack([near[rows], columns])
