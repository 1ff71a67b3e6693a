"""Scores of one field or many: detection, each class, who was taken for whom, and HoVer-Net's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.metrics.points import Counts
from nucloop.metrics.rules import RULES, Matching, match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.metrics.marks import Marks

__all__ = ["FieldScore", "per_image", "pooled", "rule_title", "score_field", "score_units"]

HOVERNET_WEIGHTS = (2.0, 2.0, 1.0, 1.0)
"""Of wrong classes (false positive, false negative) and of wrong detections, in F_c."""


@dataclass(frozen=True)
class FieldScore:
    """What was found in one field, or in several added up.

    Parameters
    ----------
    names : tuple of str
        The classes that are counted.
    detection : Counts
        Classes aside.
    classes : tuple of Counts
        Each class matched on its own.
    confusion : (C + 2, C + 2) array
        Matched nuclei by reference class (row) and predicted class (column). The row and column before the last stand
        for nuclei without a counted class. The last row holds the false alarms, the last column the misses.
    """

    names: tuple[str, ...]
    detection: Counts
    classes: tuple[Counts, ...]
    confusion: NDArray[np.int64]

    @classmethod
    def nothing(cls, names: Sequence[str]) -> FieldScore:
        """Score of no field at all."""
        size = len(names) + 2
        return cls(tuple(names), Counts(), (Counts(),) * len(names), np.zeros((size, size), np.int64))

    def __add__(self, other: FieldScore) -> FieldScore:
        if self.names != other.names:
            raise ValueError("only scores over the same classes can be added")
        classes = tuple(a + b for a, b in zip(self.classes, other.classes, strict=True))
        return FieldScore(self.names, self.detection + other.detection, classes, self.confusion + other.confusion)

    @property
    def mean_f1(self) -> float | None:
        """Mean of the classes' F1; None without classes."""
        return float(np.mean([c.f1 for c in self.classes])) if self.classes else None

    @property
    def confusion_names(self) -> tuple[str, ...]:
        """What the rows and columns of `confusion` stand for."""
        return (*self.names, "no class", "nothing")

    @property
    def f_d(self) -> float:
        """HoVer-Net's F_d: F1 of detection."""
        return self.detection.f1

    def f_c(self, label: int) -> float:
        """HoVer-Net's F_c of a class: wrong classes and wrong detections lower it.

        After `compute_metrics` of HoVer-Net's code: nuclei are paired with the classes aside, and true negatives
        (correct pairs of other classes), which the paper's formula adds, are not counted.
        """
        c = self.confusion
        tp = float(c[label, label])
        fp_class = float(c[:-1, label].sum()) - tp
        fn_class = float(c[label, :-1].sum()) - tp
        errors = (fp_class, fn_class, float(c[-1, label]), float(c[label, -1]))
        weighted = sum(w * e for w, e in zip(HOVERNET_WEIGHTS, errors, strict=True))
        return 2 * tp / max(2 * tp + weighted, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain types: the keys that ``nucloop evaluate --json`` writes."""
        return {
            "detection": self.detection.to_dict(),
            "mean_f1": self.mean_f1,
            "classes": {name: counts.to_dict() for name, counts in zip(self.names, self.classes, strict=True)},
        }

    def details(self) -> dict[str, Any]:
        """Plain types: the confusion matrix and HoVer-Net's figures."""
        return {
            "confusion": {"names": list(self.confusion_names), "reference_by_predicted": self.confusion.tolist()},
            "hovernet": {"f_d": self.f_d, "f_c": {name: self.f_c(k) for k, name in enumerate(self.names)}},
        }


def score_field(
    predicted: Marks, reference: Marks, names: Sequence[str], radius_um: float, rule: str = "boolean"
) -> FieldScore:
    """Compare predictions with references.

    Parameters
    ----------
    predicted, reference : Marks
        In µm, with labels that are positions in `names` (or `UNLABELLED`).
    names : sequence of str
        The classes that are counted.
    radius_um : float
        Largest accepted distance, µm.
    rule : str
        A key of `RULES`.

    Raises
    ------
    ValueError
        If the radius is not positive or the rule is not known.
    """
    everywhere = np.zeros(len(predicted), np.intp), np.zeros(len(reference), np.intp)
    return score_units(predicted, reference, names, radius_um, rule, *everywhere, 1)[0]


def score_units(
    predicted: Marks,
    reference: Marks,
    names: Sequence[str],
    radius_um: float,
    rule: str,
    predicted_unit: NDArray[np.intp],
    reference_unit: NDArray[np.intp],
    n_units: int,
) -> list[FieldScore]:
    """Match once, then say what each unit (a region) adds: the scores of the units add up to `score_field`.

    A pair belongs to the unit of its reference.

    Parameters
    ----------
    predicted, reference, names, radius_um, rule
        As in `score_field`.
    predicted_unit, reference_unit : (N,) and (M,) arrays
        Unit of each nucleus, 0 to `n_units` - 1.
    n_units : int
    """
    matching = match(predicted, reference, radius_um, rule)
    by_class = []
    for k in range(len(names)):
        p, r = np.flatnonzero(predicted.label == k), np.flatnonzero(reference.label == k)
        found = match(predicted.take(p), reference.take(r), radius_um, rule)
        by_class.append(_per_unit(found, predicted_unit[p], reference_unit[r], n_units))
    everything = _per_unit(matching, predicted_unit, reference_unit, n_units)
    confusion = _confusion(matching, predicted, reference, len(names), predicted_unit, reference_unit, n_units)
    return [
        FieldScore(tuple(names), everything[u], tuple(counts[u] for counts in by_class), confusion[u])
        for u in range(n_units)
    ]


def _per_unit(
    matching: Matching, predicted_unit: NDArray[np.intp], reference_unit: NDArray[np.intp], n_units: int
) -> list[Counts]:
    found = (
        reference_unit[matching.pairs[:, 1]], predicted_unit[matching.spare], reference_unit[matching.missed],
    )  # fmt: skip
    columns = [np.bincount(units, minlength=n_units).tolist() for units in found]
    return [Counts(*row) for row in zip(*columns, strict=True)]


def _confusion(
    matching: Matching,
    predicted: Marks,
    reference: Marks,
    n_classes: int,
    predicted_unit: NDArray[np.intp],
    reference_unit: NDArray[np.intp],
    n_units: int,
) -> NDArray[np.int64]:
    size = n_classes + 2
    found = np.where(predicted.label < 0, n_classes, predicted.label)
    truth = np.where(reference.label < 0, n_classes, reference.label)
    nothing = size - 1
    p, r = matching.pairs.T
    rows = [truth[r], np.full(matching.spare.sum(), nothing), truth[matching.missed]]
    columns = [found[p], found[matching.spare], np.full(matching.missed.sum(), nothing)]
    units = [reference_unit[r], predicted_unit[matching.spare], reference_unit[matching.missed]]
    cells = (np.concatenate(units) * size + np.concatenate(rows)) * size + np.concatenate(columns)
    return np.bincount(cells, minlength=n_units * size * size).reshape(n_units, size, size).astype(np.int64)


def pooled(fields: Sequence[FieldScore], names: Sequence[str] | None = None) -> FieldScore:
    """Add up the counts of all fields: every nucleus weighs the same."""
    total = FieldScore.nothing(fields[0].names if names is None else names)
    for field in fields:
        total = total + field
    return total


def per_image(fields: Sequence[FieldScore]) -> dict[str, Any]:
    """F1 of each field, averaged: every field weighs the same.

    A field with neither a prediction nor a reference (of a class) says nothing about it and is left out; where that
    leaves none, the figure is None.

    Returns
    -------
    dict
        ``detection``, ``mean`` and, under ``classes``, each class.
    """

    def average(counts: Sequence[Counts]) -> float | None:
        known = [c.f1 for c in counts if c.tp + c.fp + c.fn]
        return float(np.mean(known)) if known else None

    names = fields[0].names if fields else ()
    classes = {name: average([field.classes[k] for field in fields]) for k, name in enumerate(names)}
    known = [value for value in classes.values() if value is not None]
    return {
        "detection": average([field.detection for field in fields]),
        "mean": float(np.mean(known)) if known else None,
        "classes": classes,
    }


def rule_title(rule: str, averaged: str = "pooled over images") -> str:
    """Say which rule made a figure, its flaw included."""
    return f"{RULES[rule].label}, {averaged}"
