"""Point metrics: one-to-one matching within a radius, and the F1 that follows from it (Patherea, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.metrics.marks import Marks
from nucloop.metrics.pairing import candidates_within, most_pairs

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

    def to_dict(self) -> dict[str, float | int]:
        """Plain types, as reports hold them."""
        return {
            "f1": self.f1,
            "precision": self.precision,
            "recall": self.recall,
            "tp": self.tp,
            "fp": self.fp,
            "fn": self.fn,
        }


def match_points(predicted: ArrayLike, reference: ArrayLike, radius: float) -> NDArray[np.intp]:
    """Pair predicted with reference nuclei one to one, as many pairs as possible.

    A pair is allowed within `radius`; among allowed pairs distance never costs one, so a far but allowed
    prediction never takes the place of a near one (Patherea, section 5: maximum matching on the Boolean matrix).
    Of the largest matchings the one of least total distance is taken, so that the same points give the same pairs.

    Parameters
    ----------
    predicted, reference : (N, 2) and (M, 2) arrays
        Centres, in the unit of `radius`.
    radius : float
        Largest accepted distance; it still counts itself.

    Returns
    -------
    (K, 2) array
        Row numbers into `predicted` and `reference`, by predicted row.

    Raises
    ------
    ValueError
        If `radius` is not positive.
    """
    a, b = Marks.at(predicted), Marks.at(reference)
    pairs = most_pairs(candidates_within(a, b, radius), a, b)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def count_matches(predicted: ArrayLike, reference: ArrayLike, radius: float) -> Counts:
    """Count TP, FP and FN of one image (and class) under `match_points`."""
    tp = len(match_points(predicted, reference, radius))
    return Counts(tp, len(np.asarray(predicted)) - tp, len(np.asarray(reference)) - tp)
