"""Marks that are edited: columns that grow, rows by id, positions in a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.metrics.grid import PointGrid
from nucloop.metrics.marks import Marks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NOBODY", "EditedMarks"]

NOBODY = -1
"""The partner of a false alarm or a miss."""


class EditedMarks:
    """The nuclei of one side as columns that grow, and whom each row matched.

    Parameters
    ----------
    ids : (N,) int64
        One each.
    marks : Marks
        In the unit of `radius`.
    here : (N,) array of bool
        Which of them count.
    radius : float

    Raises
    ------
    ValueError
        If two nuclei share an id.
    """

    def __init__(self, ids: NDArray[np.int64], marks: Marks, here: NDArray[np.bool_], radius: float) -> None:
        self.ids, self.label, self.here = ids.copy(), marks.label.copy(), here.copy()
        self.exists = np.ones(len(ids), bool)
        self.partner = np.full(len(ids), NOBODY, np.intp)
        self.class_hit = np.zeros(len(ids), bool)
        self.grid = PointGrid(marks.yx.copy(), radius, here)
        self.length = len(ids)
        order = np.argsort(ids, kind="stable")
        self._known, self._known_rows = ids[order], order
        self._new: dict[int, int] = {}
        if len(ids) > 1 and (np.diff(self._known) == 0).any():
            raise ValueError("nuclei that are scored while they are edited need an id each")

    def rows(self, ids: ArrayLike) -> NDArray[np.intp]:
        """Row numbers of ids; KeyError for one that was never there."""
        asked = np.asarray(ids, np.int64).ravel()
        if not len(self._known):
            return np.array([self._new[i] for i in asked.tolist()], np.intp)
        place = np.minimum(np.searchsorted(self._known, asked), len(self._known) - 1)
        rows = self._known_rows[place]
        for k in np.flatnonzero(self._known[place] != asked).tolist():
            rows[k] = self._new[int(asked[k])]
        return rows

    def rows_or_new(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Row numbers of ids, with new rows for those that were never there."""
        for i in np.unique(ids).tolist():
            try:
                self.rows([i])
            except KeyError:
                self._new[i] = self.length
                self._append(i)
        return self.rows(ids)

    def _append(self, identity: int) -> None:
        if self.length == len(self.ids):
            room = self.length // 4 + 16
            self.ids = np.concatenate([self.ids, np.zeros(room, np.int64)])
            self.label = np.concatenate([self.label, np.zeros(room, np.int64)])
            self.here = np.concatenate([self.here, np.zeros(room, bool)])
            self.exists = np.concatenate([self.exists, np.zeros(room, bool)])
            self.partner = np.concatenate([self.partner, np.full(room, NOBODY, np.intp)])
            self.class_hit = np.concatenate([self.class_hit, np.zeros(room, bool)])
        self.ids[self.length] = identity
        self.length += 1

    def marks(self, rows: NDArray[np.intp]) -> Marks:
        """Rows as they are now."""
        return Marks.at(self.grid.yx[rows], self.label[rows])
