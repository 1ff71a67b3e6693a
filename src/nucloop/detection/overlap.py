"""Detecting a field twice: which of the nuclei found are new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["SAME_NUCLEUS_UM", "new_nuclei"]

SAME_NUCLEUS_UM = 3.0
"""Two centres nearer than this mark one nucleus (the radius of the detector's own suppression)."""


def new_nuclei(
    existing: Nuclei, found: Nuclei, radius_px: float, removed: NDArray[np.floating] | None = None
) -> Nuclei:
    """Of the nuclei found, those that are neither known already nor were removed by a person.

    `found` is compared with `existing` and `removed`, never with itself: how near two nuclei of one run
    may lie is the detector's affair.

    Parameters
    ----------
    existing : Nuclei
        What is known. It stays as it is.
    found : Nuclei
        What a model found, in the same level-0 pixels.
    radius_px : float
        Centres at most this far apart mark the same nucleus, level-0 pixels.
    removed : (M, 2) array, optional
        Where a person removed nuclei, (y, x) in level-0 pixels: they do not come back.

    Returns
    -------
    Nuclei
        The rows of `found` that are new, in their order.

    Raises
    ------
    ValueError
        If `radius_px` is not positive.
    """
    if not radius_px > 0:
        raise ValueError(f"the radius within which two nuclei are the same must be above 0, got {radius_px}")
    new = np.ones(len(found), bool)
    for taken in (existing.yx, removed):
        if taken is not None:
            new &= ~_within(found.yx, np.asarray(taken, np.float32).reshape(-1, 2), radius_px)
    return found.take(new)


def _within(points: NDArray[np.float32], taken: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Tell which points (N, 2) lie within `radius` of any of `taken` (M, 2)."""
    if not len(points) or not len(taken):
        return np.zeros(len(points), bool)
    # a tile is a small part of a slide: only its surroundings go into the tree
    low, high = points.min(0) - radius, points.max(0) + radius
    near = taken[((taken >= low) & (taken <= high)).all(1)]
    if not len(near):
        return np.zeros(len(points), bool)
    distance, _ = cKDTree(near).query(points, distance_upper_bound=np.nextafter(radius, np.inf))
    return np.asarray(np.isfinite(distance))
