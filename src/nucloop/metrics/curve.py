"""F1 against the detection threshold, without matching anew for every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.metrics.pairing import candidates_within
from nucloop.metrics.rules import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from nucloop.metrics.marks import Marks

__all__ = ["Curve", "f1_curve"]


@dataclass(frozen=True)
class Curve:
    """Counts at each threshold, pooled over fields.

    Parameters
    ----------
    threshold : (T,) array
        A prediction counts from this score on.
    tp, fp, fn : (T,) arrays
    """

    threshold: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 at each threshold."""
        return np.asarray(2 * self.tp / np.maximum(2 * self.tp + self.fp + self.fn, 1), np.float64)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Precision at each threshold; NaN where nothing is found."""
        found = self.tp + self.fp
        return np.where(found > 0, self.tp / np.maximum(found, 1), np.nan)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Recall at each threshold."""
        return np.asarray(self.tp / np.maximum(self.tp + self.fn, 1), np.float64)

    @property
    def best(self) -> tuple[float, float]:
        """The threshold of the highest F1 (the lowest of equals), and that F1."""
        k = int(np.argmax(self.f1))
        return float(self.threshold[k]), float(self.f1[k])


def f1_curve(
    fields: Sequence[tuple[Marks, Marks]], radius_um: float, thresholds: ArrayLike, rule: str = "boolean"
) -> Curve:
    """Count at every threshold; a prediction without a score counts at all of them.

    Parameters
    ----------
    fields : sequence of (predicted, reference)
        In µm. For the curve of a class, give the marks of that class.
    radius_um : float
        Largest accepted distance, µm.
    thresholds : (T,) array
    rule : str
        A key of `RULES`.
    """
    at = np.sort(np.asarray(thresholds, np.float64))
    totals = np.zeros((3, len(at)), np.int64)
    for predicted, reference in fields:
        score = np.nan_to_num(predicted.score, nan=np.inf)
        if rule == "boolean":
            order = np.argsort(-score, kind="stable")
            hits = _hits_by_rank(predicted, reference, radius_um, order)
            kept = len(score) - np.searchsorted(np.sort(score), at, "left")
            tp = np.concatenate([[0], np.cumsum(hits)])[kept]
            totals += np.stack([tp, kept - tp, len(reference) - tp])
            continue
        for k, threshold in enumerate(at):
            counts = match(predicted.take(score >= threshold), reference, radius_um, rule).counts
            totals[:, k] += (counts.tp, counts.fp, counts.fn)
    return Curve(at, *totals)


def _hits_by_rank(predicted: Marks, reference: Marks, radius_um: float, order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the largest matching grows when one more prediction is let in, best score first.

    A maximum matching grows by one or not at all when a nucleus joins, and exactly when an augmenting path starts at it
    (Berge), so all thresholds together cost one matching.
    """
    near = candidates_within(predicted, reference, radius_um)
    sort = np.lexsort((near.reference, near.distance, near.predicted))
    first = np.searchsorted(near.predicted[sort], np.arange(len(predicted) + 1)).tolist()
    paths = _Paths(first, near.reference[sort].tolist())
    hits = np.zeros(len(order), bool)
    for rank, start in enumerate(order.tolist()):
        hits[rank] = paths.admit(start)
    return hits


class _Paths:
    """A maximum matching to which predictions are added one by one."""

    def __init__(self, first: list[int], columns: list[int]) -> None:
        self._first, self._columns = first, columns
        self._owner: dict[int, int] = {}
        self._own: dict[int, int] = {}
        self._dead: set[int] = set()

    def admit(self, start: int) -> bool:
        """Look for a way from a new prediction to a free reference, breadth first, and turn the pairs along it."""
        reached_from: dict[int, int] = {}
        waiting = [start]
        for prediction in waiting:
            for reference in self._columns[self._first[prediction] : self._first[prediction + 1]]:
                if reference in reached_from or reference in self._dead:
                    continue
                reached_from[reference] = prediction
                owner = self._owner.get(reference)
                if owner is None:
                    self._turn(reference, reached_from)
                    return True
                waiting.append(owner)
        # No way leads out of what was reached, and later predictions cannot open one.
        self._dead.update(reached_from)
        return False

    def _turn(self, reference: int | None, reached_from: dict[int, int]) -> None:
        while reference is not None:
            prediction = reached_from[reference]
            before = self._own.get(prediction)
            self._owner[reference], self._own[prediction] = prediction, reference
            reference = before
