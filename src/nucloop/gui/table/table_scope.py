"""Which nuclei are measured: a place on the slide, which stays where it was when the view moves on."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.geometry import in_any
from nucloop.gui.canvas.drawn_regions import drawn_regions, ignored_regions
from nucloop.gui.layer.viewport import viewport_of

if TYPE_CHECKING:
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["Inside", "TableScope", "nowhere", "place_meant"]

Inside = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Tells which nuclei, by their ids (N,), lie in a place, (N,)."""


class TableScope(Enum):
    """Which nuclei are measured; the value is what a person reads."""

    VIEW = "On screen"
    REGIONS = "Regions"
    ALL = "Whole slide"


def place_meant(nuclei: NucleiLayer, scope: TableScope) -> Inside:
    """Return what tells which nuclei are meant, now and after edits; none where a region is ignored.

    Raises
    ------
    RegionError
        If no region is drawn.
    """
    inside, ignored = _place(nuclei, scope), ignored_regions(nuclei.viewer, nuclei.image)
    if not ignored:
        return inside
    return lambda ids: inside(ids) & ~in_any(nuclei.session.positions(ids), ignored)


def _place(nuclei: NucleiLayer, scope: TableScope) -> Inside:
    session = nuclei.session
    if scope is TableScope.ALL:
        return lambda ids: np.ones(len(ids), bool)
    if scope is TableScope.REGIONS:
        regions = drawn_regions(nuclei.viewer, nuclei.image)
        return lambda ids: np.asarray(np.any([one.contains(session.positions(ids)) for one in regions], axis=0))
    seen = viewport_of(nuclei.viewer, nuclei.image)
    low, high = (seen.top, seen.left), (seen.top + seen.height, seen.left + seen.width)

    def on_screen(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        places = session.positions(ids)
        return np.asarray(((places >= low) & (places < high)).all(1))

    return on_screen


def nowhere(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Nothing was asked for."""
    return np.zeros(len(ids), bool)
