"""Tiles: how a region of a slide is cut so that every nucleus belongs to exactly one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from nucloop.errors import RegionError
from nucloop.geometry import Region, as_region, in_any
from nucloop.slides.box import Box

__all__ = ["Tile", "TiledRegion", "plan_tiles", "points_by_tile"]


@dataclass(frozen=True)
class Tile:
    """What one tile owns, in pixels of the working grid."""

    top: int
    left: int
    height: int
    width: int

    def owns(self, yx: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points (N, 2), in working pixels with centres at integers, belong to this tile: (N,) bool."""
        return Box(self.top, self.left, self.height, self.width).contains(yx)


class TiledRegion:
    """What is worked on: the union of boxes and regions, in level-0 pixels, cut to a slide.

    Parameters
    ----------
    parts : sequence of Box, Region or (N, 2) array
        A bare outline is a region without holes.
    bounds : Box
        The slide.

    Raises
    ------
    RegionError
        If a region is malformed or nothing of it lies on the slide.
    """

    def __init__(self, parts: Sequence[Box | Region | NDArray[np.floating]], bounds: Box) -> None:
        self._boxes = [part for part in parts if isinstance(part, Box)]
        self._regions = [as_region(part) for part in parts if not isinstance(part, Box)]
        self._bounds = bounds
        shapes = [*map(_rectangle, self._boxes), *(region.shape for region in self._regions)]
        drawn = shapely.union_all(shapes)
        if drawn.area <= 0:
            raise RegionError(
                "The region has no area: its corners lie on one line, or on one place. Draw around what is meant."
            )
        whole = drawn.intersection(_rectangle(bounds))
        if whole.area <= 0:
            raise RegionError(
                f"The region lies outside the slide, which has {bounds.width} x {bounds.height} pixels "
                "(width x height). Draw it on the slide, or check --region Y,X,H,W."
            )
        shapely.prepare(whole)
        self._shape = whole
        # pixel centres are at integers: the first pixel's edge is at -0.5
        left, top, right, bottom = whole.bounds
        self.top, self.left, self.bottom, self.right = top + 0.5, left + 0.5, bottom + 0.5, right + 0.5

    @property
    def area(self) -> float:
        """Area in level-0 pixels."""
        return float(self._shape.area)

    def contains(self, yx: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points (N, 2) lie on the slide and in a box or a region, each by its own rule: (N,) bool."""
        found = in_any(yx, self._regions)
        for box in self._boxes:
            found |= box.contains(yx)
        return found & self._bounds.contains(yx)

    def meets(self, tile: Tile, step: float) -> bool:
        """Tell whether a tile of the working grid (`step` level-0 pixels per pixel) holds any of the region."""
        top, left = tile.top * step - 0.5, tile.left * step - 0.5
        owned = shapely.box(left, top, left + tile.width * step, top + tile.height * step)
        return bool(shapely.intersects(self._shape, owned))


def _rectangle(box: Box) -> BaseGeometry:
    return shapely.box(box.x - 0.5, box.y - 0.5, box.x + box.width - 0.5, box.y + box.height - 0.5)


def plan_tiles(
    region: TiledRegion, step: float, side: int, align: int, centre: tuple[float, float] | None = None
) -> list[Tile]:
    """Cut a region into tiles of about equal size, nearest to `centre` first.

    The first tile is cut in two, and the smaller part comes first, so that a person sees something early; unless it is
    all there is and small.

    Parameters
    ----------
    step : float
        Level-0 pixels per working pixel.
    side : int
        Longest side of a tile, working pixels; a multiple of `align`. A region that is longer by less than a quarter,
        such as a view, is one tile along that side: halos between two would cost more than they spare.
    align : int
        The networks' largest stride: every tile begins on a multiple of it.
    centre : (y, x), optional
        Level-0 pixels; the region's middle when absent.
    """
    rows = _cuts(*_aligned(region.top / step, region.bottom / step, align), side, align)
    columns = _cuts(*_aligned(region.left / step, region.right / step, align), side, align)
    tiles = [Tile(y0, x0, y1 - y0, x1 - x0) for y0, y1 in rows for x0, x1 in columns]
    middle = centre or ((region.top + region.bottom) / 2, (region.left + region.right) / 2)
    target = (np.asarray(middle) + 0.5) / step

    def distance(tile: Tile) -> float:
        return float(np.hypot(tile.top + tile.height / 2 - target[0], tile.left + tile.width / 2 - target[1]))

    tiles = sorted((tile for tile in tiles if region.meets(tile, step)), key=distance)
    if len(tiles) > 1 or (tiles and tiles[0].height * tiles[0].width > side * side // 2):
        tiles[:1] = [part for part in _parts(tiles[0], align) if region.meets(part, step)]
    return tiles


def points_by_tile(points: NDArray[np.floating], side: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Sort points (N, 2), in working pixels, into square tiles on multiples of `side`, those with most points first.

    Returns
    -------
    list of (2,) int64, (K,) int64
        Of each tile that holds any its first pixel, and the rows of its points, ascending.
    """
    cells, inverse, counts = np.unique(
        np.floor((np.asarray(points) + 0.5) / side).astype(np.int64), axis=0, return_inverse=True, return_counts=True
    )
    rows = np.argsort(inverse.reshape(-1), kind="stable").astype(np.int64)
    ends = np.cumsum(counts)
    fullest = np.argsort(-counts, kind="stable").tolist()
    return [(cells[k] * side, rows[ends[k] - counts[k] : ends[k]]) for k in fullest]


def _aligned(low: float, high: float, align: int) -> tuple[int, int]:
    return int(np.floor(low / align)) * align, int(np.ceil(high / align)) * align


def _cuts(low: int, high: int, side: int, align: int) -> list[tuple[int, int]]:
    """Cut a length into the fewest pieces of about `side`, equal but for the last: a sliver costs as much halo."""
    length = high - low
    pieces = 1 if 4 * length < 5 * side else -(-(length - align) // side)
    piece = -(-(length // align) // pieces) * align
    return list(pairwise([*range(low, high, piece), high]))


def _parts(tile: Tile, align: int) -> list[Tile]:
    """Cut a tile across its longer side: three eighths of it, and the rest."""
    first = 3 * max(tile.height, tile.width) // (8 * align) * align
    if tile.height > tile.width:
        parts = [replace(tile, height=first), replace(tile, top=tile.top + first, height=tile.height - first)]
    else:
        parts = [replace(tile, width=first), replace(tile, left=tile.left + first, width=tile.width - first)]
    return [part for part in parts if part.height and part.width]
