"""Marks: centres in µm with class and score, which is all that matching knows of nuclei."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import join
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from nucloop.classes import NucleusClass
    from nucloop.nuclei import Nuclei

__all__ = ["Marks"]


@dataclass(frozen=True)
class Marks:
    """Centres with classes.

    Parameters
    ----------
    yx : (N, 2) float64
        Centres, in the unit of the matching radius (µm).
    label : (N,) int64
        Class, or `UNLABELLED`.
    score : (N,) float64
        How sure the detector was; NaN where nobody said.
    """

    yx: NDArray[np.float64]
    label: NDArray[np.int64]
    score: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.yx)
        if self.yx.shape != (n, 2) or self.label.shape != (n,) or self.score.shape != (n,):
            raise ValueError(f"marks need columns of {n} rows, got {self.yx.shape}, {self.label.shape}")
        if n and not np.isfinite(self.yx).all():
            raise ValueError("marks need finite coordinates")

    @classmethod
    def at(cls, yx: ArrayLike, label: ArrayLike | None = None, score: ArrayLike | None = None) -> Marks:
        """Build marks from points (N, 2); what is not given is unknown."""
        points = np.asarray(yx, np.float64).reshape(-1, 2)
        n = len(points)
        labels = np.full(n, UNLABELLED, np.int64) if label is None else np.asarray(label, np.int64)
        scores = np.full(n, np.nan) if score is None else np.asarray(score, np.float64)
        return cls(points, labels, scores)

    @classmethod
    def of(cls, nuclei: Nuclei, mpp: float, classes: Sequence[NucleusClass | str] | None = None) -> Marks:
        """Take nuclei whose pixels are `mpp` µm wide, labelled by position in `classes`, joined by `join`.

        A class that is not among `classes` (by default the scheme's own) becomes `UNLABELLED`.
        """
        own = nuclei.scheme.classes
        label = np.array(join(own, own if classes is None else classes).table(UNLABELLED), np.int64)[nuclei.label]
        return cls(nuclei.yx.astype(np.float64) * mpp, label, nuclei.score.astype(np.float64))

    def __len__(self) -> int:
        return len(self.yx)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Marks:
        """Rows by mask or number."""
        return Marks(self.yx[rows], self.label[rows], self.score[rows])
