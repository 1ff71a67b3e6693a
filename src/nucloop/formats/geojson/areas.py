"""Areas of GeoJSON: a Polygon or MultiPolygon with its holes, as what somebody drew."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import MisfitError
from nucloop.formats.geojson.features import class_of, kind_of
from nucloop.formats.geojson.writing import CORNER
from nucloop.formats.region_kinds import kind_from
from nucloop.geometry import Region, checked_ring, encloses_nothing

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AREAS", "corners_of", "is_area", "is_nucleus", "pair", "pieces_of", "polygons_of", "region_of"]

AREAS = {"Polygon", "MultiPolygon"}
_NUCLEI = {"detection", "cell"}
_NUMBERS = {float, int}


def is_nucleus(feature: dict[str, Any]) -> bool:
    """Whether a feature is a detection or a cell, and no annotation."""
    return kind_of(feature) in _NUCLEI


def is_area(feature: dict[str, Any]) -> bool:
    """Whether a feature is a drawn area: no detection, no cell, no point and no line."""
    geometry = feature["geometry"]
    return geometry is not None and geometry["type"] in AREAS and not is_nucleus(feature)


def region_of(feature: dict[str, Any]) -> Region | None:
    """Return the drawn area of an annotation, however many pieces it has; None where there is none, or an empty one.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError, AttributeError
        If the feature is malformed.
    """
    pieces = [] if is_nucleus(feature) else pieces_of(feature["geometry"], CORNER)
    if not pieces:
        return None
    properties = feature.get("properties") or {}
    classified = class_of(properties)
    kind = kind_from(None if classified is None else classified[0])
    return Region.of_pieces(pieces, str(properties.get("name") or ""), kind)


def pieces_of(geometry: dict[str, Any], shift: float) -> list[list[NDArray[np.float64]]]:
    """Return the pieces of an area, each as its outline and its holes (N, 2) in our pixels; none of other geometries.

    Pieces and holes that enclose nothing are left out.

    Parameters
    ----------
    geometry : dict
        Of a feature.
    shift : float
        From our origin to the file's, pixels.
    """
    pieces = []
    for outline, *holes in polygons_of(geometry):
        ring = _ring(outline, shift)
        if ring is not None:
            pieces.append([ring, *(hole for one in holes if (hole := _ring(one, shift)) is not None)])
    return pieces


def polygons_of(geometry: dict[str, Any]) -> list[Any]:
    """Return the pieces of an area as the file has them, each a list of rings; none of other geometries."""
    if geometry["type"] not in AREAS:
        return []
    given = geometry["coordinates"] or ()
    return [rings for rings in ([given] if geometry["type"] == "Polygon" else given) if rings]


def pair(corner: Any) -> tuple[float, float]:
    """Return (x, y) of a corner; ValueError when it is not two numbers."""
    x, y = corner[0], corner[1]
    if type(x) in _NUMBERS and type(y) in _NUMBERS:
        return x, y
    raise MisfitError(f"{str(corner)[:60]} is no place")


def corners_of(corners: Any) -> NDArray[np.float64]:
    """Return the corners of a ring as (N, 2) of (x, y); ValueError when one is not two numbers."""
    # the types of a million corners are looked at quickly; one by one only to say which is wrong
    if set(map(type, chain.from_iterable(corners))) <= _NUMBERS and set(map(len, corners)) == {2}:
        return np.array(corners, np.float64)
    return np.array([pair(corner) for corner in corners], np.float64).reshape(-1, 2)


def _ring(corners: Any, shift: float) -> NDArray[np.float64] | None:
    """Return a ring in our pixels, (N, 2) of (y, x); None where it encloses nothing."""
    points = corners_of(corners)
    return None if encloses_nothing(points) else checked_ring(points)[:, ::-1] - shift
