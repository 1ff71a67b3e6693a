"""Groups that cross-validation must not divide: cells of a grid, since neighbours look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign_folds", "group_by_cell"]

LARGEST_CELL_UM = 1000.0
SMALLEST_CELL_UM = 30.0
"""Nuclei nearer than this look alike because they are neighbours; a finer division would flatter."""


def group_by_cell(yx: NDArray[np.floating], mpp: float | None, wanted: int = 10) -> NDArray[np.int64]:
    """Return each point's cell (N,) of the coarsest square grid in which `wanted` cells hold points.

    Parameters
    ----------
    yx : (N, 2) array
        Level-0 pixels.
    mpp : float, optional
        Microns per pixel; 0.5 where a slide does not say.
    wanted : int
        Fewer come back when the points lie so close together that finer cells would divide neighbours.
    """
    side = LARGEST_CELL_UM / (mpp or 0.5)
    smallest = SMALLEST_CELL_UM / (mpp or 0.5)
    while True:
        cells = np.floor(np.asarray(yx, np.float64) / side).astype(np.int64)
        groups = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        if side / 2 < smallest or not len(groups) or groups.max() + 1 >= wanted:
            return groups
        side /= 2


def assign_folds(groups: NDArray[np.int64], label: NDArray[np.int16], folds: int = 5) -> NDArray[np.int64]:
    """Return each example's fold (N,), so that no group is divided and classes are spread as evenly as possible.

    The largest groups are placed first, each in the fold that lacks its classes most. There are fewer folds when there
    are fewer groups. The same groups always get the same folds.
    """
    names, inverse = np.unique(groups, return_inverse=True)
    folds = min(folds, len(names))
    if folds == 0:
        return np.zeros(0, np.int64)
    counts = np.zeros((len(names), int(label.max()) + 1))
    np.add.at(counts, (inverse, label), 1)
    share = counts / np.maximum(counts.sum(0), 1)
    filled = np.zeros((folds, counts.shape[1]))
    placed = np.zeros(len(names), np.int64)
    for group in np.lexsort((np.arange(len(names)), -share.sum(1))):
        overlap = ((filled + share[group]) ** 2).sum(1) - (filled**2).sum(1)
        fold = int(np.lexsort((filled.sum(1), np.round(overlap, 9)))[0])
        filled[fold] += share[group]
        placed[group] = fold
    result: NDArray[np.int64] = placed[inverse]
    return result
