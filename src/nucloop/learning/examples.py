"""What people said, as examples to learn from. A model's own guesses never become examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from nucloop.nuclei import Nuclei

__all__ = ["Examples", "gather", "is_taught"]

TEACHERS = (Origin.CONFIRMED, Origin.CORRECTED, Origin.ADDED)


@dataclass(frozen=True)
class Examples:
    """Nuclei whose class a person has said, with their features.

    Parameters
    ----------
    ids : (N,) int64
        0 for what has no id any more, such as a nucleus that a person deleted.
    features : (N, F)
        float16 or float32.
    label : (N,) int16
        Rows of the scheme; its length stands for background.
    corrected : (N,) bool
        Where a model had said otherwise. Such examples are all mistakes, so they must not stand alone (`fit_head`).
    """

    ids: NDArray[np.int64]
    features: NDArray[np.floating]
    label: NDArray[np.int16]
    corrected: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.features.ndim != 2 or {len(self.features), len(self.label), len(self.corrected)} != {n}:
            raise ValueError(
                f"{n} ids need as many features, labels and marks, got {self.features.shape}, {self.label.shape} "
                f"and {self.corrected.shape}"
            )
        if n and self.label.min() < 0:
            raise ValueError("an example needs a class")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Examples:
        """Rows by mask or number."""
        return Examples(self.ids[rows], self.features[rows], self.label[rows], self.corrected[rows])

    def counts(self, classes: int) -> NDArray[np.int64]:
        """Examples per class and of background, (classes + 1,)."""
        return np.bincount(self.label, minlength=classes + 1).astype(np.int64)


def is_taught(nuclei: Nuclei, *, imported: bool = False) -> NDArray[np.bool_]:
    """Tell which nuclei (N,) a person has confirmed, corrected or added, and given a class.

    Parameters
    ----------
    imported : bool
        Count imported ones too. Whether a file holds what people said or another program's guesses, only a person
        knows, so nobody learns from it unasked.
    """
    teachers = [*TEACHERS, Origin.IMPORTED] if imported else list(TEACHERS)
    return np.isin(nuclei.origin, teachers) & (nuclei.label >= 0)


def gather(
    nuclei: Nuclei,
    features: NDArray[np.floating],
    *,
    background: NDArray[np.floating] | None = None,
    imported: bool = False,
) -> Examples:
    """Return the examples among nuclei.

    Parameters
    ----------
    nuclei : Nuclei
        N of them, any origin.
    features : (N, F) array
        One row per nucleus.
    background : (M, F) array, optional
        Features of places that a person said are no nuclei (deleted detections).
    imported : bool
        As `is_taught` takes it.
    """
    if len(features) != len(nuclei):
        raise ValueError(f"{len(nuclei)} nuclei need as many feature rows, got {len(features)}")
    rows = is_taught(nuclei, imported=imported)
    ground = np.zeros((0, features.shape[1]), features.dtype) if background is None else background
    none = np.zeros(len(ground), np.int64)
    return Examples(
        np.concatenate([nuclei.ids[rows], none]),
        np.concatenate([features[rows], ground]),
        np.concatenate([nuclei.label[rows], none + len(nuclei.scheme)]).astype(np.int16),
        np.concatenate([nuclei.origin[rows] == Origin.CORRECTED, np.ones(len(ground), bool)]),
    )
