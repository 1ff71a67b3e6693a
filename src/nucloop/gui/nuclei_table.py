"""Every nucleus of one image, and what a person said. Knows no window: the layer shows it, the dock counts it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.nuclei import Nuclei, Origin
from nucloop.overlap import new_nuclei

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nucloop.classes import ClassScheme

__all__ = ["NucleiTable"]


class NucleiTable:
    """A growing table of nuclei with ids of its own, and the places where a person removed one.

    Parameters
    ----------
    scheme : ClassScheme
        The classes of all its nuclei.

    Attributes
    ----------
    nuclei : Nuclei
        All nuclei, ids ascending.
    removed : (M, 2) float32
        Places, in level-0 pixels, where no model may put a nucleus again.
    """

    def __init__(self, scheme: ClassScheme) -> None:
        self.nuclei = Nuclei.empty(scheme)
        self.removed: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._run = np.zeros(0, np.int32)
        self._latest_run = 0
        self._next_id = 1

    def __len__(self) -> int:
        return len(self.nuclei)

    @property
    def scheme(self) -> ClassScheme:
        """The classes of all nuclei."""
        return self.nuclei.scheme

    def begin_run(self) -> None:
        """Say that a model starts: its finds are compared with what was there before, not with one another."""
        self._latest_run += 1

    def add_found(self, found: Nuclei, radius_px: float) -> int:
        """Add what the running model found and nobody knew; return how many were new."""
        known = (self._run != self._latest_run) | self.nuclei.human
        new = new_nuclei(self.nuclei.take(known), found, radius_px, self.removed)
        self._append(new, self._latest_run)
        return len(new)

    def add_by_hand(self, yx: ArrayLike) -> NDArray[np.int64]:
        """Add nuclei (N, 2) that a person placed, still without a class; return their ids."""
        added = Nuclei.from_points(self.scheme, yx, origin=Origin.ADDED)
        return self._append(added, 0)

    def move(self, ids: NDArray[np.int64], yx: NDArray[np.floating]) -> None:
        """Put nuclei where a person dragged them, (N, 2). A model's nucleus is not found again at its old place."""
        rows = self.rows(ids)
        by_model = rows[self.nuclei.origin[rows] == Origin.PREDICTED]
        self.removed = np.concatenate([self.removed, self.nuclei.yx[by_model]])
        places, origin = self.nuclei.yx.copy(), self.nuclei.origin.copy()
        places[rows] = yx
        origin[by_model] = Origin.CORRECTED
        self.nuclei = replace(self.nuclei, yx=places, origin=origin)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove nuclei as a person asked, and remember where they were."""
        rows = self.rows(ids)
        self.removed = np.concatenate([self.removed, self.nuclei.yx[rows]])
        kept = np.ones(len(self), bool)
        kept[rows] = False
        self.nuclei, self._run = self.nuclei.take(kept), self._run[kept]

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Row numbers of ids, all of which must be there."""
        return np.searchsorted(self.nuclei.ids, ids)

    def _append(self, nuclei: Nuclei, run: int) -> NDArray[np.int64]:
        ids = np.arange(self._next_id, self._next_id + len(nuclei), dtype=np.int64)
        self._next_id += len(nuclei)
        self.nuclei = Nuclei.concatenate([self.nuclei, replace(nuclei, ids=ids)], self.scheme)
        self._run = np.concatenate([self._run, np.full(len(ids), run, np.int32)])
        return ids
