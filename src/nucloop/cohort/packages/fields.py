"""Which regions of a slide are handed out: drawn ones, fields drawn by lot in the tissue, or the whole slide."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from nucloop.cohort.result import read_figures
from nucloop.errors import DataError
from nucloop.formats.regions import read_regions
from nucloop.geometry import Region
from nucloop.slides.tissue import Ground

if TYPE_CHECKING:
    from nucloop.cohort.states import SlideState

__all__ = ["regions_of"]

_LEAST_TISSUE = 0.5


def regions_of(state: SlideState, fields: int, field_um: float) -> list[Region]:
    """Return the regions of a slide that readers get, level-0 pixels, each with a name.

    Parameters
    ----------
    state : SlideState
        Of a slide that is done.
    fields : int
        So many squares by lot, at least half tissue, none over another, the same ones each time; 0 for the regions
        that the cohort's list names or, without any, the whole slide.
    field_um : float
        Side of such a square, µm.

    Raises
    ------
    DataError
        If there is no room for a single field.
    """
    entry = state.entry
    if fields:
        return _by_lot(state, fields, field_um)
    if entry.regions:
        drawn = read_regions(entry.regions)
        return [Region(one.outline, one.holes, one.name or f"region {k}", one.others) for k, one in enumerate(drawn, 1)]
    return [_square(0, 0, entry.height, entry.width, "whole slide")]


def _by_lot(state: SlideState, fields: int, field_um: float) -> list[Region]:
    assert state.folder is not None
    mpp = float(read_figures(state.folder)["tissue_map"]["mpp"])
    entry = state.entry
    tissue = np.isin(np.asarray(Image.open(state.folder / "tissue.png")), (Ground.TISSUE, Ground.FOLD))
    side = max(round(field_um / mpp), 1)
    rows, columns = (length // side for length in tissue.shape)
    cells = tissue[: rows * side, : columns * side].reshape(rows, side, columns, side).mean((1, 3))
    places = np.argwhere(cells >= _LEAST_TISSUE)
    if not len(places):
        raise DataError(
            f"{entry.id} has no field of {field_um:g} µm with tissue in half of it. Choose smaller fields, or leave "
            "this slide out."
        )
    chosen = np.random.default_rng(zlib.crc32(entry.id.encode())).permutation(places)[:fields]
    step = side * mpp / (entry.mpp or 1.0)
    length = round(field_um / (entry.mpp or 1.0))
    corners = np.round(chosen * step).astype(int).tolist()
    return [_square(y, x, length, length, f"field {k}") for k, (y, x) in enumerate(corners, 1)]


def _square(top: int, left: int, height: int, width: int, name: str) -> Region:
    # pixel centres are at integers
    y0, x0, y1, x1 = top - 0.5, left - 0.5, top + height - 0.5, left + width - 0.5
    return Region(np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]), name=name)
