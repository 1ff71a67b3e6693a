"""Where nuclei are: an index of points that grows with them and is never rebuilt while somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FARTHEST", "Grid"]

FARTHEST = 10_000_000.0
"""Largest coordinate a nucleus may have, level-0 pixels."""
CELL = 256
"""Side of a cell, level-0 pixels."""
_BIAS = 2**16
_ROW = 2**20
_MOST_WAITING = 1024
_MOST_BANDS = 512
_SMALL_PART = 0.1


class Grid:
    """Finds the rows of a table that are, or once were, in a box.

    Entries are only ever added, sorted by cell in a few segments of growing size; the newest wait unsorted. The caller
    sifts the rows it gets by where they are now: a moved nucleus is found at each of its places.
    """

    def __init__(self) -> None:
        self._segments: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._waiting: list[int] = []
        self._waiting_yx: list[tuple[float, float]] = []

    def add(self, rows: NDArray[np.int64], yx: NDArray[np.float32]) -> None:
        """Enter rows (N,) at places (N, 2)."""
        if len(rows) < _MOST_WAITING:
            self._waiting += rows.tolist()
            self._waiting_yx += yx.tolist()
            if len(self._waiting) < _MOST_WAITING:
                return
            rows, yx = np.array(self._waiting, np.int64), np.array(self._waiting_yx, np.float32)
            self._waiting, self._waiting_yx = [], []
        keys = _keys(yx)
        order = np.argsort(keys, kind="stable")
        self._segments.append((keys[order], rows[order]))
        # each segment stays at least twice as long as the next: an entry is moved only log N times
        while len(self._segments) > 1 and len(self._segments[-2][0]) < 2 * len(self._segments[-1][0]):
            self._merge()

    def candidates(self, top: float, left: float, bottom: float, right: float) -> NDArray[np.int64] | None:
        """Return rows that may lie in a closed box, in any order and some twice; None when all rows are as quick."""
        first, last = _cell(np.array([[top, left], [bottom, right]]))
        if last[0] - first[0] > _MOST_BANDS:
            return None
        bands = np.arange(first[0], last[0] + 1)
        low, high = (bands + _BIAS) * _ROW + first[1] + _BIAS, (bands + _BIAS) * _ROW + last[1] + _BIAS
        found, count, total = [np.array(self._waiting, np.int64)], 0, len(self._waiting)
        for keys, rows in self._segments:
            begin, end = np.searchsorted(keys, low, "left"), np.searchsorted(keys, high, "right")
            count, total = count + int((end - begin).sum()), total + len(keys)
            found += [rows[a:b] for a, b in zip(begin.tolist(), end.tolist(), strict=True) if b > a]
        return np.concatenate(found) if count < _SMALL_PART * total or total < _MOST_WAITING else None

    def _merge(self) -> None:
        (keys_a, rows_a), (keys_b, rows_b) = self._segments[-2:]
        keys, rows = np.concatenate([keys_a, keys_b]), np.concatenate([rows_a, rows_b])
        order = np.argsort(keys, kind="stable")
        self._segments[-2:] = [(keys[order], rows[order])]


def _cell(yx: NDArray[np.floating]) -> NDArray[np.int64]:
    bounded = np.clip(yx, -FARTHEST, FARTHEST)
    return np.asarray(np.floor(bounded / CELL), np.int64)


def _keys(yx: NDArray[np.float32]) -> NDArray[np.int64]:
    cell = _cell(yx)
    return (cell[:, 0] + _BIAS) * _ROW + cell[:, 1] + _BIAS
