"""From stable nucleus ids to row numbers, at a million rows without a Python loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IdIndex"]

ROOM = 1 << 20
"""Ids up to this much beyond the number of rows are looked up in a plain table, 4 bytes each."""


class IdIndex:
    """Where each id lies. A session numbers its nuclei from 1, so a plain table is nearly always the answer."""

    def __init__(self) -> None:
        self._table: NDArray[np.int32] = np.full(ROOM, -1, np.int32)
        self._far: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Say where ids (K,) lie from now on; of an id given twice the later row counts."""
        ids, rows = _last_of_each(ids, rows)
        known = self.find(ids) >= 0
        self._count += int((rows >= 0).sum()) - int(known.sum())
        near = ids < self._limit(ids)
        self._grow(ids[near])
        self._table[ids[near]] = rows[near]
        # ids so far apart are some other program's; they are few
        self._far.update(zip(ids[~near].tolist(), rows[~near].tolist(), strict=True))

    def drop(self, ids: NDArray[np.int64]) -> None:
        """Forget ids (K,)."""
        self.put(ids, np.full(len(ids), -1, np.int64))

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows (K,) of ids (K,), -1 where an id is not here."""
        rows = np.full(len(ids), -1, np.int64)
        near = (ids >= 0) & (ids < len(self._table))
        rows[near] = self._table[ids[near]]
        if self._far:
            for k in np.flatnonzero(rows < 0):
                rows[k] = self._far.get(int(ids[k]), -1)
        return rows

    def ids(self) -> NDArray[np.int64]:
        """Every id that is here, ascending."""
        far = np.array([key for key, row in self._far.items() if row >= 0], np.int64)
        return np.sort(np.concatenate([np.flatnonzero(self._table >= 0), far]))

    def _limit(self, ids: NDArray[np.int64]) -> int:
        return max(len(self._table), 4 * (self._count + len(ids)) + ROOM)

    def _grow(self, ids: NDArray[np.int64]) -> None:
        if len(ids) and ids.max() >= len(self._table):
            wider = np.full(max(int(ids.max()) + 1, 2 * len(self._table)), -1, np.int32)
            wider[: len(self._table)] = self._table
            self._table = wider
            for key in [key for key in self._far if key < len(wider)]:
                wider[key] = self._far.pop(key)


def _last_of_each(ids: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    unique, last = np.unique(ids[::-1], return_index=True)
    return unique, rows[::-1][last]
