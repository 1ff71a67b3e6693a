"""Pairing predicted with reference nuclei one to one: as many pairs as possible, then the nearest ones.

The graph of candidate pairs falls into connected components, mostly of one or two nuclei. Each is solved on its own,
its nuclei sorted by position, so that the pairs depend on nothing but the component itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

from nucloop.metrics.grid import PointGrid

if TYPE_CHECKING:
    from nucloop.metrics.marks import Marks

__all__ = ["Candidates", "candidates_within", "most_pairs"]

MOST_DENSE = 1_000_000
"""Entries of a component's cost matrix; in a denser crowd distance plays no part."""


@dataclass(frozen=True)
class Candidates:
    """Pairs that may be matched.

    Parameters
    ----------
    predicted, reference : (E,) arrays
        Row numbers.
    distance : (E,) array
    """

    predicted: NDArray[np.intp]
    reference: NDArray[np.intp]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.distance)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Candidates:
        """Rows by mask or number."""
        return Candidates(self.predicted[rows], self.reference[rows], self.distance[rows])


def candidates_within(predicted: Marks, reference: Marks, radius: float) -> Candidates:
    """Find all pairs at most `radius` apart, without a matrix of all distances.

    Raises
    ------
    ValueError
        If `radius` is not positive.
    """
    grid = PointGrid(reference.yx, radius)
    # Neighbouring questions one after another find their cells in the processor's cache.
    order = np.argsort(predicted.yx[:, 0], kind="stable")
    which, rows, distance = grid.neighbours(predicted.yx[order])
    return Candidates(order[which], rows, distance)


def most_pairs(candidates: Candidates, predicted: Marks, reference: Marks) -> NDArray[np.intp]:
    """Choose as many candidate pairs as possible, none sharing a nucleus; of such choices the one of least distance.

    Parameters
    ----------
    candidates : Candidates
        Row numbers into `predicted` and `reference`.
    predicted, reference : Marks
        Their positions and classes decide between choices of equal distance.

    Returns
    -------
    (K, 2) array
        Row numbers into `predicted` and `reference`.
    """
    if not len(candidates):
        return np.zeros((0, 2), np.intp)
    p = np.unique(candidates.predicted, return_inverse=True)[1]
    r = np.unique(candidates.reference, return_inverse=True)[1]
    alone = (np.bincount(p)[p] == 1) & (np.bincount(r)[r] == 1)
    chosen = alone.copy()
    if not alone.all():
        rest = np.flatnonzero(~alone)
        chosen[rest[_choose(candidates.take(rest), predicted, reference)]] = True
    return np.stack([candidates.predicted[chosen], candidates.reference[chosen]], 1)


@dataclass(frozen=True)
class _Side:
    """The nuclei of one side, numbered component by component and by position within each."""

    place: NDArray[np.intp]
    """(E,) number within the component, for each candidate."""
    count: NDArray[np.intp]
    """Nuclei of this side in each component."""


def _choose(candidates: Candidates, predicted: Marks, reference: Marks) -> NDArray[np.intp]:
    """Positions of the chosen candidates."""
    p, p_order = _by_position(candidates.predicted, predicted)
    r, r_order = _by_position(candidates.reference, reference)
    n, m = len(p_order), len(r_order)
    graph = csr_array((np.ones(len(p), np.int8), (p, r + n)), shape=(n + m, n + m))
    total, component = connected_components(graph, directed=False)
    left = _side(component[:n], p, total)
    right = _side(component[n:], r, total)
    of_candidate = component[p]
    # Nearest first within each component; equals by position.
    order = np.lexsort((right.place, left.place, candidates.distance, of_candidate))
    first = np.searchsorted(of_candidate[order], np.arange(total + 1))
    stars = (left.count == 1) | (right.count == 1)
    chosen = [order[first[:-1][stars]]]
    for k in np.flatnonzero(~stars).tolist():
        members = order[first[k] : first[k + 1]]
        shape = (int(left.count[k]), int(right.count[k]))
        chosen.append(members[_assign(left.place[members], right.place[members], candidates.distance[members], shape)])
    return np.concatenate(chosen)


def _by_position(rows: NDArray[np.intp], marks: Marks) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sort the nuclei by position: return the number of each candidate's nucleus, and the nuclei in that order."""
    nuclei, which = np.unique(rows, return_inverse=True)
    order = np.lexsort((marks.label[nuclei], marks.yx[nuclei, 1], marks.yx[nuclei, 0]))
    rank = np.empty(len(nuclei), np.intp)
    rank[order] = np.arange(len(nuclei))
    return rank[which], nuclei[order]


def _side(component: NDArray[np.int32], node: NDArray[np.intp], total: int) -> _Side:
    count = np.bincount(component, minlength=total)
    order = np.argsort(component, kind="stable")
    place = np.empty(len(component), np.intp)
    place[order] = np.arange(len(component)) - np.repeat(np.cumsum(count) - count, count)
    return _Side(place[node], count)


def _assign(
    row: NDArray[np.intp], column: NDArray[np.intp], distance: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.intp]:
    """Positions of the candidates to choose within one component."""
    number = np.full(shape, -1, np.intp) if shape[0] * shape[1] <= MOST_DENSE else None
    if number is None:
        partner = maximum_bipartite_matching(
            csr_array((np.ones(len(row), np.int8), (row, column)), shape=shape), perm_type="column"
        )
        chosen: NDArray[np.intp] = np.flatnonzero(partner[row] == column)
        return chosen
    number[row, column] = np.arange(len(row))
    cost = np.zeros(shape)
    # One more pair outweighs all distances together.
    cost[row, column] = distance / max(distance.max(), 1e-12) - (min(shape) + 1)
    picked: NDArray[np.intp] = number[linear_sum_assignment(cost)]
    return picked[picked >= 0]
