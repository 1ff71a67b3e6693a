"""Outlines that a person draws, cuts, joins or has learned: which nuclei they mean, and the edit that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED
from nucloop.session import reshaping
from nucloop.session.history import EditKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from shapely import Polygon

    from nucloop.formats.slide_info import Weights
    from nucloop.nuclei import Nuclei
    from nucloop.session.change import Change
    from nucloop.session.session import Session

    Ids = NDArray[np.int64]

__all__ = ["add_outlined", "cut_along", "draw_around", "draw_outline", "give_outlines", "merge", "split"]

REACH_UM = 30.0
"""No nucleus's border is farther from its centre."""
LEAST_IOU = 0.3
"""Outlines that have so little in common are not of one nucleus."""


def add_outlined(session: Session, ring: ArrayLike, label: int | str = UNLABELLED) -> Change:
    """Add one nucleus by its outline (K, 2), level-0 pixels, not closed; it stands in the middle of that."""
    code = session.ledger.state.palette.code(label)
    return session.record(EditKind.ADD, reshaping.added(session.ledger.state, session.editor, ring, code))


def draw_outline(session: Session, identity: int, ring: ArrayLike) -> Change:
    """Give a nucleus the outline (K, 2) that a person drew; it moves into its middle where it lies outside.

    No model and no import gives it another one.

    Raises
    ------
    SessionError
        If the ring encloses nothing.
    """
    row = _row(session, identity)
    return session.record(EditKind.OUTLINE, reshaping.redrawn(session.ledger.state, session.editor, row, ring))


def split(session: Session, identity: int, line: ArrayLike) -> Change:
    """Make two of a nucleus, along a line (K, 2) across its outline; the larger part keeps the id.

    The other, ``change.added``, has its class, and a person's word for being there.

    Raises
    ------
    SessionError
        If the nucleus has no outline, or the line does not cut it in two.
    """
    row = _row(session, identity)
    return session.record(EditKind.SPLIT, reshaping.split(session.ledger.state, session.editor, row, line))


def merge(session: Session, ids: ArrayLike) -> Change:
    """Make one of several nuclei, with all their outlines; one that a person spoke about, else the largest, stays.

    Raises
    ------
    SessionError
        If there are fewer than two, or they lie too far apart to be one.
    """
    there = np.unique(np.asarray(ids, np.int64))
    rows = there[session.contains(there)] - 1
    return session.record(EditKind.MERGE, reshaping.merged(session.ledger.state, session.editor, rows))


def give_outlines(session: Session, nuclei: Nuclei, weights: Weights) -> Change:
    """Give nuclei the outlines that a network found, as one step, in place of those that they had.

    A person's own stay, and so do those of nuclei that were moved or deleted meanwhile, or for which it found none.

    Parameters
    ----------
    nuclei : Nuclei
        Of this session, each once, where they were when they were looked at, with outlines.
    weights : dict
        The network, with its sha256.
    """
    columns = session.ledger.state.columns
    known = nuclei.take((nuclei.ids > 0) & (nuclei.ids <= columns.size))
    # what grows outlines knows no cells
    patch = reshaping.given(session.ledger.state, replace(known, cell_outlines=None))
    return session.record(EditKind.OUTLINE, patch, details={"weights": weights, "did": "learned outlines"})


def draw_around(
    session: Session,
    ring: ArrayLike,
    mpp: float,
    *,
    selected: Ids,
    visible: Callable[[Ids], Ids],
    label: int = UNLABELLED,
) -> Change:
    """Take a ring that a person drew somewhere: the outline of the nucleus that it means, or a new nucleus.

    It means the selected nucleus where that lies in it or overlaps it; else the one that lies in it; else the one whose
    outline it overlaps most. Where there is none, a nucleus is added.

    Parameters
    ----------
    session : Session
    ring : (K, 2) array
        Level-0 pixels.
    mpp : float
        Level-0 µm per pixel.
    selected : (S,) int64
        Ids of the selected nuclei.
    visible : callable
        Returns those of ids (ascending) that a person sees.
    label : int
        Class of an added nucleus.

    Raises
    ------
    SessionError
        If the ring encloses nothing, or several nuclei.
    """
    shape = reshaping.shape_of(ring)
    near = _near(session, shape.bounds, mpp, visible)
    inside = near[shapely.contains_xy(shape, session.positions(near).astype(np.float64))]
    overlaps = _overlaps(session, near, shape)
    if len(selected) == 1 and (selected[0] in inside or overlaps.get(int(selected[0]), 0) > 0):
        return draw_outline(session, int(selected[0]), ring)
    if len(inside) > 1:
        raise SessionError(
            f"{len(inside):,} nuclei lie in this outline. Select the one that it belongs to and draw again, or select "
            "them all and merge them."
        )
    if len(inside):
        return draw_outline(session, int(inside[0]), ring)
    best = max(overlaps, key=lambda one: overlaps[one], default=0)
    if overlaps.get(best, 0) >= LEAST_IOU:
        return draw_outline(session, best, ring)
    return add_outlined(session, ring, label)


def cut_along(session: Session, line: ArrayLike, mpp: float, *, selected: Ids, visible: Callable[[Ids], Ids]) -> Change:
    """Split the nucleus that a drawn line (K, 2) means: the selected one if crossed, else the one it crosses most.

    Raises
    ------
    SessionError
        If the line crosses no outline, or does not cut it in two.
    """
    corners = np.asarray(line, np.float64).reshape(-1, 2)
    crossed: dict[int, float] = {}
    if len(corners) > 1:
        drawn = shapely.LineString(corners)
        shapes = _shapes(session, _near(session, drawn.bounds, mpp, visible))
        crossed = {one: length for one, shape in shapes.items() if (length := shape.intersection(drawn).length) > 0}
    if not crossed:
        raise SessionError("This line crosses no outline. Draw it across the nucleus that is to be split.")
    meant = int(selected[0]) if len(selected) == 1 else 0
    return split(session, meant if meant in crossed else max(crossed, key=lambda one: crossed[one]), corners)


def _row(session: Session, identity: int) -> int:
    if not session.contains([identity])[0]:
        raise SessionError("This nucleus is not there any more, so nothing was changed.")
    return identity - 1


def _near(
    session: Session, bounds: tuple[float, float, float, float], mpp: float, visible: Callable[[Ids], Ids]
) -> Ids:
    """Ids of the visible nuclei that may have a border in some bounds."""
    top, left, bottom, right = bounds
    far = REACH_UM / mpp
    return visible(session.in_box(top - far, left - far, bottom - top + 2 * far, right - left + 2 * far))


def _overlaps(session: Session, ids: Ids, shape: Polygon) -> dict[int, float]:
    """IoU of a shape with the outlines of nuclei that overlap it, by id."""
    found = {}
    for identity, other in _shapes(session, ids).items():
        common = shape.intersection(other).area
        if common > 0:
            found[identity] = common / (shape.area + other.area - common)
    return found


def _shapes(session: Session, ids: Ids) -> dict[int, Polygon]:
    outlines = session.nuclei(ids, outlines=True).outlines
    rings = () if outlines is None else outlines
    return {
        identity: shapely.make_valid(shapely.Polygon(ring))
        for identity, ring in zip(ids.tolist(), rings, strict=bool(rings))
        if ring is not None
    }
