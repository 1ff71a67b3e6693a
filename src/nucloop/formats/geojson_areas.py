"""Areas of GeoJSON: a Polygon or MultiPolygon with its holes, as what somebody drew."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.formats.geojson import CORNER
from nucloop.geometry import Region, checked_ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AREAS", "corners_of", "is_nucleus", "kind_of", "pair", "pieces_of", "polygons_of", "region_of"]

AREAS = {"Polygon", "MultiPolygon"}
_NUCLEI = {"detection", "cell"}
_NUMBERS = {float, int}


def kind_of(feature: dict[str, Any]) -> str:
    """Return what an object of QuPath is; an annotation, where the file does not say."""
    properties = feature.get("properties") or {}
    return str(properties.get("objectType") or properties.get("object_type") or "annotation").lower()


def is_nucleus(feature: dict[str, Any]) -> bool:
    """Whether a feature is a detection or a cell, and no annotation."""
    return kind_of(feature) in _NUCLEI


def region_of(feature: dict[str, Any]) -> Region | None:
    """Return the drawn area of an annotation, however many pieces it has; None where there is none.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError, AttributeError
        If the feature is malformed.
    """
    pieces = [] if is_nucleus(feature) else pieces_of(feature["geometry"], CORNER)
    return Region.of_pieces(pieces, str((feature.get("properties") or {}).get("name") or "")) if pieces else None


def pieces_of(geometry: dict[str, Any], shift: float) -> list[list[NDArray[np.float64]]]:
    """Return the pieces of an area, each as its outline and its holes (N, 2) in our pixels; none of other geometries.

    Parameters
    ----------
    geometry : dict
        Of a feature.
    shift : float
        From our origin to the file's, pixels.
    """
    return [[_ring(ring, shift) for ring in rings] for rings in polygons_of(geometry)]


def polygons_of(geometry: dict[str, Any]) -> list[Any]:
    """Return the pieces of an area as the file has them, each a list of rings; none of other geometries."""
    if geometry["type"] not in AREAS:
        return []
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return [rings for rings in polygons if rings]


def pair(corner: Any) -> tuple[float, float]:
    """Return (x, y) of a corner; ValueError when it is not two numbers."""
    x, y = corner[0], corner[1]
    if type(x) in _NUMBERS and type(y) in _NUMBERS:
        return x, y
    raise ValueError(f"{str(corner)[:60]} is no place")


def corners_of(corners: Any) -> NDArray[np.float64]:
    """Return the corners of a ring as (N, 2) of (x, y); ValueError when one is not two numbers."""
    # the types of a million corners are looked at quickly; one by one only to say which is wrong
    if set(map(type, chain.from_iterable(corners))) <= _NUMBERS and set(map(len, corners)) == {2}:
        return np.array(corners, np.float64)
    return np.array([pair(corner) for corner in corners], np.float64).reshape(-1, 2)


def _ring(corners: Any, shift: float) -> NDArray[np.float64]:
    return checked_ring(corners_of(corners))[:, ::-1] - shift
