"""The matching rules that papers use, by name: one that counts right, one that challenges use, and two flawed ones.

Patherea, section 5, describes the flaws: an assignment on raw distances that is filtered afterwards (HoVer-Net's
``pair_coordinates``) loses pairs, and a greedy rule that lets several predictions share one reference invents some.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial.distance import cdist

from nucloop.metrics.grid import ROUNDING
from nucloop.metrics.marks import Marks
from nucloop.metrics.pairing import candidates_within, most_pairs
from nucloop.metrics.points import Counts

if TYPE_CHECKING:
    from nucloop.metrics.pairing import Candidates

__all__ = ["RULES", "Matching", "Rule", "match"]

LARGEST_MATRIX = 16_000_000
"""Distances that `hungarian-distance` keeps at once; above this it looks `CAPPED_RADII` radii far."""
CAPPED_RADII = 4.0
_Pairs = NDArray[np.intp]


@dataclass(frozen=True)
class Rule:
    """How predictions and references are paired."""

    name: str
    title: str
    """As tables and reports say it."""
    plain: str
    """As a person says it who does not know the term."""
    used_by: str
    pair: Callable[[Marks, Marks, float], _Pairs]
    flaw: str = ""
    """What is wrong with it; empty when nothing is."""
    shared: bool = False
    """Whether several predictions may be counted for one reference."""

    @property
    def label(self) -> str:
        """The title, with the flaw where there is one."""
        return f"{self.title} (flawed: {self.flaw})" if self.flaw else self.title


@dataclass(frozen=True)
class Matching:
    """Which nuclei found each other.

    Parameters
    ----------
    pairs : (K, 2) array
        Rows of predicted and reference nuclei, by predicted row. Under ``greedy-many`` a reference may come often.
    spare : (N,) array of bool
        Predictions that are false alarms.
    missed : (M,) array of bool
        References that nothing was counted for.
    """

    pairs: NDArray[np.intp]
    spare: NDArray[np.bool_]
    missed: NDArray[np.bool_]

    @property
    def counts(self) -> Counts:
        """TP, FP and FN."""
        return Counts(len(self.pairs), int(self.spare.sum()), int(self.missed.sum()))


def match(predicted: Marks, reference: Marks, radius: float, rule: str = "boolean") -> Matching:
    """Pair predictions with references, classes aside.

    Parameters
    ----------
    predicted, reference : Marks
        In the unit of `radius`.
    radius : float
        Largest accepted distance; it still counts itself.
    rule : str
        A key of `RULES`.

    Raises
    ------
    ValueError
        If `radius` is not positive or the rule is not known.
    """
    if rule not in RULES:
        raise ValueError(f"there is no matching rule {rule!r}; choose one of {', '.join(RULES)}")
    if not radius > 0:
        raise ValueError(f"the matching radius must be positive, got {radius}")
    pairs = RULES[rule].pair(predicted, reference, radius)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    spare = np.ones(len(predicted), bool)
    spare[pairs[:, 0]] = False
    missed = np.ones(len(reference), bool)
    missed[candidates_within(predicted, reference, radius).reference if RULES[rule].shared else pairs[:, 1]] = False
    return Matching(pairs, spare, missed)


def _boolean(predicted: Marks, reference: Marks, radius: float) -> _Pairs:
    return most_pairs(candidates_within(predicted, reference, radius), predicted, reference)


def _score_greedy(predicted: Marks, reference: Marks, radius: float) -> _Pairs:
    """Surest prediction first, each takes the nearest reference that is free; without scores in their own order."""
    near = candidates_within(predicted, reference, radius)
    turn = np.argsort(np.argsort(-np.nan_to_num(predicted.score, nan=-np.inf), kind="stable"), kind="stable")
    order = np.lexsort((near.reference, near.distance, turn[near.predicted]))
    served = np.zeros(len(predicted), bool)
    taken = np.zeros(len(reference), bool)
    chosen = []
    for edge, p, r in zip(
        order.tolist(), near.predicted[order].tolist(), near.reference[order].tolist(), strict=True
    ):  # fmt: skip
        if not served[p] and not taken[r]:
            served[p] = taken[r] = True
            chosen.append(edge)
    return _pairs_of(near, np.array(chosen, np.intp))


def _greedy_many(predicted: Marks, reference: Marks, radius: float) -> _Pairs:
    """Every prediction counts that has a reference within the radius, however many share it."""
    near = candidates_within(predicted, reference, radius)
    order = np.lexsort((near.reference, near.distance, near.predicted))
    first = np.unique(near.predicted[order], return_index=True)[1]
    return _pairs_of(near, order[first])


def _pairs_of(near: Candidates, chosen: NDArray[np.intp]) -> _Pairs:
    return np.stack([near.predicted[chosen], near.reference[chosen]], 1).astype(np.intp)


def _hungarian_distance(predicted: Marks, reference: Marks, radius: float) -> _Pairs:
    """Assign everything to something by least total distance, and only then drop what is too far apart."""
    if not len(predicted) or not len(reference):
        return np.zeros((0, 2), np.intp)
    reach = radius * (1 + ROUNDING)
    if len(predicted) * len(reference) <= LARGEST_MATRIX:
        apart = cdist(predicted.yx, reference.yx)
        rows, columns = linear_sum_assignment(apart)
        near = apart[rows, columns] <= reach
        return np.stack([rows[near], columns[near]], 1).astype(np.intp)
    near = candidates_within(predicted, reference, radius * CAPPED_RADII)
    chosen = _least_capped_distance(near, radius * CAPPED_RADII)
    return _pairs_of(near, chosen[near.distance[chosen] <= reach])


def _least_capped_distance(near: Candidates, cap: float) -> NDArray[np.intp]:
    """Candidates of the assignment of least total distance, where everything beyond `cap` costs just `cap`.

    Only then does a slide fall into parts that can be solved one by one.
    """
    rows, p = np.unique(near.predicted, return_inverse=True)
    columns, r = np.unique(near.reference, return_inverse=True)
    n, m = len(rows), len(columns)
    graph = csr_array((np.ones(len(p), np.int8), (p, r + n)), shape=(n + m, n + m))
    total, component = connected_components(graph, directed=False)
    order = np.argsort(component[p], kind="stable")
    first = np.searchsorted(component[p][order], np.arange(total + 1))
    chosen = []
    for k in range(total):
        members = order[first[k] : first[k + 1]]
        if len(members) == 1:
            chosen.append(members)
            continue
        row = np.unique(p[members], return_inverse=True)[1]
        column = np.unique(r[members], return_inverse=True)[1]
        chosen.append(members[_least(row, column, near.distance[members] - cap)])
    return np.concatenate(chosen) if chosen else np.zeros(0, np.intp)


def _least(row: NDArray[np.intp], column: NDArray[np.intp], gain: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions of the entries of least total `gain` (negative), none sharing a row or a column."""
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    if shape[0] * shape[1] <= LARGEST_MATRIX // 16:
        cost, number = np.zeros(shape), np.full(shape, -1, np.intp)
        cost[row, column], number[row, column] = gain, np.arange(len(row))
        picked: NDArray[np.intp] = number[linear_sum_assignment(cost)]
        return picked[picked >= 0]
    # Everyone may also stay alone: partners of no worth make a full assignment possible on a sparse matrix.
    n, m = shape
    low = float(gain.min()) - 1.0
    parts = [
        (row, column, gain - low),
        (np.arange(n), m + np.arange(n), np.full(n, -low)),
        (n + np.arange(m), np.arange(m), np.full(m, -low)),
        (n + column, m + row, np.full(len(row), -low)),
    ]
    i, j, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    left, right = min_weight_full_bipartite_matching(coo_array((weight, (i, j)), shape=(n + m, n + m)).tocsr())
    partner = np.empty(n + m, np.intp)
    partner[left] = right
    return np.flatnonzero(partner[row] == column)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("boolean", "boolean one-to-one", "each once, as many as fit", "Patherea", _boolean),
        Rule(
            "score-greedy", "greedy one-to-one by score", "each once, the surest first", "OCELOT, DeNuC", _score_greedy
        ),
        Rule(
            "hungarian-distance",
            "Hungarian on raw distances",
            "each once, least distance in sum",
            "HoVer-Net",
            _hungarian_distance,
            flaw="underestimates",
        ),
        Rule(
            "greedy-many",
            "greedy many-to-one",
            "a reference may count twice",
            "MCSpatNet, after Patherea",
            _greedy_many,
            flaw="overestimates",
            shared=True,
        ),
    )
}
"""Every rule by the name a person types."""
