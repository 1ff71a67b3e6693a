"""Matching each nucleus with one or several proposals (Patherea, section 3.2), exactly, for one image.

Repeating every nucleus in the cost matrix and solving that takes most of a tenth of a second. But nearly all nuclei can
have the proposals that they want most; only where two want the same one is there anything to solve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DISTANCE", "assign_each", "matching_cost"]

DISTANCE = 0.05
"""Cost of a pixel: tau in the paper."""
SPARE = 8
"""Proposals beside those that a nucleus wants most that are looked at first."""
FORBIDDEN = 1e6
"""Cost of a proposal that is not on a nucleus's list."""


def matching_cost(
    points: NDArray[np.float32],
    probability: NDArray[np.float32],
    targets: NDArray[np.float32],
    label: NDArray[np.integer],
    distance: float = DISTANCE,
) -> NDArray[np.float32]:
    """Cost (M, P) of giving M nuclei each of P proposals: distance, less the probability of the nucleus's class.

    Parameters
    ----------
    points : (P, 2) array
        Predicted centres, pixels.
    probability : (P, C) array
        Of each class; the last column is that of any nucleus.
    targets : (M, 2) array
        Reference centres, pixels.
    label : (M,) array
        Columns of `probability`; -1, the last one, for a nucleus without a class.
    distance : float
        Cost of a pixel.
    """
    cost = targets[:, :1] - points[:, 0]
    across = targets[:, 1:] - points[:, 1]
    np.multiply(cost, cost, out=cost)
    np.multiply(across, across, out=across)
    cost += across
    np.sqrt(cost, out=cost)
    cost *= np.float32(distance)
    cost -= np.ascontiguousarray(probability.T)[label]
    return cost


def assign_each(cost: NDArray[np.float32], each: int = 1) -> NDArray[np.intp]:
    """Give every nucleus `each` proposals, no proposal twice, at least total cost.

    Nuclei that want the same proposals are solved together, as if they were alone; where two such groups end up with
    the same proposal, they become one. Groups that share none are together as cheap as they are alone, so nothing can
    be cheaper. Each nucleus first looks at a short list of its cheapest proposals; that is enough where one of them is
    left free, since whatever is not on the list costs more than that one; otherwise the list grows.

    Parameters
    ----------
    cost : (M, P) array
    each : int
        Proposals for a nucleus: beta in the paper. Where there are too few for all, as many as fit.

    Returns
    -------
    (P,) array
        The nucleus that has each proposal; -1 for none.
    """
    nuclei, proposals = cost.shape
    owner = np.full(proposals, -1, np.intp)
    if proposals < nuclei * max(each, 1):
        each = proposals // max(nuclei, 1)
    if not each:
        rows, columns = linear_sum_assignment(cost)
        owner[columns] = rows
        return owner
    lists = _cheapest(cost, each + SPARE)
    best = np.take_along_axis(cost, lists, 1).argpartition(each - 1, 1)[:, :each]
    taken, group = np.take_along_axis(lists, best, 1), np.arange(nuclei)
    wants = dict(enumerate(lists))
    while len(pairs := _sharing(taken)):
        group = _joined(group, pairs)
        for number in np.unique(group[pairs]):
            members = np.flatnonzero(group == number)
            taken[members] = _solved(cost, wants, members, each)
    owner[taken] = np.arange(nuclei)[:, None]
    return owner


def _cheapest(cost: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """So many proposals that cost each nucleus least, in any order."""
    if count >= cost.shape[1]:
        return np.tile(np.arange(cost.shape[1]), (len(cost), 1))
    return np.argpartition(cost, count - 1, 1)[:, :count]


def _sharing(taken: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs (Q, 2) of nuclei that have taken the same proposal."""
    order = taken.argsort(axis=None)
    what, who = taken.ravel()[order], order // taken.shape[1]
    again = np.flatnonzero(what[1:] == what[:-1])
    return np.stack([who[again], who[again + 1]], 1)


def _joined(group: NDArray[np.intp], pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Make one of the groups of each pair's nuclei; return all groups numbered anew."""
    one, other = group[pairs].T
    count = len(group)
    links = csr_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    found: NDArray[np.intp] = connected_components(links, directed=False)[1]
    return found[group]


def _solved(
    cost: NDArray[np.float32], wants: dict[int, NDArray[np.intp]], members: NDArray[np.intp], each: int
) -> NDArray[np.intp]:
    """Proposals (G, each) of a group of nuclei that share theirs with nobody else; lists grow where they must."""
    while True:
        lists = [wants[k] for k in members.tolist()]
        columns, place = np.unique(np.concatenate(lists), return_inverse=True)
        row = np.repeat(np.arange(len(members)), [len(one) for one in lists])
        small = np.full((len(members), len(columns)), FORBIDDEN)
        small[row, place] = cost[members[row], columns[place]]
        if len(columns) >= each * len(members):
            chosen = linear_sum_assignment(np.repeat(small, each, 0))[1].reshape(len(members), each)
            free = np.ones(len(columns), bool)
            free[chosen] = False
            sure = np.bincount(row, free[place], len(members)) > 0
            sure &= (np.take_along_axis(small, chosen, 1) < FORBIDDEN).all(1)
        else:
            sure = np.zeros(len(members), bool)
        short = [
            k
            for k, one in zip(members[~sure].tolist(), np.array(lists, object)[~sure], strict=True)
            if len(one) < cost.shape[1]
        ]
        if not short:
            found: NDArray[np.intp] = columns[chosen]
            return found
        for k in short:
            wants[k] = _cheapest(cost[k : k + 1], 2 * len(wants[k]))[0]
