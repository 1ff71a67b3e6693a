"""Outlines of nuclei as files hold them: taken in ring by ring within bounds, and given out as lists of corners."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.geometry import FARTHEST
from nucloop.outlines import FEWEST_CORNERS, Outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "MOST_CORNERS",
    "MOST_CORNERS_EACH",
    "GrowingOutlines",
    "bounds_of",
    "corner_lists",
    "polygons_of",
    "ring_area",
    "ring_centre",
]

MOST_CORNERS_EACH = 10_000
"""Corners of one outline: what has more is no nucleus."""
MOST_CORNERS = 100_000_000
"""Corners of all outlines that a file is read with, 800 MB."""
DECIMALS = 3


class GrowingOutlines:
    """Outlines read from a file, one at a time; what can be none is left out and counted.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    of : str
        Whose outlines, where they are not the nuclei's, for remarks.

    Attributes
    ----------
    malformed, holes, pieces, others : int
        How many outlines were no outlines, had holes, further pieces, or a shape that is no polygon; what the reader
        leaves out itself it counts here.
    """

    def __init__(self, source: str, of: str = "") -> None:
        self._source, self._of = source, of
        # bytes, not arrays: a million outlines are then no million objects
        self._corners = bytearray()
        self._rows, self._counts = array("q"), array("q")
        self.malformed = self.holes = self.pieces = self.others = 0

    def add(self, row: int, ring: NDArray[np.floating]) -> None:
        """Take in the outline (K, 2) of the nucleus in a row; rows ascend.

        Raises
        ------
        DataError
            If the file holds more corners than memory should.
        """
        if not len(ring):
            self.malformed += 1
            return
        self._rows.append(row)
        self._counts.append(len(ring))
        self._keep(ring)

    def extend(self, first: int, corners: NDArray[np.floating], counts: NDArray[np.int64]) -> None:
        """Take in corners (P, 2) of nuclei from a row on, so many of each (N,); 0 where there is no outline.

        Raises
        ------
        DataError
            If the file holds more corners than memory should.
        """
        there = counts > 0
        self._rows.extend((first + np.flatnonzero(there)).tolist())
        self._counts.extend(counts[there].tolist())
        self._keep(corners)

    def add_shapes(self, first: int, shapes: NDArray[np.object_]) -> None:
        """Take in polygons of Shapely, x before y, of nuclei from a row on; None where there is no outline."""
        import shapely

        kinds, shapes = shapely.get_type_id(shapes), np.array(shapes, object)
        several = np.flatnonzero(kinds == shapely.GeometryType.MULTIPOLYGON)
        for row in several:
            shapes[row] = max(shapes[row].geoms, key=lambda one: one.area, default=None)
        self.pieces += len(several)
        polygons = (shapely.GeometryType.MISSING, shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
        self.others += int((~np.isin(kinds, polygons)).sum())
        self.holes += int((shapely.get_num_interior_rings(shapes) > 0).sum())
        rings = shapely.get_exterior_ring(shapes)
        self.extend(first, shapely.get_coordinates(rings)[:, ::-1], shapely.get_num_coordinates(rings).astype(np.int64))

    def _keep(self, corners: NDArray[np.floating]) -> None:
        with np.errstate(over="ignore"):
            self._corners += corners.astype(np.float32).tobytes()
        if len(self._corners) > MOST_CORNERS * 8:
            raise DataError(
                f"The outlines in {self._source} have more than {MOST_CORNERS:,} corners in all. Export them in "
                "several parts, or without outlines."
            )

    def table(self, count: int) -> Outlines | None:
        """Return the outlines of so many nuclei, once; None when there is none."""
        if not self._rows:
            return None
        corners = np.frombuffer(self._corners, np.float32).reshape(-1, 2)
        counts = np.array(self._counts)
        behind = np.cumsum(counts)
        closed = (corners[behind - counts] == corners[behind - 1]).all(1) & (counts > 1)
        on_slide = np.logical_and.reduceat((np.abs(corners) < FARTHEST).all(1), behind - counts)
        fits = (counts - closed >= FEWEST_CORNERS) & (counts - closed <= MOST_CORNERS_EACH)
        good = on_slide & fits
        self.malformed += int((~good).sum())
        kept = np.repeat(good, counts)
        kept[behind[closed] - 1] = False
        ends = np.zeros(count + 1, np.int64)
        ends[1:][np.array(self._rows)[good]] = (counts - closed)[good]
        return Outlines(corners[kept], np.cumsum(ends)) if good.any() else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what was left out, once the table was made."""
        said = (
            (
                self.malformed,
                f"{self.malformed:,} outlines have fewer than {FEWEST_CORNERS} corners, more than "
                f"{MOST_CORNERS_EACH:,} or some on no slide, and were left out.",
            ),
            (self.holes, f"The holes of {self.holes:,} outlines were left out."),
            (self.pieces, f"{self.pieces:,} nuclei are in several pieces; the largest was taken."),
            (self.others, f"{self.others:,} outlines are no polygons and were left out."),
        )
        return tuple(f"{self._of}: {words}" if self._of else words for count, words in said if count)


def corner_lists(
    outlines: Outlines | None, count: int, shift: float = 0.0, *, closed: bool = False
) -> Sequence[list[list[float]] | None]:
    """Return the corners [x, y] of each nucleus as JSON has them, to 0.001 pixel; None where there is no outline.

    Parameters
    ----------
    outlines : Outlines or None
        Of a portion of nuclei.
    count : int
        How many nuclei these are.
    shift : float
        Added to every coordinate.
    closed : bool
        Whether the first corner stands at the end again.
    """
    if outlines is None:
        return [None] * count
    corners = np.round(outlines.corners[:, ::-1].astype(np.float64) + shift, DECIMALS).tolist()
    ends = outlines.ends.tolist()
    rings = [corners[a:b] or None for a, b in pairwise(ends)]
    return [ring and [*ring, ring[0]] for ring in rings] if closed else rings


def bounds_of(outlines: Outlines) -> NDArray[np.float64]:
    """Return the box around each outline, (N, 4) as top, left, bottom, right; NaN where there is none."""
    boxes = np.full((len(outlines), 4), np.nan)
    there = outlines.there
    if there.any():
        starts = outlines.ends[:-1][there]
        boxes[there, :2] = np.minimum.reduceat(outlines.corners, starts)
        boxes[there, 2:] = np.maximum.reduceat(outlines.corners, starts)
    return boxes


def polygons_of(outlines: Outlines) -> NDArray[np.object_]:
    """Return each outline as a polygon of Shapely with x before y, (N,); None where there is none."""
    import shapely

    polygons = np.full(len(outlines), None, object)
    there = np.flatnonzero(outlines.there)
    if len(there):
        numbers = np.repeat(np.arange(len(there)), np.diff(outlines.ends)[there])
        polygons[there] = shapely.polygons(
            shapely.linearrings(outlines.corners[:, ::-1].astype(np.float64), indices=numbers)
        )
    return polygons


def ring_area(ring: NDArray[np.floating]) -> float:
    """Area within corners (N, 2), whichever way round they go."""
    return abs(float(_cross(ring - ring[0].astype(np.float64)).sum())) / 2


def ring_centre(ring: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centroid (y, x) of the area within corners (N, 2); of the corners where they enclose none."""
    base = ring[0].astype(np.float64)
    here = ring - base
    cross = _cross(here)
    area = cross.sum()
    if abs(area) < 1e-9:
        return np.asarray(ring.mean(axis=0), np.float64)
    centre: NDArray[np.float64] = base + ((here + np.roll(here, -1, axis=0)) * cross[:, None]).sum(axis=0) / (3 * area)
    return centre


def _cross(here: NDArray[np.floating]) -> NDArray[np.float64]:
    there = np.roll(here, -1, axis=0)
    return np.asarray(here[:, 0] * there[:, 1] - there[:, 0] * here[:, 1], np.float64)
