"""Drawn areas with their holes, and the one rule that says which points lie in them.

Detection, the lasso, figures of every kind, exports and training sets all ask here, so a drawn region holds the same
nuclei in each of them:

- The border belongs to a region, that of its holes too: only what lies truly within a hole is left out.
- An outline that crosses itself encloses what it goes around an odd number of times, as `shapely.make_valid` has it:
  both halves of a bow tie, the points of a pentagram and not its middle. Lines without an area hold nothing.
- A hole takes away what it encloses, wherever it lies; it never adds anything.
- Places are compared in float64. A nucleus lies where its table says, and that is float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from nucloop.errors import MisfitError, RegionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "FARTHEST",
    "FIELD",
    "IGNORE",
    "Region",
    "as_region",
    "checked_ring",
    "cut_out",
    "encloses_nothing",
    "first_of",
    "in_any",
    "to_count",
]

IGNORE, FIELD = "ignore", "field"
"""Kinds of regions: nothing is found or counted in what is ignored, QuPath's Ignore*; a field samples where it is."""

FARTHEST = 1e9
"""Pixels: a place beyond this is on no slide, and overflows what is computed from it."""
MOST_CORNERS = 1_000_000
"""Of one outline: more come from no hand and no segmentation."""
FEWEST_CORNERS = 3
ROWS_AT_A_TIME = 64
_ON_A_LINE = 1e-9


def checked_ring(corners: ArrayLike) -> NDArray[np.float64]:
    """Return corners as a ring (N, 2), not closed, whoever gave them.

    Raises
    ------
    MisfitError
        With half a sentence: if they enclose nothing, are too many, or lie on no slide.
    """
    ring = np.asarray(corners, np.float64)
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise MisfitError("corners that are no pairs of numbers")
    if len(ring) > FEWEST_CORNERS and (ring[0] == ring[-1]).all():
        ring = ring[:-1]
    if len(ring) > MOST_CORNERS:
        raise MisfitError(f"more than {MOST_CORNERS:,} corners")
    if len(ring) < FEWEST_CORNERS or not (np.abs(ring) < FARTHEST).all():
        raise MisfitError("fewer than three corners, or one that is nowhere near a slide")
    return ring


def encloses_nothing(corners: NDArray[np.floating]) -> bool:
    """Tell whether corners (N, 2) are too few for an area, or all lie on one line."""
    if len(corners) < FEWEST_CORNERS:
        return True
    if not (np.abs(corners) < FARTHEST).all():
        return False  # nowhere near a slide, which is for others to say
    arms = corners - corners[0]
    longest = arms[np.argmax(np.abs(arms).sum(axis=1))]
    aside = np.abs(arms[:, 0] * longest[1] - arms[:, 1] * longest[0])
    return bool(aside.max() <= _ON_A_LINE * float(longest @ longest))


@dataclass(frozen=True, eq=False)
class Region:
    """A drawn area: what one person drew as one thing.

    An area of several pieces (a MultiPolygon) is one region too: it has one name, one row in every table and one Ki-67
    index. Its first piece is `outline` with `holes`, the further ones are `others`; all of them add up.

    Parameters
    ----------
    outline : (N, 2) float64
        Corners (y, x), level-0 pixels with centres at integers, not closed.
    holes : tuple of (M, 2) float64
        What is cut out of it.
    name : str
        What somebody called it.
    others : tuple of Region
        Further pieces, each with its own holes, without a name.
    kind : str
        What it is made of, such as tumour or stroma; empty where nobody said. `IGNORE` is what is not to be looked at.

    Raises
    ------
    RegionError
        If an outline is none.
    """

    outline: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()
    name: str = ""
    others: tuple[Region, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "outline", checked_ring(self.outline))
            object.__setattr__(self, "holes", tuple(map(checked_ring, self.holes)))
        except (TypeError, ValueError) as error:
            raise RegionError(
                "A region needs at least three corners with finite coordinates. Draw it again."
            ) from error

    @classmethod
    def of_pieces(cls, pieces: Sequence[Sequence[ArrayLike]], name: str = "", kind: str = "") -> Region:
        """Build one region from pieces, each an outline followed by its holes."""
        first, *others = (cls(np.asarray(outline), tuple(map(np.asarray, holes))) for outline, *holes in pieces)
        return replace(first, name=name, kind=kind, others=tuple(others))

    @classmethod
    def of_shape(cls, shape: BaseGeometry, name: str = "", kind: str = "") -> Region:
        """Build one region from a Polygon or MultiPolygon of shapely, in (x, y)."""
        pieces = shapely.get_parts(shape)
        return cls.of_pieces([[_yx(ring) for ring in (one.exterior, *one.interiors)] for one in pieces], name, kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[object, ...]:
        return self.name, self.kind, *(tuple(ring.tobytes() for ring in piece) for piece in self.pieces)

    @property
    def pieces(self) -> Iterator[tuple[NDArray[np.float64], ...]]:
        """Each piece as its outline followed by its holes."""
        yield self.outline, *self.holes
        for other in self.others:
            yield from other.pieces

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest (y, x) of the outlines."""
        ends = np.array([(outline.min(axis=0), outline.max(axis=0)) for outline, *_ in self.pieces])
        return ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)

    @cached_property
    def shape(self) -> BaseGeometry:
        """The area as a valid Polygon or MultiPolygon of shapely, in (x, y); empty when it has none."""
        try:
            areas = [_area_of(*piece) for piece in self.pieces]
            whole = areas[0] if len(areas) == 1 else _together(areas)
        except shapely.errors.GEOSException as error:
            raise RegionError(f"A region has an outline that makes no sense ({error}). Draw it again.") from error
        shapely.prepare(whole)
        # the first question builds an index; threads that ask later only read it
        shapely.intersects_xy(whole, 0.0, 0.0)
        return whole

    @property
    def area(self) -> float:
        """Area, square pixels."""
        return float(self.shape.area)

    def contains(self, yx: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points (N, 2) lie in the region, its borders included: (N,) bool."""
        points = np.asarray(yx).reshape(-1, 2)
        (top, left), (bottom, right) = self.bounds
        y, x = points[:, 0], points[:, 1]
        near = (y >= top) & (y <= bottom) & (x >= left) & (x <= right)
        rows = slice(None) if near.all() else np.flatnonzero(near)
        near[rows] = shapely.intersects_xy(self.shape, x[rows].astype(np.float64), y[rows].astype(np.float64))
        return np.asarray(near, bool)

    def mask(self, y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points of a grid lie in the region, by its rising rows (H,) and columns (W,): (H, W) bool."""
        found = np.zeros((len(y), len(x)), bool)
        if min(found.shape) > 1:
            frame = shapely.box(x[0], y[0], x[-1], y[-1])
            if not shapely.intersects(self.shape, frame):
                return found
            if shapely.covers(self.shape, frame):
                return ~found
        for first in range(0, len(y), ROWS_AT_A_TIME):
            rows = slice(first, first + ROWS_AT_A_TIME)
            found[rows] = shapely.intersects_xy(self.shape, x[None, :], y[rows, None])
        return found

    @property
    def ignored(self) -> bool:
        """Whether nothing is to be found or counted in it."""
        return self.kind.strip("* ").casefold() == IGNORE

    def moved(self, shift: ArrayLike) -> Region:
        """Shift the region by (y, x)."""
        by = np.asarray(shift, np.float64)
        return Region.of_pieces([[ring + by for ring in piece] for piece in self.pieces], self.name, self.kind)

    def scaled(self, factor: float) -> Region:
        """Return the region in pixels `factor` times smaller; centres of pixels stay at integers."""
        return Region.of_pieces(
            [[(ring + 0.5) * factor - 0.5 for ring in piece] for piece in self.pieces], self.name, self.kind
        )  # fmt: skip

    def valid(self) -> Region:
        """Return the same area with outlines that do not cross, for programs that refuse or misread others."""
        sound = len(self.others) == 0 and _polygon(*next(self.pieces)).is_valid
        return self if sound or self.shape.is_empty else Region.of_shape(self.shape, self.name, self.kind)


def as_region(area: Region | ArrayLike) -> Region:
    """Return a region, or a bare outline (N, 2) as one; RegionError when it is none."""
    return area if isinstance(area, Region) else Region(np.asarray(area))


def cut_out(areas: Iterable[Region], ignored: Iterable[Region]) -> list[Region]:
    """Return areas without what lies in the ignored ones; an area that lies in them whole is left out."""
    cuts = [region.shape for region in ignored]
    if not cuts:
        return list(areas)
    cut, left = shapely.union_all(cuts), []
    for area in areas:
        rest = _areas_in(area.shape - cut) if shapely.intersects(area.shape, cut) else area.shape
        if rest is area.shape:
            left.append(area)
        elif rest.area > 0:
            left.append(Region.of_shape(rest, area.name, area.kind))
    return left


def to_count(regions: Sequence[Region]) -> list[Region]:
    """Return the regions in which nuclei count: those that are not ignored, without what is."""
    return cut_out([one for one in regions if not one.ignored], [one for one in regions if one.ignored])


def in_any(yx: ArrayLike, areas: Iterable[Region | ArrayLike]) -> NDArray[np.bool_]:
    """Tell which points (N, 2) lie in any of the areas: (N,) bool."""
    return first_of(yx, areas) >= 0


def first_of(yx: ArrayLike, areas: Iterable[Region | ArrayLike]) -> NDArray[np.intp]:
    """Return the number of the first area that holds each point (N, 2), from 0; -1 for none: (N,)."""
    points = np.asarray(yx).reshape(-1, 2)
    first = np.full(len(points), -1, np.intp)
    for number, area in enumerate(areas):
        first[(first < 0) & as_region(area).contains(points)] = number
    return first


def _area_of(outline: NDArray[np.float64], *holes: NDArray[np.float64]) -> BaseGeometry:
    """One piece; only where rings cross, themselves or each other, anything is computed: else each corner stays."""
    area = _polygon(outline, *holes)
    if area.is_valid:
        return area
    whole = _enclosed(outline)
    return whole if not holes else _areas_in(whole - shapely.union_all([_enclosed(hole) for hole in holes]))


def _together(areas: list[BaseGeometry]) -> BaseGeometry:
    whole = shapely.MultiPolygon([part for area in areas for part in shapely.get_parts(area)])
    return whole if whole.is_valid else _areas_in(shapely.union_all(areas))


def _enclosed(ring: NDArray[np.float64]) -> BaseGeometry:
    return _areas_in(shapely.make_valid(_polygon(ring)))


def _areas_in(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape without the lines and points in it."""
    if shape.geom_type in {"Polygon", "MultiPolygon"}:
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.MultiPolygon([one for one in parts if one.geom_type == "Polygon"])


def _polygon(outline: NDArray[np.float64], *holes: NDArray[np.float64]) -> shapely.Polygon:
    return shapely.Polygon(outline[:, ::-1], [hole[:, ::-1] for hole in holes])


def _yx(ring: shapely.LinearRing) -> NDArray[np.float64]:
    return np.asarray(ring.coords)[:-1, 1::-1]
