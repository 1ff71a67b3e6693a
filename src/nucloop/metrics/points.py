"""Point metrics: one-to-one matching within a radius, and the F1 that follows from it (Patherea, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Counts", "count_matches", "match_points"]


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives, and what follows from them."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 when nothing was predicted."""
        return self.tp / max(self.tp + self.fp, 1)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 when there was nothing to find."""
        return self.tp / max(self.tp + self.fn, 1)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 0 when there is nothing at all."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)


def match_points(predicted: ArrayLike, reference: ArrayLike, radius: float) -> NDArray[np.intp]:
    """Pair predicted with reference nuclei one to one, as many pairs as possible.

    A pair is allowed within `radius`; among allowed pairs distance plays no part, so a far but allowed
    prediction never takes the place of a near one (Patherea, section 5: maximum matching on the Boolean matrix).

    Parameters
    ----------
    predicted, reference : (N, 2) and (M, 2) arrays
        Centres, in the unit of `radius`.
    radius : float
        Largest accepted distance.

    Returns
    -------
    (K, 2) array
        Row numbers into `predicted` and `reference`.

    Raises
    ------
    ValueError
        If `radius` is not positive.
    """
    if not radius > 0:
        raise ValueError(f"the matching radius must be positive, got {radius}")
    a = np.asarray(predicted, np.float64).reshape(-1, 2)
    b = np.asarray(reference, np.float64).reshape(-1, 2)
    if not len(a) or not len(b):
        return np.zeros((0, 2), np.intp)
    allowed = cKDTree(a).sparse_distance_matrix(cKDTree(b), radius, output_type="coo_matrix")
    ones = np.ones(len(allowed.row), np.int8)
    graph = csr_array((ones, (allowed.row, allowed.col)), shape=(len(a), len(b)))
    partner = maximum_bipartite_matching(graph, perm_type="column")
    rows = np.flatnonzero(partner >= 0)
    return np.stack([rows, partner[rows]], 1).astype(np.intp)


def count_matches(predicted: ArrayLike, reference: ArrayLike, radius: float) -> Counts:
    """Count TP, FP and FN of one image (and class) under `match_points`."""
    tp = len(match_points(predicted, reference, radius))
    return Counts(tp, len(np.asarray(predicted)) - tp, len(np.asarray(reference)) - tp)
