"""The areas of Digital Slide Archive's documents: polylines with holes, rectangles, circles and ellipses as corners."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.formats.json_rows import finite_pair, ring_of
from nucloop.geometry import Region, checked_ring, encloses_nothing

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AREAS", "CORNER", "Areas", "piece_of", "round_of"]

CORNER = 0.5
"""From our pixel centre to their pixel corner, pixels."""
AREAS = {"rectangle", "circle", "ellipse"}
_CORNERS_OF_A_CIRCLE = 32


class Areas:
    """Regions as they are met; those whose pieces NucLoop wrote one by one are put together again."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._kinds: list[str] = []
        self._pieces: list[list[list[NDArray[np.float64]]]] = []
        self._place: dict[Any, int] = {}
        self.empty = 0

    def add(self, piece: list[NDArray[np.float64]], number: Any, name: str, kind: str = "") -> None:
        """Take in a piece, of the region that NucLoop wrote with this number; None where it is a region of its own."""
        if not piece:
            self.empty += 1
            return
        place = self._place.get(number)
        if number is None or place is None:
            self._place[number] = len(self._names)
            self._names.append(name)
            self._kinds.append(kind)
            self._pieces.append([piece])
        else:
            self._pieces[place].append(piece)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out."""
        return (f"{self.empty:,} areas enclose nothing and were left out.",) if self.empty else ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions, in order."""
        return tuple(map(Region.of_pieces, self._pieces, self._names, self._kinds))


def _ring(points: Any) -> NDArray[np.float64] | None:
    """Return the corners of an area in our pixels, (N, 2) of (y, x); None where it encloses nothing."""
    corners = ring_of(points)
    return None if encloses_nothing(corners) else checked_ring(corners) - CORNER


def piece_of(element: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return the outline of an area and its holes; nothing where it encloses nothing."""
    if element["type"] == "rectangle":
        return [_rectangle(element)]
    if element["type"] in AREAS:
        return [round_of(element)]
    outline, *holes = (_ring(points) for points in (element["points"], *(element.get("holes") or ())))
    return [] if outline is None else [outline, *(hole for hole in holes if hole is not None)]


def _rectangle(element: dict[str, Any]) -> NDArray[np.float64]:
    sides = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) / 2
    return _turned(element, sides, float(element["height"]), float(element["width"]))


def round_of(element: dict[str, Any]) -> NDArray[np.float64]:
    """Return a circle or an ellipse as corners."""
    angles = np.arange(_CORNERS_OF_A_CIRCLE) * (2 * math.pi / _CORNERS_OF_A_CIRCLE)
    sides = np.column_stack([np.sin(angles), np.cos(angles)]) / 2
    if element["type"] == "circle":
        return _turned(element, sides, *(2 * float(element["radius"]),) * 2)
    return _turned(element, sides, float(element["height"]), float(element["width"]))


def _turned(element: dict[str, Any], sides: NDArray[np.float64], height: float, width: float) -> NDArray[np.float64]:
    """Lay corners (N, 2), given for a height and width of 1, around an element's centre and turn them as it says."""
    y, x = finite_pair(*element["center"][:2])
    angle = float(element.get("rotation") or 0)
    dy, dx = (sides * [height, width]).T
    turned_x = dx * math.cos(angle) - dy * math.sin(angle)
    turned_y = dx * math.sin(angle) + dy * math.cos(angle)
    return checked_ring(np.column_stack([y + turned_y, x + turned_x])) - CORNER
