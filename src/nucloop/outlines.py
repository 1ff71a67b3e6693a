"""Outlines of nuclei as one ragged table: every corner in one array, and where each nucleus's corners end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike

__all__ = ["FARTHEST_UM", "Outlines"]

FEWEST_CORNERS = 3
FARTHEST_UM = 150.0
"""How far from its place an outline may reach to be measured: no nucleus is larger, and whoever reads the pixels within
outlines must not read half a slide for a slip of the hand, or for a file that is not what it says."""
_AT_A_TIME = 50_000


@dataclass(frozen=True)
class Outlines:
    """Outlines of N nuclei; a nucleus may have none.

    Parameters
    ----------
    corners : (P, 2) float32
        Corners (y, x) of all outlines one after another, pixel centres at integers, not closed.
    ends : (N + 1,) int64
        Nucleus k has ``corners[ends[k]:ends[k + 1]]``: at least three corners, or none where it has no outline.
    """

    corners: NDArray[np.float32]
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.corners.ndim != 2 or self.corners.shape[1] != 2 or self.ends.ndim != 1 or not len(self.ends):
            raise ValueError(f"outlines need corners (P, 2) and ends (N + 1,), got {self.corners.shape}")
        counts = np.diff(self.ends)
        if self.ends[0] != 0 or self.ends[-1] != len(self.corners) or (len(counts) and counts.min() < 0):
            raise ValueError(f"the ends of outlines must rise from 0 to the {len(self.corners)} corners")
        if ((counts > 0) & (counts < FEWEST_CORNERS)).any():
            raise ValueError("an outline needs at least three corners")
        if not np.isfinite(self.corners).all():
            raise ValueError("outlines need finite coordinates")

    @classmethod
    def of(cls, rings: Sequence[ArrayLike | None]) -> Outlines:
        """Build the table from one ring (K, 2) for each nucleus, None where it has no outline."""
        parts = [np.zeros((0, 2), np.float32) if one is None else _ring(one) for one in rings]
        ends = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64)
        return cls(np.concatenate(parts) if parts else np.zeros((0, 2), np.float32), ends)

    @classmethod
    def none(cls, count: int) -> Outlines:
        """Return a table of so many nuclei without outlines."""
        return cls(np.zeros((0, 2), np.float32), np.zeros(count + 1, np.int64))

    @classmethod
    def concatenate(cls, tables: Iterable[Outlines]) -> Outlines:
        """Stack tables, in order."""
        parts = list(tables)
        counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.ends) for part in parts)])
        corners = [part.corners for part in parts] or [np.zeros((0, 2), np.float32)]
        return cls(np.concatenate(corners), np.cumsum(counts))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, row: int) -> NDArray[np.float32] | None:
        """Return the ring (K, 2) of one nucleus; None where it has no outline."""
        row = range(len(self))[row]
        ring = self.corners[self.ends[row] : self.ends[row + 1]]
        return ring if len(ring) else None

    def __iter__(self) -> Iterator[NDArray[np.float32] | None]:
        return (self[row] for row in range(len(self)))

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which nuclei have an outline, (N,)."""
        return np.diff(self.ends) > 0

    def take(self, rows: ArrayLike | slice) -> Outlines:
        """Rows by boolean mask, slice or row numbers, as a new table."""
        if isinstance(rows, slice) and rows.step in (None, 1):
            # a portion of a long table: nothing is copied
            start, stop, _ = rows.indices(len(self))
            ends = self.ends[start : max(start, stop) + 1]
            return Outlines(self.corners[ends[0] : ends[-1]], ends - ends[0])
        picked = np.arange(len(self))[rows if isinstance(rows, slice) else _numbers(rows)]
        first, counts = self.ends[picked], np.diff(self.ends)[picked]
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        # y and x of a corner as one number: half as much to look up
        corners = np.empty((int(ends[-1]), 2), np.float32)
        source, target = (np.ascontiguousarray(one).view(np.int64)[:, 0] for one in (self.corners, corners))
        for start in range(0, len(picked), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            begin, behind = ends[start], ends[min(start + _AT_A_TIME, len(picked))]
            # each corner: the start of its nucleus, and how far it is from there
            places = np.arange(begin, behind) + np.repeat(first[part] - ends[:-1][part], counts[part])
            np.take(source, places, out=target[begin:behind])
        return Outlines(corners, ends)

    def reach(self, places: ArrayLike) -> NDArray[np.float64]:
        """Return how far each outline reaches from its place (N, 2) along an axis, (N,); 0 where there is none."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.ends))
        far, found = np.abs(self.corners - np.asarray(places, np.float64)[rows]).max(1), np.zeros(len(self))
        np.maximum.at(found, rows, far)
        return found

    def moved(self, shift: ArrayLike) -> Outlines:
        """Shift all outlines by (2,), or each by its row of (N, 2), in (y, x)."""
        by = np.asarray(shift, np.float64)
        if by.ndim == 1:
            return Outlines((self.corners + by).astype(np.float32), self.ends)
        # mostly a few among many: the others are not calculated
        counts, moves = np.diff(self.ends), by.any(1)
        corners, touched = self.corners.copy(), np.repeat(moves, counts)
        corners[touched] = corners[touched] + np.repeat(by[moves], counts[moves], 0)
        return Outlines(corners, self.ends)

    def scaled(self, factor: float) -> Outlines:
        """Return the outlines in pixels `factor` times smaller; centres of pixels stay at integers."""
        return Outlines(((self.corners.astype(np.float64) + 0.5) * factor - 0.5).astype(np.float32), self.ends)


def _ring(corners: ArrayLike) -> NDArray[np.float32]:
    ring = np.asarray(corners, np.float32).reshape(-1, 2)
    # some write the first corner again at the end
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring


def _numbers(rows: ArrayLike) -> NDArray[np.generic]:
    picked = np.asarray(rows)
    return picked if picked.size else np.zeros(0, np.int64)
