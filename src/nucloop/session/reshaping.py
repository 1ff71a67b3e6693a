"""What a person does to outlines: drawing them, cutting a nucleus in two, making one of several; as patches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.ops import split as cut

from nucloop.errors import SessionError
from nucloop.geometry import checked_ring
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session.patch import Patch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

    from nucloop.session.edits import Editor
    from nucloop.session.outlines import NewOutlines
    from nucloop.session.view import State

__all__ = ["added", "given", "merged", "redrawn", "shape_of", "split"]

SMOOTH_PIXELS = 0.3
"""A hand's line is kept this exactly, level-0 pixels."""
LEAST_PIXELS = 4.0
"""An outline around less is a slip of the hand."""
MOST_MERGED = 20
MOST_GROUND = 1.5
"""Nuclei that would grow by more, with the ground between them, are not one."""


def shape_of(ring: ArrayLike) -> Polygon:
    """Return what a ring (K, 2) encloses: the largest piece where it crosses itself, without holes, in (y, x).

    Raises
    ------
    SessionError
        If that is nothing.
    """
    try:
        corners = checked_ring(ring)
    except ValueError as error:
        raise SessionError("This outline encloses nothing. Draw once around the nucleus.") from error
    pieces = shapely.get_parts(shapely.make_valid(shapely.Polygon(corners)))
    pieces = [piece for piece in pieces if piece.geom_type == "Polygon"]
    largest = max(pieces, key=shapely.area, default=None)
    if largest is None or largest.area < LEAST_PIXELS:
        raise SessionError("This outline encloses nothing. Draw once around the nucleus.")
    return _plain(largest)


def added(state: State, editor: Editor, ring: ArrayLike, code: int) -> Patch:
    """Add a nucleus that a person drew."""
    shape = shape_of(ring)
    values: dict[str, NDArray[Any]] = {
        "origin": np.array([Origin.ADDED], np.uint8),
        "label": np.array([code], np.int16),
    }
    if code != UNLABELLED:
        values[editor.column] = np.array([code], np.int16)
    return _addition(state, editor, [shape], values)


def redrawn(state: State, editor: Editor, row: int, ring: ArrayLike) -> Patch:
    """Give a nucleus another outline."""
    return _reshaped(state, editor, row, shape_of(ring))


def given(state: State, nuclei: Nuclei) -> Patch:
    """Give nuclei the outlines that a model found; not those that were drawn by hand, or that are elsewhere by now."""
    columns, order = state.columns, np.argsort(nuclei.ids, kind="stable")
    outlines = Outlines.none(len(nuclei)) if nuclei.outlines is None else nuclei.outlines
    rows = nuclei.ids[order] - 1
    takes = outlines.there[order] & columns.alive(rows) & (columns.values("drawn", rows) == 0)
    takes &= (columns["yx"][rows] == nuclei.yx[order]).all(1)
    rows, source = rows[takes], order[takes]
    shift = columns["found"][rows].astype(np.float64) - columns["yx"][rows]
    numbers, new = state.outlines.numbered(nuclei.take(source), shift=shift)
    if new is None:
        return Patch()
    return replace(Patch.change(columns, rows, {"outline": numbers["outline"]}), outlines=new)


def split(state: State, editor: Editor, row: int, line: ArrayLike) -> Patch:
    """Cut a nucleus in two along a line."""
    kept, other = _halves(_own(state, row), np.asarray(line, np.float64).reshape(-1, 2))
    columns = state.columns
    rows = np.array([row])
    label = columns["label"][rows]
    values = {"origin": np.array([Origin.ADDED], np.uint8), "label": label, "model": columns["model"][rows]}
    if label[0] != UNLABELLED:
        values[editor.column] = label
    # what the model thought of the whole, it thinks of both
    values |= {name: columns[name][rows] for name in columns.names if name[0] == "p" and name[1:].isdigit()}
    first = _reshaped(state, editor, row, kept)
    assert first.outlines is not None
    second = _addition(state, editor, [other], values, behind=first.outlines)
    outlines = replace(
        first.outlines, outlines=Outlines.concatenate([first.outlines.outlines, Outlines.of([_ring(other)])])
    )
    return first.joined(second, outlines)


def merged(state: State, editor: Editor, rows: NDArray[np.int64]) -> Patch:
    """Make one of several nuclei (rows ascending)."""
    if not 2 <= len(rows) <= MOST_MERGED:
        raise SessionError(f"Select two nuclei that are one, or up to {MOST_MERGED}, then merge them.")
    shapes = {int(row): shape for row in rows if (shape := _outline(state, int(row))) is not None}
    columns = state.columns
    spoken = columns["origin"][rows] != Origin.PREDICTED
    sizes = np.array([shapes[int(row)].area if int(row) in shapes else 0.0 for row in rows])
    kept = int(rows[np.lexsort((-rows, sizes, spoken))[-1]])
    if shapes:
        patch = _reshaped(state, editor, kept, _joined(list(shapes.values())))
    else:
        patch = Patch.change(columns, np.array([kept]), {"yx": columns["yx"][rows].mean(0)[None]})
    return _and_removed(state, patch, kept, rows)


def _and_removed(state: State, patch: Patch, kept: int, rows: NDArray[np.int64]) -> Patch:
    """Let a patch of one row remove all other rows as well."""
    columns = state.columns
    now = {name: columns.values(name, rows) for name in patch.new}
    for name, values in patch.new.items():
        now[name][rows == kept] = values
    removed = (rows != kept).astype(np.uint8)
    return replace(Patch.change(columns, rows, {**now, "removed": removed}), outlines=patch.outlines)


def _reshaped(state: State, editor: Editor, row: int, shape: Polygon) -> Patch:
    columns, rows = state.columns, np.array([row])
    place = columns["yx"][rows].astype(np.float64)
    if not shape.contains(shapely.Point(place[0])):
        place = _middle(shape)[None]
    place = place.astype(np.float32)
    shift = columns["found"][rows].astype(np.float64) - place
    numbers, outlines = _numbered(state, [shape], place, shift)
    patch = Patch.change(columns, rows, {"outline": numbers, "drawn": np.uint8(editor.number), "yx": place})
    return replace(patch, outlines=outlines)


def _addition(
    state: State,
    editor: Editor,
    shapes: list[Polygon],
    values: dict[str, NDArray[Any]],
    behind: NewOutlines | None = None,
) -> Patch:
    """Add nuclei; their outlines are numbered after those that the same edit brings already."""
    places = np.array([_middle(shape) for shape in shapes], np.float32)
    numbers, outlines = _numbered(state, shapes, places)
    if behind is not None:
        numbers = numbers + len(behind.outlines)
    who = np.full(len(shapes), editor.number, np.uint8)
    return Patch.addition(
        state.columns, {"yx": places, **values, "speaker": who, "drawn": who, "outline": numbers}, outlines
    )


def _numbered(
    state: State, shapes: list[Polygon], places: NDArray[np.float32], shift: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.int64], NewOutlines]:
    outlines = Outlines.of([_ring(shape) for shape in shapes])
    table = Nuclei.from_points(state.palette.scheme, places, outlines=outlines)
    numbers, new = state.outlines.numbered(table, shift=shift)
    assert new is not None
    return numbers["outline"], new


def _own(state: State, row: int) -> Polygon:
    shape = _outline(state, row)
    if shape is None:
        raise SessionError("This nucleus has no outline to be cut. Add the second nucleus with A instead.")
    return shape


def _outline(state: State, row: int) -> Polygon | None:
    """Return the outline of a nucleus where it is now; None when it has none."""
    columns, rows = state.columns, np.array([row])
    ring = state.outlines.read(columns.values("outline", rows))[0]
    if ring is None:
        return None
    return shape_of(ring + (columns["yx"][row].astype(np.float64) - columns["found"][row]))


def _halves(shape: Polygon, line: NDArray[np.float64]) -> tuple[Polygon, Polygon]:
    """Cut a shape; return the larger part and the other."""
    whole = _plain(shape)
    parts: list[Polygon] = []
    if len(line) > 1:
        pieces = cut(whole, shapely.LineString(_longer(line, whole))).geoms
        parts = sorted(pieces, key=shapely.area, reverse=True)
    if len(parts) < 2 or parts[1].area < LEAST_PIXELS:
        raise SessionError("This line does not cut the nucleus in two. Draw it across, from one side to the other.")
    first, second = parts[:2]
    for small in parts[2:]:
        # what a shaky line cuts off besides belongs to the part that it borders on most
        if small.intersection(first).length >= small.intersection(second).length:
            first = first.union(small)
        else:
            second = second.union(small)
    first, second = _largest(first), _largest(second)
    return (first, second) if first.area >= second.area else (second, first)


def _longer(line: NDArray[np.float64], shape: Polygon) -> NDArray[np.float64]:
    """Let a line that ends inside a shape go on until it is out."""
    far = 2 * shapely.minimum_bounding_radius(shape) + 1
    ends = []
    for end, before in ((line[0], line[1:]), (line[-1], line[-2::-1])):
        way = end - before[min(len(before) - 1, 3)]
        length = float(np.hypot(*way))
        outside = not shape.contains(shapely.Point(end))
        ends.append(end if outside or not length else end + way / length * far)
    return np.concatenate([ends[:1], line, ends[1:]])


def _joined(shapes: list[Polygon]) -> Polygon:
    """Return one shape of several; where they do not touch, with the ground between them."""
    together = shapely.union_all(shapes)
    if together.geom_type != "Polygon":
        hull = shapely.convex_hull(together)
        if hull.area > MOST_GROUND * together.area:
            raise SessionError("These nuclei lie too far apart to be one. Select two that touch, then merge them.")
        together = hull
    return _plain(together)


def _largest(shape: BaseGeometry) -> Polygon:
    return _plain(max(shapely.get_parts(shape), key=shapely.area))


def _plain(shape: Polygon) -> Polygon:
    """Return a shape without holes and without corners that say nothing."""
    simple = shapely.Polygon(shape.exterior).simplify(SMOOTH_PIXELS)
    return simple if simple.geom_type == "Polygon" and not simple.is_empty else shapely.Polygon(shape.exterior)


def _middle(shape: Polygon) -> NDArray[np.float64]:
    """Return the centroid, or, of a bent nucleus that it lies outside of, a place inside."""
    centre = shape.centroid
    centre = centre if shape.contains(centre) else shape.representative_point()
    return np.array([centre.x, centre.y])


def _ring(shape: Polygon) -> NDArray[np.float32]:
    return np.asarray(shape.exterior.coords, np.float32)[:-1]
