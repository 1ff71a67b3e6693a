"""Which nuclei get their first outline from what an import or a model run brings: those that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.metrics.points import match_points
from nucloop.session.outlines import FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei
    from nucloop.session.outlines import NewOutlines
    from nucloop.session.view import State, View

__all__ = ["outlines_for", "without_outline"]


def without_outline(
    view: View, state: State, found: Nuclei, known: NDArray[np.bool_], radius_px: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair nuclei without an outline with those that a model found again, `known` (K,), and that bring one.

    Returns
    -------
    (N,), (N,) int64
        Rows of the session, ascending, and rows of `found`.
    """
    nothing = np.zeros(0, np.int64)
    if found.outlines is None:
        return nothing, nothing
    bringing = np.flatnonzero(known & found.outlines.there)
    if not len(bringing):
        return nothing, nothing
    places = found.yx[bringing]
    low, high = places.min(0) - radius_px - 1, places.max(0) + radius_px + 1
    near = view.in_box(*low.tolist(), *(high - low).tolist()) - 1
    bare = near[state.columns.values("outline", near) == 0]
    pairs = match_points(state.columns["yx"][bare], places, radius_px)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return bare[pairs[:, 0]], bringing[pairs[:, 1]]


def outlines_for(
    state: State,
    table: Nuclei,
    rows: NDArray[np.int64],
    source: NDArray[np.int64],
    new: NDArray[np.bool_] | None = None,
) -> tuple[dict[str, NDArray[np.int64]], NewOutlines | None]:
    """Give numbers to the outlines of new nuclei of a table, and for those that are there and had none.

    Parameters
    ----------
    state : State
    table : Nuclei
        K rows.
    rows, source : (N,) int64
        Rows of the session, and what they are in the table.
    new : (K,) bool, optional
        Which rows of the table are new; all that are no `source` by default.

    Returns
    -------
    dict of (K,) int64, NewOutlines or None
        See `KeptOutlines.numbered`.
    """
    columns = state.columns
    fresh = np.ones(len(table), bool) if new is None else new
    wanted = {name: fresh.copy() for name in FIELDS}
    for name in FIELDS:
        wanted[name][source] = columns.values(name, rows) == 0
    shift = np.zeros((len(table), 2))
    shift[source] = columns["found"][rows].astype(np.float64) - columns["yx"][rows]
    return state.outlines.numbered(table, wanted, shift)
