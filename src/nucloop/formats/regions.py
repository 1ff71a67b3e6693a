"""Regions that somebody drew elsewhere, read from QuPath's GeoJSON."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import RegionError
from nucloop.formats.geojson import CORNER
from nucloop.formats.geojson_reading import records_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_regions"]

FARTHEST = 1e9
"""Pixels: a corner beyond this is a mistake, and overflows what is computed from it."""


def read_regions(path: str | Path) -> list[NDArray[np.float64]]:
    """Read the drawn areas of a GeoJSON file; points, lines, detections and cells are left out.

    Returns
    -------
    list of (N, 2) arrays
        Outlines as corners (y, x), level-0 pixels with centres at integers. Holes are not kept.

    Raises
    ------
    DataError
        If the file cannot be read or is not GeoJSON.
    RegionError
        If it holds no area, or an outline is malformed.
    """
    path = Path(path)
    outlines: list[NDArray[np.float64]] = []
    for number, feature in enumerate(chain.from_iterable(records_of(path).blocks()), 1):
        try:
            outlines.extend(_outlines_of(feature))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise RegionError(
                f"Feature {number} of {path.name} has a malformed outline ({error}). Draw it again and export it."
            ) from error
    if not outlines:
        raise RegionError(f"{path.name} holds no drawn area. Draw one in QuPath, and export it as GeoJSON.")
    return outlines


def _outlines_of(feature: dict[str, Any]) -> list[NDArray[np.float64]]:
    properties = feature.get("properties") or {}
    if properties.get("objectType", properties.get("object_type")) in {"detection", "cell"}:
        return []
    geometry = feature["geometry"]
    if geometry["type"] == "Polygon":
        polygons = [geometry["coordinates"]]
    elif geometry["type"] == "MultiPolygon":
        polygons = geometry["coordinates"]
    else:
        return []
    found = []
    for rings in polygons:
        corners = np.array([corner[:2] for corner in rings[0]], np.float64)
        if len(corners) < 3 or not (np.abs(corners) < FARTHEST).all():
            raise ValueError("fewer than three corners, or one that is nowhere near a slide")
        found.append(corners[:, ::-1] - CORNER)
    return found
