"""Points in square cells as wide as the search radius: neighbours in constant time, edits without rebuilding."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Neighbours = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]

__all__ = ["ROUNDING", "PointGrid"]

ROUNDING = 1e-6
"""A distance may exceed the radius by this part of it: 15 px of 0.2 µm are 3 µm, whatever floating point says."""
MOST_AT_ONCE = 4_000_000
_COLUMN = np.int64(1) << 32
_FARTHEST = 1 << 30


class PointGrid:
    """A set of points that answers "which of you lie within the radius of these?".

    Parameters
    ----------
    yx : (N, 2) array
        Points; their row numbers are their names.
    radius : float
        How far a neighbour may lie, in the unit of `yx`; the radius itself still counts.
    present : (N,) array of bool, optional
        Rows that are there; the others can be placed later.

    Raises
    ------
    ValueError
        If `radius` is not positive, or a point lies too many radii from the origin.
    """

    def __init__(self, yx: NDArray[np.float64], radius: float, present: NDArray[np.bool_] | None = None) -> None:
        if not radius > 0:
            raise ValueError(f"the matching radius must be positive, got {radius}")
        self._reach = radius * (1 + ROUNDING)
        # Slightly wider than the reach, so that rounding never puts a neighbour two cells away.
        self._cell = self._reach * 1.001
        self.yx = yx
        self._settled = np.ones(len(yx), bool) if present is None else present.copy()
        rows = np.flatnonzero(self._settled)
        keys = self._keys(yx[rows])
        order = np.argsort(keys, kind="stable")
        self._order = rows[order]
        self._sorted_keys = keys[order]
        self._loose: dict[int, list[int]] = {}
        self._loose_key: dict[int, int] = {}

    def _keys(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        cells = np.floor(points / self._cell)
        if len(cells) and not (np.abs(cells) < _FARTHEST).all():
            raise ValueError("a point lies too far from the origin for this matching radius")
        keys: NDArray[np.int64] = cells[:, 0].astype(np.int64) * _COLUMN + cells[:, 1].astype(np.int64)
        return keys

    def place(self, rows: NDArray[np.intp], points: NDArray[np.float64]) -> None:
        """Put rows at points (K, 2): new ones, and known ones that move."""
        keys = self._keys(points).tolist()
        self.remove(rows)
        if len(rows) and rows.max() >= len(self.yx):
            self._grow(int(rows.max()) + 1)
        self.yx[rows] = points
        for row, key in zip(rows.tolist(), keys, strict=True):
            self._loose.setdefault(key, []).append(row)
            self._loose_key[row] = key

    def remove(self, rows: NDArray[np.intp]) -> None:
        """Take rows out; those that are not there are passed over."""
        self._settled[rows[rows < len(self._settled)]] = False
        for row in rows.tolist():
            key = self._loose_key.pop(row, None)
            if key is not None:
                self._loose[key].remove(row)

    def _grow(self, length: int) -> None:
        room = max(length, len(self.yx) * 5 // 4 + 16)
        yx = np.zeros((room, 2))
        yx[: len(self.yx)] = self.yx
        settled = np.zeros(room, bool)
        settled[: len(self._settled)] = self._settled
        self.yx, self._settled = yx, settled

    def neighbours(self, points: NDArray[np.float64]) -> Neighbours:
        """Find all points within the radius of `points` (K, 2).

        Returns
        -------
        which : (E,) array
            Row number into `points`.
        rows : (E,) array
            Row number of the neighbour.
        distance : (E,) array
        """
        keys = self._keys(points)
        strips = keys[:, None] + np.array([-_COLUMN, 0, _COLUMN])
        first = np.searchsorted(self._sorted_keys, strips - 1, "left")
        count = np.searchsorted(self._sorted_keys, strips + 1, "right") - first
        parts = [self._near(points, which, rows) for which, rows in self._candidates(first, count)]
        if self._loose:
            parts.append(self._near(points, *self._loose_candidates(keys)))
        if len(parts) == 1:
            return parts[0]
        which, rows, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
        return which, rows, distance

    def _candidates(
        self, first: NDArray[np.intp], count: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Rows in the nine cells around each point, in batches that fit in memory."""
        done = np.cumsum(count.sum(1))
        total = int(done[-1]) if len(done) else 0
        bounds = np.searchsorted(done, np.arange(MOST_AT_ONCE, total, MOST_AT_ONCE), "right").tolist()
        edges = [0, *bounds, len(done)]
        for low, high in pairwise(edges):
            lengths = count[low:high].ravel()
            before = np.cumsum(lengths) - lengths
            places = np.repeat(first[low:high].ravel() - before, lengths) + np.arange(lengths.sum())
            which = np.repeat(np.arange(low, high), count[low:high].sum(1))
            rows = self._order[places]
            here = self._settled[rows]
            yield which[here], rows[here]

    def _loose_candidates(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        which: list[int] = []
        rows: list[int] = []
        around = [int(dy * _COLUMN) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        for number, key in enumerate(keys.tolist()):
            for step in around:
                found = self._loose.get(key + step)
                if found:
                    rows += found
                    which += [number] * len(found)
        return np.array(which, np.intp), np.array(rows, np.intp)

    def _near(self, points: NDArray[np.float64], which: NDArray[np.intp], rows: NDArray[np.intp]) -> Neighbours:
        apart = points[which] - self.yx[rows]
        squared = apart[:, 0] ** 2 + apart[:, 1] ** 2
        near = squared <= self._reach**2
        return which[near], rows[near], np.sqrt(squared[near])
