"""Size and shape of nuclei, exactly from the corners of their outlines; all nuclei at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nucloop.outlines import Outlines

__all__ = ["SHAPE_FIGURES", "shape_figures"]

SHAPE_FIGURES = (
    "area_um2",
    "perimeter_um",
    "circularity",
    "solidity",
    "eccentricity",
    "major_axis_um",
    "minor_axis_um",
    "feret_max_um",
    "feret_min_um",
)
AT_A_TIME = 5_000
DIRECTIONS = 180
"""In which a nucleus's width is taken for its Feret diameters, one for each degree."""

FloatArray = NDArray[np.float64]


def shape_figures(outlines: Outlines, mpp: float) -> dict[str, FloatArray]:
    """Measure nuclei.

    Parameters
    ----------
    outlines : Outlines
        Of N nuclei, in pixels.
    mpp : float
        µm per pixel.

    Returns
    -------
    dict of (N,) float64 arrays
        By `SHAPE_FIGURES`; NaN for a nucleus without an outline. Circularity is 4 pi area / perimeter², solidity the
        share that the nucleus has of its convex hull; eccentricity and axes are those of the ellipse with the same
        second moments; Feret diameters are the largest and the smallest width.
    """
    found = {name: np.full(len(outlines), np.nan) for name in SHAPE_FIGURES}
    there = np.flatnonzero(outlines.there)
    for first in range(0, len(there), AT_A_TIME):
        rows = there[first : first + AT_A_TIME]
        some = outlines.take(rows)
        for name, values in _measured(some.corners.astype(np.float64) * mpp, some.ends).items():
            found[name][rows] = values
    return found


def _measured(corners: FloatArray, ends: NDArray[np.int64]) -> dict[str, FloatArray]:
    """Measure outlines that are all there: corners (P, 2) in µm."""
    starts, counts = ends[:-1], np.diff(ends)
    owner = np.repeat(np.arange(len(counts)), counts)
    # from the first corner of each, so that nothing is lost far from the slide's own
    y, x = (corners - corners[starts][owner]).T
    following = np.arange(1, len(corners) + 1)
    following[ends[1:] - 1] = starts
    y1, x1 = y[following], x[following]

    def total(values: FloatArray) -> FloatArray:
        summed: FloatArray = np.add.reduceat(values, starts)
        return summed

    perimeter = total(np.hypot(y1 - y, x1 - x))
    cross = x * y1 - x1 * y
    signed = total(cross) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        cy, cx = total((y + y1) * cross) / (6 * signed), total((x + x1) * cross) / (6 * signed)
        yy = total((y * y + y * y1 + y1 * y1) * cross) / (12 * signed) - cy**2
        xx = total((x * x + x * x1 + x1 * x1) * cross) / (12 * signed) - cx**2
        xy = total((x * y1 + 2 * x * y + 2 * x1 * y1 + x1 * y) * cross) / (24 * signed) - cx * cy
        middle, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        large, small = middle + spread, np.maximum(middle - spread, 0)
        area = np.abs(signed)
        widest, narrowest = _feret(y, x, starts)
        return {
            "area_um2": area,
            "perimeter_um": perimeter,
            "circularity": 4 * math.pi * area / perimeter**2,
            "solidity": area / _hull_areas(y, x, owner),
            "eccentricity": np.sqrt(1 - small / large),
            "major_axis_um": 4 * np.sqrt(large),
            "minor_axis_um": 4 * np.sqrt(small),
            "feret_max_um": widest,
            "feret_min_um": narrowest,
        }


def _feret(y: FloatArray, x: FloatArray, starts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest width of each nucleus."""
    widest, narrowest = np.zeros(len(starts)), np.full(len(starts), np.inf)
    for angle in np.arange(DIRECTIONS) * (math.pi / DIRECTIONS):
        along = y * math.sin(angle) + x * math.cos(angle)
        width = np.maximum.reduceat(along, starts) - np.minimum.reduceat(along, starts)
        widest, narrowest = np.maximum(widest, width), np.minimum(narrowest, width)
    return widest, narrowest


def _hull_areas(y: FloatArray, x: FloatArray, owner: NDArray[np.intp]) -> FloatArray:
    rings = shapely.linearrings(np.column_stack([x, y]), indices=owner)
    areas: FloatArray = shapely.area(shapely.convex_hull(rings))
    return areas
