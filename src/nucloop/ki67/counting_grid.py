"""A grid to count nuclei by hand: squares of one size over an area, and the nuclei in those that are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely

from nucloop.errors import RegionError
from nucloop.geometry import Region
from nucloop.ki67.index import Index
from nucloop.ki67.words import ends, percent
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import ArrayLike, NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["CountingGrid", "GridCount", "count_in"]

MOST_SQUARES = 2_500
"""More than this nobody goes through by hand."""
_SLIVER = 1e-9
"""Of a side: an area that ends so little beyond a square needs no other."""


@dataclass(frozen=True)
class CountingGrid:
    """Squares over an area, counted one after the other.

    Parameters
    ----------
    area : Region
        Level-0 pixels. Nuclei that lie in it count; squares through which its border runs reach beyond it.
    side : float
        Of a square, level-0 pixels.

    Raises
    ------
    RegionError
        If the squares are too many.
    """

    area: Region
    side: float

    def __post_init__(self) -> None:
        if np.prod(self._shape, dtype=float) > MOST_SQUARES:
            raise RegionError(
                f"That would be more than {MOST_SQUARES:,} squares. Make them larger, or count in a field or in what "
                "is on screen."
            )

    @property
    def _shape(self) -> NDArray[np.int64]:
        low, high = self.area.bounds
        return np.maximum(np.ceil((high - low) / self.side - _SLIVER), 1).astype(np.int64)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Row and column of each square that shares ground with the area, (N, 2): to the right, then back again."""
        rows, columns = self._shape.tolist()
        places = [(y, x) for y in range(rows) for x in (range(columns) if y % 2 == 0 else reversed(range(columns)))]
        found = np.array(places, np.int64).reshape(-1, 2)
        squares = shapely.polygons(self._corners(found)[..., ::-1])
        shared: NDArray[np.bool_] = shapely.relate_pattern(self.area.shape, squares, "T********")
        return found[shared]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def squares(self) -> NDArray[np.float64]:
        """Corners of the squares, (N, 4, 2) of (y, x)."""
        return self._corners(self.places)

    def square_of(self, yx: ArrayLike) -> NDArray[np.intp]:
        """Return the square in which each point (N, 2) lies, from 0; -1 for points beside the area: (N,).

        A point on the line between two squares belongs to the lower or right one, so none is counted twice.
        """
        points = np.asarray(yx, np.float64).reshape(-1, 2)
        low, _ = self.area.bounds
        at = np.clip(np.floor((points - low) / self.side).astype(np.int64), 0, self._shape - 1)
        number = np.full(self._shape, -1, np.intp)
        number[tuple(self.places.T)] = np.arange(len(self))
        return np.where(self.area.contains(points), number[at[:, 0], at[:, 1]], -1)

    def _corners(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        around = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
        return np.asarray(self.area.bounds[0] + (places[:, None] + around) * self.side)


@dataclass(frozen=True)
class GridCount:
    """What was counted so far.

    Parameters
    ----------
    counts : dict
        Nuclei in the squares that are counted, by class.
    squares, of : int
        Squares that are counted, and all of them.
    goal : int
        Nuclei to count.
    index : Index or None
        Of these nuclei; None where nothing says what is positive.
    """

    counts: Mapping[str, int]
    squares: int
    of: int
    goal: int
    index: Index | None = None

    @property
    def total(self) -> int:
        """Nuclei counted."""
        return self.index.total if self.index is not None else sum(self.counts.values())

    def words(self) -> list[str]:
        """Say it to a person.

        >>> GridCount({}, 2, 24, 500, Index("grid", 34, 178)).words()
        ['212 of 500 nuclei', '34 positive: 16.0%, 95% 11.7 to 21.6% (Wilson)', '2 of 24 squares counted']
        """
        first = f"{self.total:,} of {self.goal:,} nuclei"
        if self.total >= self.goal:
            first = f"{self.total:,} nuclei: {self.goal:,} reached"
        return [first, *self._parts(), f"{self.squares:,} of {self.of:,} squares counted"]

    def _parts(self) -> list[str]:
        if not self.total:
            return []
        if self.index is not None:
            share, interval = percent(self.index.value), ends(self.index.wilson)
            return [f"{self.index.positive:,} positive: {share}, 95% {interval} (Wilson)"]
        return [", ".join(f"{count:,} {name}" for name, count in self.counts.items() if count)]


def count_in(grid: CountingGrid, counted: Collection[int], goal: int, nuclei: Nuclei, states: bool) -> GridCount:
    """Count the nuclei in some squares of a grid.

    Parameters
    ----------
    grid : CountingGrid
    counted : collection of int
        Squares.
    goal : int
        Nuclei to count.
    nuclei : Nuclei
        Level-0 pixels.
    states : bool
        Whether their classes are positive (0) and negative (1), and those without a class do not count.
    """
    within = nuclei.take(np.flatnonzero(np.isin(grid.square_of(nuclei.yx), [*counted])))
    index = Index("grid", *(int((within.label == state).sum()) for state in (0, 1))) if states else None
    counts = dict(within.counts())
    without = int((within.label == UNLABELLED).sum())
    return GridCount(counts | ({"without a class": without} if without else {}), len(counted), len(grid), goal, index)
