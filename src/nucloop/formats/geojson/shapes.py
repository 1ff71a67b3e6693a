"""The geometry of GeoJSON's features: where nuclei are, their outlines and those of their cells, and drawn areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import DataError, MisfitError
from nucloop.formats.geojson.areas import (
    AREAS,
    corners_of,
    is_nucleus,
    pair,
    pieces_of,
    polygons_of,
    region_of,
)
from nucloop.formats.geojson.features import features_of, kind_of, plane_of
from nucloop.formats.geojson.writing import CENTRE
from nucloop.formats.planes import FIRST, Planes
from nucloop.formats.rings import GrowingOutlines, ring_area, ring_centre
from nucloop.geometry import FARTHEST, Region
from nucloop.outlines import FEWEST_CORNERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FeatureShapes"]


class FeatureShapes:
    """Outlines and regions as they are met.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    shift : float
        From our pixel centre to the file's origin, pixels.
    areas_are_nuclei : bool
        Whether areas that do not say what they are stand for nuclei, not for regions.
    """

    def __init__(self, source: str, shift: float, areas_are_nuclei: bool) -> None:
        self.shift, self._areas_are_nuclei = shift, areas_are_nuclei
        self.outlines, self.cells = GrowingOutlines(source), GrowingOutlines(source, "Whole cells")
        self.regions: list[Region] = []
        self.planes = Planes()
        self._lines = self._empty = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what was left out."""
        lines = (f"{self._lines:,} lines and other shapes are no nuclei and no areas.",) if self._lines else ()
        empty = (f"{self._empty:,} objects have an outline that encloses nothing, or none; they were left out.",)
        return (*lines, *(empty if self._empty else ()), *self.outlines.remarks, *self.cells.remarks)

    def objects(self, record: dict[str, Any], row: int) -> list[tuple[dict[str, Any], list[Any]]]:
        """Return the features of an object of a file that are nuclei, each with its points (x, y), from `row` on."""
        if "geometry" not in record and "coordinates" not in record and "geometries" not in record:
            raise DataError("it has no geometry, so this is not GeoJSON of objects. Choose another file.")
        found = []
        for feature in features_of(record):
            areas = len(self.regions)
            points = self._places(feature, row)
            if points:
                found.append((feature, points))
                row += len(points)
            geometry = feature["geometry"]
            plane = plane_of(feature) if geometry and "plane" in geometry else FIRST
            self.planes.note(plane, len(points), len(self.regions) - areas)
        return found

    def _places(self, feature: dict[str, Any], row: int) -> list[Any]:
        """Return the points (x, y) of a feature, as nuclei from `row` on; a drawn area goes to the regions instead."""
        geometry, nucleus = feature["geometry"], feature.get("nucleusGeometry")
        there = nucleus if geometry is None else geometry
        if there is None:
            self._empty += 1
            return []
        shape = there["type"]
        if shape == "Point" and nucleus is None:
            return [pair(geometry["coordinates"])]
        if shape == "MultiPoint":
            return [pair(corner) for corner in geometry["coordinates"]]
        if shape not in AREAS and nucleus is None:
            self._lines += 1
            return []
        if nucleus is not None or is_nucleus(feature):
            place = self._outlined(feature, row)
            self._empty += place is None
            return [] if place is None else [place]
        if not self._areas_are_nuclei:
            region = region_of(feature)
            self._empty += region is None
            self.regions += [] if region is None else [region]
            return []
        pieces = pieces_of(geometry, self.shift)
        self._empty += not pieces
        for k, one in enumerate(pieces):
            self.outlines.add(row + k, one[0])
            self.outlines.holes += len(one) > 1
        return [self._pair_at(ring_centre(one[0])) for one in pieces]

    def _outlined(self, feature: dict[str, Any], row: int) -> tuple[float, float] | None:
        """Note the outlines of a detection or cell; return its place (x, y), that of a cell's nucleus if it has one.

        None where nothing says where it is.
        """
        nucleus, properties = feature.get("nucleusGeometry"), feature.get("properties") or {}
        is_cell = nucleus is not None or kind_of(feature) == "cell"
        ring = None
        if feature["geometry"] is not None:
            ring = self._outline(self.cells if is_cell else self.outlines, feature["geometry"], row)
        if nucleus is not None:
            own = self._outline(self.outlines, nucleus, row)
            ring = ring if own is None else own
        said = (properties.get("metadata") or {}).get(CENTRE)
        if said is not None:
            x, y = map(float, said.split())
            return x, y
        return None if ring is None else self._pair_at(ring_centre(ring))

    def _outline(self, outlines: GrowingOutlines, geometry: dict[str, Any], row: int) -> NDArray[np.float64] | None:
        """Note the outline of one nucleus or cell; return what says where it is, (K, 2), None where nothing does."""
        if geometry["type"] == "Point":
            return np.array([pair(geometry["coordinates"])])[:, ::-1] - self.shift
        if geometry["type"] not in AREAS:
            outlines.others += 1
            return None
        pieces = [[_corners(ring, self.shift) for ring in polygon] for polygon in polygons_of(geometry)]
        if not pieces or max(len(one[0]) for one in pieces) < FEWEST_CORNERS:
            outlines.malformed += 1
            return None
        # a nucleus of several pieces is still one: its largest piece says where
        rings = max(pieces, key=lambda one: ring_area(one[0])) if len(pieces) > 1 else pieces[0]
        outlines.pieces += len(pieces) > 1
        outlines.holes += len(rings) > 1
        outlines.add(row, rings[0])
        return rings[0]

    def _pair_at(self, centre: NDArray[np.float64]) -> tuple[float, float]:
        y, x = (centre + self.shift).tolist()
        return x, y


def _corners(ring: Any, shift: float) -> NDArray[np.float64]:
    """Return the corners of an outline, however few; ValueError when one lies on no slide."""
    points = corners_of(ring)
    if not (np.abs(points) < FARTHEST).all():
        raise MisfitError("a corner that is nowhere near a slide")
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    return points[:, ::-1] - shift
